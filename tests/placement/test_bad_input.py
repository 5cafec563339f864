"""Input that no fleet should have: refused where values are made, or a certified plan that sheds and says whom and why.

The documents refuse all of it before (tests/config/invalid), and telemetry hygiene the rest (tests/scheduler); this is
for those who make a fleet or readings by themselves.
"""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleets import synthetic
from placement.baseline import nearest
from placement.columns import bools, floats, ints
from placement.cost import Loads, loads
from placement.explain import explain
from placement.fleet import Calls, Fleet, Sites, backends_of
from placement.plan import Plan
from placement.problem import DEMAND_FLOOR_RPS, Prices, Problem, formulate
from placement.readings import Readings
from placement.solve.failover import failover_table
from placement.solve.routing import shadow_prices, solve_routing
from tests.placement.fleets import snapshot_of

SERVICES, CLUSTERS = 5, 4
TINY = 1e-6


def planned(fleet: Fleet, readings: Readings) -> tuple[Problem, Plan, Loads]:
    """The plan of a fleet that is all up, from the nearest routing; proven optimal and within capacity."""
    problem = formulate(fleet, snapshot_of(fleet, readings), Prices())
    plan = solve_routing(problem)
    made = loads(problem, plan.routing)
    assert plan.gap == pytest.approx(0, abs=TINY)
    assert (made.backend_rps <= problem.capacity_rps * (1 + TINY) + TINY).all()
    return problem, plan, made


def part_shed(problem: Problem, made: Loads, service: int) -> float:
    """Part of a service's requests that is refused."""
    mine = problem.fleet.flows.service == service
    return float(made.shed_rps[mine].sum() / made.demand_rps[mine].sum())


def without_backends(fleet: Fleet, readings: Readings, keep: np.ndarray) -> tuple[Fleet, Readings]:
    """A fleet with the marked backends only; every one of them has one site."""
    service, pool = fleet.sites.service[keep], fleet.sites.pool[keep]
    backends, row = backends_of(service, fleet.pools.cluster[pool], len(fleet.clusters))
    columns = {name: getattr(fleet.sites, name)[keep] for name in Sites.__slots__}
    names = ("capacity_rps", "latency_ms", "error_ratio")
    kept = {name: getattr(readings, name)[keep] for name in names}
    sites = replace(Sites(**columns), backend=row)
    return replace(fleet, sites=sites, backends=backends), replace(readings, **kept)


def test_fleet_without_a_cluster_is_refused() -> None:
    fleet, _ = synthetic(SERVICES, 1)
    none = replace(fleet.clusters, ids=(), region=(), provider=(), jurisdiction=(), gateway_rps=floats([]))

    with pytest.raises(ValueError, match="a fleet needs at least one cluster"):
        replace(fleet, clusters=none)


def test_plan_with_one_cluster_serves_and_its_loss_refuses_everything() -> None:
    fleet, readings = synthetic(SERVICES, 1)

    problem, plan, made = planned(fleet, readings)
    table = failover_table(fleet, snapshot_of(fleet, readings), plan.routing, Prices())

    assert made.shed_rps.sum() == 0
    assert [str(loss) for loss in table.losses if loss.clusters.any()] == ["cluster cluster-000"]
    assert table.shed_rps[0] == pytest.approx(problem.external_rps.sum())
    assert (table.shed_rps[1:] <= table.shed_rps[0] + 1e-6).all(), "a gateway or a tier is a part of it"


def test_plan_of_a_service_that_nobody_hosts_refuses_it_and_serves_the_others() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    keep = fleet.backends.service != 2

    problem, _, made = planned(*without_backends(fleet, readings, keep))

    assert [part_shed(problem, made, s) for s in range(SERVICES)] == pytest.approx([0, 0, 1, 0, 0], abs=TINY)


def test_plan_of_a_service_that_is_allowed_nowhere_refuses_it_and_says_that_it_may_go_nowhere() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    allowed = fleet.allowed.copy()
    allowed[2] = False

    problem, plan, made = planned(replace(fleet, allowed=bools(allowed)), readings)

    assert [part_shed(problem, made, s) for s in range(SERVICES)] == pytest.approx([0, 0, 1, 0, 0], abs=TINY)
    flow = int(np.flatnonzero(fleet.flows.service == 2)[0])
    assert not (problem.routes.flow == flow).any(), "no cluster is even offered"
    said = explain(problem, plan.routing, shadow_prices(problem), flow)
    assert said.shed_share > 1 - TINY
    reasons = {why for _, why in said.not_offered} - {"the service does not run there"}
    assert reasons == {f"jurisdiction {name} is not allowed" for name in fleet.clusters.jurisdiction}


