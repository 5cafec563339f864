"""From documents to columns, on the fleet of base.yaml, whose numbers can be followed by hand."""

from pathlib import Path

import numpy as np
import pytest

from config.fleet import declared_readings, declared_replicas, fleet_of
from config.load import load
from placement.callgraph import call_depth

HERE = Path(__file__).parent
CONFIGURATION = load(HERE / "base.yaml")
FLEET = fleet_of(CONFIGURATION)


def test_fleet_rows_are_sorted_by_name() -> None:
    assert FLEET.clusters.ids == ("away", "home")
    assert FLEET.services.ids == ("store", "web")
    assert FLEET.origins.ids == ("home", "users")
    assert [FLEET.flow_name(flow) for flow in range(len(FLEET.flows))] == ["store@home", "web@home", "web@users"]


def test_fleet_clusters_and_pools_are_as_declared() -> None:
    assert FLEET.clusters.gateway_rps.tolist() == [500, np.inf]
    assert FLEET.clusters.jurisdiction == ("US", "EU")
    assert FLEET.pools.cluster.tolist() == [0, 1, 1]
    assert FLEET.pools.node_type == ("s1", "s1", "l1")
    assert FLEET.pools.nodes.tolist() == [4, 4, 2]
    assert FLEET.pools.capacity.tolist() == [[4, 16, 0, 0], [4, 16, 0, 0], [8, 32, 0, 1]]
    assert FLEET.pools.usd_per_node_hour.tolist() == [0.3, 0.4, 1.6]


def test_fleet_services_have_units_of_the_core() -> None:
    web = FLEET.services.ids.index("web")

    assert FLEET.services.priority.tolist() == [3, 10]
    assert FLEET.services.rtt_max_ms.tolist() == [np.inf, 90]
    assert FLEET.services.usd_per_request_ms[web] == pytest.approx(0.5e-6)
    assert FLEET.services.exposed.tolist() == [False, True]
    assert FLEET.allowed.tolist() == [[False, True], [True, True]]


def test_fleet_sites_cost_the_dominant_share_of_a_node() -> None:
    """A replica of store takes 8 of 16 GiB of s1 and 8 of 32 GiB of l1; web takes 1 of 4 vCPU of s1."""
    backends = [FLEET.backend_name(backend) for backend in FLEET.sites.backend]

    assert backends == ["store/home", "store/home", "web/away", "web/home"]
    assert FLEET.sites.pool.tolist() == [1, 2, 0, 1]
    assert FLEET.sites.rps_per_replica.tolist() == [80, 120, 50, 50]
    assert FLEET.sites.usd_per_replica_hour == pytest.approx([0.4 / 2, 1.6 / 4, 0.3 / 4, 0.4 / 4])


def test_fleet_network_takes_the_most_specific_distance_and_price() -> None:
    """The matrix has users' region by the cluster's name, in the other direction, and by the regions."""
    assert FLEET.network.rtt_ms.tolist() == [[80, 0.5], [120, 30]]
    assert FLEET.network.egress_out_usd_per_gb.tolist() == [[0.02, 0], [0.1, 0.07]]
    assert FLEET.network.egress_back_usd_per_gb.tolist() == [[0.05, 0], [0.05, 0.1]]


def test_fleet_calls_and_origins_are_rows_of_their_tables() -> None:
    assert (FLEET.calls.parent.tolist(), FLEET.calls.child.tolist()) == ([1], [0])
    assert FLEET.calls.per_request.tolist() == [2]
    assert call_depth(len(FLEET.services), FLEET.calls).tolist() == [1, 0]
    assert FLEET.origins.cluster.tolist() == [1, -1]


def test_declared_readings_stand_for_the_documents() -> None:
    readings = declared_readings(CONFIGURATION, FLEET)

    assert declared_replicas(CONFIGURATION, FLEET).tolist() == [0, 1, 2, 3]
    assert readings.at_s == 0
    assert readings.demand_rps.tolist() == [0, 40, 20]
    assert readings.capacity_rps.tolist() == [120, 100, 150]
    assert not readings.latency_ms.any()
    assert not readings.error_ratio.any()


def test_fleet_of_the_example_serves_its_demand_without_any_one_cluster() -> None:
    """The example is a fleet that one would want: the loss of a cluster leaves enough of every service."""
    configuration = load(HERE.parents[1] / "config" / "example")
    fleet = fleet_of(configuration)
    readings = declared_readings(configuration, fleet)
    demand = np.bincount(fleet.flows.service, weights=readings.demand_rps, minlength=len(fleet.services))
    np.add.at(demand, fleet.calls.child, fleet.calls.per_request * demand[fleet.calls.parent])

    for lost in range(len(fleet.clusters)):
        left = np.where(fleet.backends.cluster == lost, 0.0, readings.capacity_rps)
        capacity = np.bincount(fleet.backends.service, weights=left, minlength=len(fleet.services))
        assert (capacity > demand).all(), fleet.clusters.ids[lost]
