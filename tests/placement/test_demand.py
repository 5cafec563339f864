import numpy as np

from placement.columns import bools, floats
from placement.demand import called_rps, displaced, external_demand, total_demand
from placement.routing import from_dense
from simulator.trio import trio


def test_external_demand_of_a_service_that_is_only_called_is_zero() -> None:
    fleet = trio()
    routing = from_dense(np.tile([1.0, 0.0, 0.0, 0.0], (6, 1)))

    external = external_demand(fleet, np.full(6, 50.0), routing)

    assert external.tolist() == [50.0, 50.0, 50.0, 0.0, 0.0, 0.0]


def test_total_demand_follows_parents_to_where_they_run() -> None:
    fleet = trio()
    routing = from_dense(np.tile([0.0, 0.0, 1.0, 0.0], (6, 1)))

    total = total_demand(fleet, floats([10.0, 20.0, 30.0, 0.0, 0.0, 0.0]), routing)

    assert total.tolist() == [10.0, 20.0, 30.0, 0.0, 0.0, 60.0]


def test_displaced_when_a_cluster_is_lost_brings_its_clients_to_the_nearest_mesh() -> None:
    fleet = trio()

    moved = displaced(fleet, floats([10.0, 20.0, 30.0, 0.0, 0.0, 0.0]), bools([False, True, False]))

    assert moved.tolist() == [30.0, 0.0, 30.0, 0.0, 0.0, 0.0]


def test_called_rps_after_another_routing_is_that_of_the_routing_asked_for() -> None:
    """What the last routing makes its callers ask is kept; another routing must not be given it."""
    fleet = trio()
    first, second = (from_dense(np.tile(row, (6, 1))) for row in ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]))

    called = [called_rps(fleet, np.full(6, 10.0), routing).tolist() for routing in (first, second, first)]

    assert called[0] == called[2] == [0.0, 0.0, 0.0, 30.0, 0.0, 0.0]
    assert called[1] == [0.0, 0.0, 0.0, 0.0, 30.0, 0.0]
