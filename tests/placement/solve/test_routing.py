from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fleets import synthetic
from placement.chains import Paths, asks
from placement.columns import bools, floats
from placement.cost import evaluate, loads
from placement.crossings import BYTES_PER_MB
from placement.evacuation import shed_share
from placement.losses import reduced
from placement.problem import Prices, Problem, formulate
from placement.routing import Routing
from placement.sitecost import Autoscaler
from placement.solve.routing import shadow_prices, solve_routing, solve_with_shadow_prices
from tests.oracles import optimum
from tests.placement.fleets import problem_of, random_routing, snapshot_of, tiered


@pytest.mark.parametrize("seed", range(12))
def test_solve_routing_on_random_fleets_agrees_with_an_independent_solver(seed: int) -> None:
    problem = problem_of(seed, load=0.4 + 0.15 * (seed % 5))

    plan = solve_routing(problem)

    assert plan.lower_bound_usd_per_hour == pytest.approx(optimum(problem), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), load=st.floats(0.1, 3.0))
def test_plan_is_lawful_within_capacity_and_as_cheap_as_its_bound(seed: int, load: float) -> None:
    problem = problem_of(seed, load=load)

    plan = solve_routing(problem)

    routing = plan.routing
    offered = problem.route_of(routing.row, routing.column) >= 0
    assert (offered | (routing.column == problem.fleet.shed)).all()
    assert (loads(problem, routing).backend_rps <= problem.capacity_rps * (1 + 1e-6) + 1e-6).all()
    assert abs(plan.gap) <= 1e-6
    assert plan.cost.objective_usd_per_hour <= evaluate(problem, random_routing(problem, seed)).objective_usd_per_hour


def test_solve_routing_when_load_is_low_sheds_nothing() -> None:
    problem = problem_of(3, load=0.3)

    routing = solve_routing(problem).routing

    reachable = np.bincount(problem.routes.flow, minlength=len(problem.fleet.flows)) > 0
    shed = loads(problem, routing).shed_rps
    assert (shed[reachable] < 1e-6).all()


def test_shadow_price_of_a_full_backend_agrees_with_finite_differences() -> None:
    fleet, readings = synthetic(4, 3, 2, utilization=1.1)
    problem = formulate(fleet, snapshot_of(fleet, readings), Prices())
    prices = shadow_prices(problem).demand_usd
    flow = int(np.argmax(prices))

    step = 1e-3
    more = problem.external_rps.copy()
    more[flow] += step

    dearer = solve_routing(replace(problem, external_rps=more)).lower_bound_usd_per_hour
    slope = (dearer - solve_routing(problem).lower_bound_usd_per_hour) / step
    assert prices[flow] == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("problem", [problem_of(3, load=1.2), tiered(1, load=0.9)], ids=["drawn", "tiered"])
def test_solve_with_shadow_prices_is_both_in_one_solve(problem: Problem) -> None:
    plan, prices = solve_with_shadow_prices(problem)

    assert plan.cost == solve_routing(problem).cost
    alone = shadow_prices(problem)
    np.testing.assert_array_equal(prices.capacity_usd, alone.capacity_usd)
    np.testing.assert_array_equal(prices.demand_usd, alone.demand_usd)


def narrowed(problem: Problem, link: int, megabytes: float) -> Problem:
    """The problem with one (origin, cluster) link that carries so many megabytes/s."""
    wires = np.full(problem.fleet.network.rtt_ms.shape, np.inf)
    wires.flat[link] = megabytes * BYTES_PER_MB
    return replace(
        problem, fleet=replace(problem.fleet, network=replace(problem.fleet.network, link_bytes=floats(wires)))
    )


@pytest.mark.parametrize("seed", range(4))
def test_plan_keeps_the_limit_of_a_link_whose_price_lies_between_finite_differences(seed: int) -> None:
    free = tiered(seed, load=0.8)
    size = (free.fleet.services.request_bytes + free.fleet.services.response_bytes)[free.fleet.flows.service]
    routing = solve_routing(free).routing
    paths = Paths.of(free, routing)
    demand = loads(free, routing).demand_rps
    link = free.fleet.flows.origin[paths.row] * len(free.fleet.clusters) + paths.column
    remote = free.fleet.origins.cluster[free.fleet.flows.origin[paths.row]] != paths.column
    over = np.bincount(link, weights=remote * demand[paths.row] * paths.share * size[paths.row] / BYTES_PER_MB)
    busiest, limit = int(over.argmax()), float(over.max()) / 2

    tight, step = narrowed(free, busiest, limit), limit * 1e-4
    plan, price = solve_routing(tight), shadow_prices(tight).shared_usd
    wider, narrower = (
        solve_routing(narrowed(free, busiest, limit + by)).lower_bound_usd_per_hour for by in (step, -step)
    )

    carried = Paths.of(tight, plan.routing)
    carried.load(tight.external_rps, asks(tight.fleet))
    assert limit > 0, f"seed {seed}"
    assert carried.taken[0] == pytest.approx(limit, rel=1e-6), f"seed {seed}"
    assert price[0] > 0, f"seed {seed}"
    saved, lost = plan.lower_bound_usd_per_hour - wider, narrower - plan.lower_bound_usd_per_hour
    assert saved / step * (1 - 1e-3) <= price[0] <= lost / step * (1 + 1e-3), f"seed {seed}"


