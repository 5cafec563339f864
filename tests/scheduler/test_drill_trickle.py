from placement.baseline import nearest
from placement.columns import bools, floats
from placement.cost import loads
from placement.problem import Prices, Problem, formulate
from placement.readings import Snapshot
from placement.routing import RoutingView
from placement.solve.routing import solve_routing
from scheduler.drill_trickle import trickled
from simulator.trio import declared, trio


def problem(load: float = 0.5, dead: str = "") -> Problem:
    fleet = trio()
    readings = declared(fleet)
    usable = bools([fleet.clusters.ids[c] != dead for c in fleet.backends.cluster.tolist()])
    scaled = type(readings)(
        0.0, floats(readings.demand_rps * load), readings.capacity_rps, readings.latency_ms, readings.error_ratio
    )
    snapshot = Snapshot(0.0, scaled, nearest(fleet, usable), usable, floats(usable.astype(float)))
    return formulate(fleet, snapshot, Prices())


def test_trickle_when_flows_stand_alone_gives_each_its_next_best_cluster_a_hundredth() -> None:
    found = problem()
    plan = solve_routing(found)

    view = RoutingView(found.fleet, trickled(found, plan.routing, 0.01))

    assert {c: round(s, 6) for c, s in view["front@ams"].items()} == {"ams": 0.99, "fra": 0.01}
    assert len(view["front@iad"]) == 2
    assert view["back@ams"] == {"ams": 1.0}, "what is called stays with its caller"


def test_trickle_when_it_was_added_before_changes_nothing_more() -> None:
    found = problem()
    once = trickled(found, solve_routing(found).routing, 0.01)

    twice = trickled(found, once, 0.01)

    assert twice is once


def test_trickle_when_the_next_best_is_lost_goes_to_the_one_after() -> None:
    found = problem(dead="fra")

    view = RoutingView(found.fleet, trickled(found, solve_routing(found).routing, 0.02))

    assert round(view["front@ams"]["iad"], 6) == 0.02


def test_trickle_when_nobody_has_room_is_none() -> None:
    found = problem(load=1.9)
    plan = solve_routing(found)

    made = trickled(found, plan.routing, 0.2)

    before, after = (loads(found, r).utilization(found.capacity_rps) for r in (plan.routing, made))
    assert after.max() <= max(before.max(), 0.8) + 1e-6


def test_trickle_of_nothing_is_the_plan_itself() -> None:
    found = problem()
    plan = solve_routing(found)

    assert trickled(found, plan.routing, 0.0) is plan.routing
