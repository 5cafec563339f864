from dataclasses import replace

import numpy as np
import pytest

from placement.baseline import nearest
from placement.columns import bools, floats
from placement.failover import FailoverTable
from placement.fleet import Fleet
from placement.problem import Prices, Problem, formulate
from placement.quantize import Rounding
from placement.readings import Snapshot
from placement.routing import Routing, RoutingView
from placement.solve.failover import failover_table
from placement.solve.routing import solve_routing
from scheduler.drill_plan import Rehearsal, heirs, moved_ratio, overfull, receivers, rehearsal, utilization
from simulator.trio import declared, trio


def world(fleet: Fleet, load: float = 0.7) -> tuple[Problem, Routing, FailoverTable]:
    """A solved problem and its failover table."""
    readings = declared(fleet)
    readings = replace(readings, demand_rps=floats(readings.demand_rps * load))
    every = bools(np.ones(len(fleet.backends), dtype=bool))
    snapshot = Snapshot(0.0, readings, nearest(fleet), every, floats(every.astype(float)))
    routing = solve_routing(formulate(fleet, snapshot, Prices())).routing
    stands = replace(snapshot, routing=routing)
    return formulate(fleet, stands, Prices()), routing, failover_table(fleet, stands, routing, Prices())


def drill(fleet: Fleet, loss: str, load: float = 0.7) -> tuple[Problem, Rehearsal, float]:
    """The rehearsal of a loss, and the utilization that the table foresees."""
    problem, routing, table = world(fleet, load)
    row = next(row for row in table.rows if str(row.loss) == loss)
    return problem, rehearsal(problem, routing, row, table.standing, Rounding()), row.worst_utilization


@pytest.mark.parametrize("cluster", ["ams", "fra", "iad"])
def test_rehearsal_of_a_cluster_fills_receivers_as_the_table_foresees_and_leaves_nothing_there(
    cluster: str,
) -> None:
    fleet = trio()
    problem, plan, foreseen = drill(fleet, f"cluster {cluster}")

    filled = utilization(problem, plan.target)
    lost = plan.loss.dead(fleet)

    assert filled[~lost].max() == pytest.approx(foreseen, abs=0.01)
    assert filled[lost].max() < 1e-3
    assert set(receivers(problem, plan, 1.0).tolist()) <= set(np.flatnonzero(~lost).tolist())


def test_rehearsal_at_a_tenth_moves_a_tenth() -> None:
    fleet = trio()
    problem, plan, _ = drill(fleet, "cluster fra")

    view = RoutingView(fleet, plan.routing(0.1))

    assert view["front@fra"]["fra"] == pytest.approx(0.9)
    assert 0 < moved_ratio(problem, plan) < 1


def test_rehearsal_of_a_tier_moves_what_is_called_and_leaves_its_callers() -> None:
    fleet = trio()
    _, plan, _ = drill(fleet, "tier back/fra")

    assert [fleet.flow_name(f) for f in np.flatnonzero(plan.flows).tolist()] == ["back@fra"]


def test_rehearsal_where_the_heir_may_go_and_the_origin_may_not_stays_lawful() -> None:
    fleet = trio()
    far = fleet.network.rtt_ms.copy()
    far[1, 2] = 500.0
    fleet = replace(fleet, network=replace(fleet.network, rtt_ms=floats(far)))

    _, plan, _ = drill(fleet, "cluster fra")

    assert "iad" not in RoutingView(fleet, plan.target)["front@fra"]


def test_tables_of_a_rehearsal_speak_of_the_rehearsed_services_alone() -> None:
    fleet = trio()
    _, plan, _ = drill(fleet, "cluster fra")

    for origin, table in plan.tables.items():
        for service, targets, _ in table.items():
            flow = [fleet.flow_name(f) for f in range(len(fleet.flows))].index(f"{service}@{origin}")
            assert plan.flows[flow]
            assert not any(t.cluster == "fra" and t.weight for t in targets)


def test_rehearsal_without_some_origins_leaves_their_flows_as_they_are() -> None:
    fleet = trio()
    _, plan, _ = drill(fleet, "cluster fra", load=0.95)
    assert set(plan.tables) == {"ams", "fra"}, "ams makes room"

    part = plan.at(fleet, {fleet.origins.ids[1]})

    whole, base, now = (RoutingView(fleet, r) for r in (plan.target, plan.base, part.target))
    assert set(part.tables) == {"fra"}
    assert now["front@fra"] == whole["front@fra"]
    assert now["front@ams"] == base["front@ams"] != whole["front@ams"]


def test_fullness_when_there_is_no_room_is_said_in_numbers() -> None:
    problem, plan, _ = drill(trio(), "cluster fra", load=0.9)

    assert "would be filled to" in overfull(problem, plan, 1.0, 0.5)
    assert overfull(problem, plan, 1.0, 1.0) == ""
    assert overfull(problem, plan, 0.0, 0.1) == "", "nobody receives anything"


def test_heirs_of_a_lost_mesh_are_the_nearest_that_is_left() -> None:
    fleet = trio()

    assert heirs(fleet, bools([False, True, False])).tolist() == [0, 0, 2]
    assert heirs(fleet, bools([True, True, True])).tolist() == [0, 1, 2], "there is nobody left to inherit"