def test_high_priority_when_not_all_fits_is_served_first() -> None:
    problem = problem_of(8, services=8, load=2.5)

    routing = solve_routing(problem).routing

    made = loads(problem, routing)
    assert made.shed_rps.sum() > 0
    assert (problem.shed_usd > 0).all()


def autoscaled_problem(seed: int, load: float, error: float = 0.0, scaled: Autoscaler | None = None) -> Problem:
    """A synthetic problem most of whose backends follow load up to the capacity that was measured."""
    fleet, readings = synthetic(6, 4, seed, load)
    count, rng = len(fleet.backends), np.random.default_rng(seed)
    price = np.zeros(count)
    price[fleet.sites.backend] = fleet.sites.usd_per_replica_hour
    speed = np.ones(count)
    speed[fleet.sites.backend] = fleet.sites.rps_per_replica
    scaler = Autoscaler(
        follows=bools(rng.random(count) < 0.8),
        rps_per_replica=floats(speed),
        usd_per_replica_hour=floats(price),
        replicas_min=floats(np.minimum(1.0, readings.capacity_rps / speed)),
        replicas_max=floats(readings.capacity_rps / speed),
        utilization_target=fleet.services.utilization_target[fleet.backends.service],
        service_ms=floats(4000 / speed),
        slots=floats(np.full(count, 4.0)),
        variability=floats(rng.choice([0.5, 1.5], count)),
        lead_s=floats(np.zeros(count)),
    )
    fleet, snapshot = replace(fleet, scaler=scaled or scaler), snapshot_of(fleet, readings)
    return formulate(fleet, snapshot, Prices(), load_error=floats(np.full(count, error)))


def test_solve_routing_with_autoscalers_when_no_cluster_is_left_refuses_everything() -> None:
    problem = autoscaled_problem(0, 0.5)
    everything = bools(np.zeros(len(problem.fleet.backends), dtype=bool))

    plan = solve_routing(reduced(problem, everything, problem.standing))

    assert (shed_share(plan.routing) == 1.0).all()


@pytest.mark.parametrize("seed", range(8))
def test_solve_routing_with_autoscalers_lies_between_the_hulls_bound_and_the_hulls_routing(seed: int) -> None:
    problem = autoscaled_problem(seed, 0.3 + 0.1 * (seed % 5), error=0.02 * (seed % 3))
    hulls = replace(problem, curve=None)

    plan = solve_routing(problem)

    assert plan.lower_bound_usd_per_hour == pytest.approx(optimum(hulls), rel=1e-6)
    assert plan.gap >= -1e-6 * abs(plan.cost.objective_usd_per_hour / plan.lower_bound_usd_per_hour)
    cost = plan.cost.objective_usd_per_hour
    assert cost <= evaluate(problem, solve_routing(hulls).routing).objective_usd_per_hour + 1e-9
    assert (loads(problem, plan.routing).backend_rps <= problem.pieces.served_rps * (1 + 1e-6) + 1e-6).all()


def test_refusing_costs_more_where_latency_is_dearer() -> None:
    problem = problem_of(4)
    dear = replace(problem.fleet.services, usd_per_request_ms=floats(30 * problem.fleet.services.usd_per_request_ms))
    fleet, readings = synthetic(5, 4, 4, 0.55)

    dearer = formulate(replace(fleet, services=dear), snapshot_of(fleet, readings), Prices())

    assert (dearer.shed_usd >= 3600 * 2000 * dear.usd_per_request_ms[fleet.flows.service]).all()
    assert (dearer.shed_usd > problem.shed_usd).all()


def test_round_trips_beyond_a_target_are_used_less_and_count_ten_times() -> None:
    fleet, readings = synthetic(5, 4, 4, 0.55)
    target_ms = float(np.median(fleet.network.rtt_ms))
    fast = replace(fleet.services, rtt_target_ms=floats(np.full(len(fleet.services), target_ms)))
    free, held = (
        formulate(replace(fleet, services=services), snapshot_of(fleet, readings), Prices())
        for services in (fleet.services, fast)
    )

    def late_ms(routing: Routing) -> float:
        sent = routing.column != fleet.shed
        row, column = routing.row[sent], routing.column[sent]
        beyond = np.maximum(fleet.network.rtt_ms[fleet.flows.origin[row], column] - target_ms, 0.0)
        return float(beyond @ (routing.share[sent] * free.external_rps[row]))

    assert late_ms(solve_routing(held).routing) <= late_ms(solve_routing(free).routing) + 1e-9
    rtt_ms = fleet.network.rtt_ms[fleet.flows.origin[free.routes.flow], free.routes.cluster]
    dearer = held.routes.latency_usd - free.routes.latency_usd
    value = 3600 * fleet.services.usd_per_request_ms[fleet.flows.service[free.routes.flow]]
    assert dearer == pytest.approx(9 * value * np.maximum(rtt_ms - target_ms, 0.0))
