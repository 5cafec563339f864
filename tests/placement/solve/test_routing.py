from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fleets import synthetic
from placement.cost import evaluate, loads
from placement.problem import Prices, formulate
from placement.solve.routing import shadow_prices, solve_routing
from tests.oracles import optimum
from tests.placement.fleets import problem_of, random_routing, snapshot_of


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


def test_high_priority_when_not_all_fits_is_served_first() -> None:
    problem = problem_of(8, services=8, load=2.5)

    routing = solve_routing(problem).routing

    made = loads(problem, routing)
    assert made.shed_rps.sum() > 0
    assert (problem.shed_usd > 0).all()