def test_plan_without_any_capacity_refuses_everything_and_prices_what_would_help() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    empty = replace(readings, capacity_rps=floats(np.zeros(len(fleet.backends))))

    problem, _, made = planned(fleet, empty)

    assert made.shed_rps.sum() == pytest.approx(made.demand_rps.sum())
    dearest = np.zeros(SERVICES)
    np.maximum.at(dearest, fleet.backends.service, shadow_prices(problem).capacity_usd)
    leaves = np.setdiff1d(np.arange(SERVICES), fleet.calls.parent)
    assert (dearest[leaves] > 0).all(), "room for a service that calls no other is worth money"


@pytest.mark.parametrize("demand_rps", [1e9, 1e12])
def test_plan_for_absurd_demand_of_one_flow_serves_the_others_in_full(demand_rps: float) -> None:
    """A controller cannot know that it is absurd; telemetry hygiene refuses it (`rps_max`)."""
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    demand = readings.demand_rps.copy()
    demand[0] = demand_rps

    problem, _, made = planned(fleet, replace(readings, demand_rps=floats(demand)))

    mine = int(fleet.flows.service[0])
    called = fleet.calls.child[fleet.calls.parent == mine].tolist()
    others = [s for s in range(SERVICES) if s not in {mine, *called}]
    assert made.shed_rps[0] > 0.99 * demand_rps
    assert [part_shed(problem, made, s) for s in others] == pytest.approx([0] * len(others), abs=TINY)


def test_plan_for_absurd_demand_of_everybody_stays_within_capacity() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    everybody = replace(readings, demand_rps=floats(np.full(len(fleet.flows), 1e12)))

    _, _, made = planned(fleet, everybody)

    assert made.shed_rps.sum() == pytest.approx(made.demand_rps.sum())


def test_plan_without_demand_has_a_routing_for_every_flow() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)

    problem, plan, made = planned(fleet, replace(readings, demand_rps=floats(np.zeros(len(fleet.flows)))))

    assert len(plan.routing) == len(fleet.flows)
    assert made.shed_rps.sum() <= DEMAND_FLOOR_RPS * len(fleet.flows)
    assert problem.external_rps.min() > 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -1e-9])
@pytest.mark.parametrize("signal", ["demand_rps", "capacity_rps", "latency_ms", "error_ratio"])
def test_readings_with_what_is_no_amount_are_refused_by_name_and_row(signal: str, wrong: float) -> None:
    _, readings = synthetic(SERVICES, CLUSTERS)
    column = getattr(readings, signal).copy()
    column[3] = wrong

    with pytest.raises(ValueError, match=rf"^{signal}\[3\] is {wrong:g}: must be a finite number of 0 or more$"):
        replace(readings, **{signal: floats(column)})


@pytest.mark.parametrize("wrong", [np.nan, -1.0])
@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("clusters", "gateway_rps"),
        ("pools", "capacity"),
        ("services", "usd_per_request_ms"),
        ("services", "rtt_max_ms"),
        ("services", "rtt_target_ms"),
        ("sites", "usd_per_replica_hour"),
        ("calls", "per_request"),
        ("network", "rtt_ms"),
        ("network", "egress_back_usd_per_gb"),
    ],
)
def test_fleet_with_what_is_no_amount_is_refused_by_name_and_row(table: str, name: str, wrong: float) -> None:
    fleet, _ = synthetic(SERVICES, CLUSTERS)
    part = getattr(fleet, table)
    column = getattr(part, name).copy()
    column[(0,) * column.ndim] = wrong

    with pytest.raises(ValueError, match=rf"^{table}\.{name}\[0.*\] is {wrong:g}: must be a .*number of 0 or more$"):
        replace(fleet, **{table: replace(part, **{name: floats(column)})})


@pytest.mark.parametrize("table", ["clusters", "services", "origins"])
def test_fleet_with_an_id_twice_is_refused_by_that_id(table: str) -> None:
    fleet, _ = synthetic(SERVICES, CLUSTERS)
    part = getattr(fleet, table)

    with pytest.raises(ValueError, match=rf"^'{part.ids[1]}' occurs more than once among the {table}"):
        replace(fleet, **{table: replace(part, ids=(part.ids[1], *part.ids[1:]))})


@pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 1), (1, 0)], [(0, 1), (1, 2), (2, 0)]])
def test_fleet_whose_calls_go_round_in_a_circle_is_refused(pairs: list[tuple[int, int]]) -> None:
    fleet, _ = synthetic(SERVICES, CLUSTERS)
    parent, child = zip(*pairs, strict=True)

    with pytest.raises(ValueError, match="cycle"):
        replace(fleet, calls=Calls(ints(parent), ints(child), floats(np.ones(len(pairs)))))


def test_nearest_when_nobody_hosts_a_service_is_a_routing_of_refusals() -> None:
    fleet, readings = synthetic(SERVICES, CLUSTERS)
    alone, _ = without_backends(fleet, readings, fleet.backends.service != 0)

    routing = nearest(alone)

    refused = routing.column[routing.row_start[:-1]] == fleet.shed
    assert (refused == (fleet.flows.service == 0)).all()
