from dataclasses import replace

import numpy as np

from benchmarks.fleets import synthetic
from placement.columns import floats, ints
from placement.crossings import BYTES_PER_MB, crossings, shared_limits
from placement.fleet import Fleet


def limited() -> Fleet:
    """A gateway in front of cluster 1, and a link between origin 0 and cluster 1."""
    fleet, _ = synthetic(3, 3, 0)
    wires = np.full(fleet.network.rtt_ms.shape, np.inf)
    wires[0, 1] = 8e6
    return replace(
        fleet,
        clusters=replace(fleet.clusters, gateway_rps=floats([np.inf, 50.0, np.inf])),
        network=replace(fleet.network, link_bytes=floats(wires)),
    )


def test_crossings_of_routes_count_requests_at_gateways_and_bytes_on_links() -> None:
    fleet = limited()
    flow = np.array([int(np.flatnonzero(fleet.flows.origin == o)[0]) for o in (0, 0, 1, 2)])
    size = (fleet.services.request_bytes + fleet.services.response_bytes)[fleet.flows.service[flow[0]]]

    found = crossings(fleet, ints(flow), ints([1, 0, 1, 1]))

    assert fleet.origins.cluster[:3].tolist() == [0, 1, 2]
    assert shared_limits(fleet).most.tolist() == [50.0, 8.0]
    assert found.any().tolist() == [True, False, False, True]
    np.testing.assert_allclose(found.taken(floats([10, 100, 1000, 5])), [15, 10 * size / BYTES_PER_MB])
    np.testing.assert_allclose(found.least(floats([0.5, 0.25])), [0.25, 1, 1, 0.5])
    np.testing.assert_allclose(found.worth(floats([2.0, 3.0])), [2 + 3 * size / BYTES_PER_MB, 0, 0, 2])
    limit, route, _ = found.entries()
    assert sorted(zip(limit.tolist(), route.tolist(), strict=True)) == [(0, 0), (0, 3), (1, 0)]


def test_crossings_of_a_fleet_without_limits_take_nothing() -> None:
    fleet, _ = synthetic(3, 3, 0)

    found = crossings(fleet, ints([0, 1]), ints([1, 2]))

    assert len(shared_limits(fleet)) == 0
    assert found.taken(floats([1, 2])).shape == (0,)
    assert found.least(floats([])).tolist() == [1, 1]
    assert not found.any().any()
