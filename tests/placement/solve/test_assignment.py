"""The program of the assignment relaxation: two solvers agree on it, and its prices are what capacity is worth."""

from dataclasses import replace

import numpy as np
import pytest

from placement.assignment import AssignmentProblem
from placement.columns import floats, ints
from placement.solve.accounts import service_usd
from placement.solve.assignment import build, moved, solve_relaxation
from placement.solve.linear import solve
from tests.placement.assignments import crowded


@pytest.mark.parametrize("seed", range(8))
def test_relaxation_of_a_crowded_problem_costs_what_its_services_cost(seed: int) -> None:
    problem = crowded(seed)

    answer = solve_relaxation(problem)

    assert answer.objective_usd_per_hour == pytest.approx(solve(build(problem).program).objective, rel=1e-7)
    spent = service_usd(problem, floats(answer.replicas), answer.route_rps).sum()
    assert spent == pytest.approx(answer.objective_usd_per_hour, rel=1e-6)
    assert (problem.pool_use(answer.replicas) <= problem.capacity * (1 + 1e-6) + 1e-6).all()


@pytest.mark.parametrize("seed", range(4))
def test_program_when_moved_is_that_of_the_new_problem(seed: int) -> None:
    problem = crowded(seed)
    rng = np.random.default_rng(seed)
    demands = replace(problem.demands, rps=floats(problem.demands.rps * rng.random(len(problem.demands))))
    losses = replace(problem.losses, survive_rps=floats(problem.losses.survive_rps * 2))
    sites = replace(problem.sites, standing=ints(problem.sites.standing + 3))
    today = replace(problem, demands=demands, losses=losses, sites=sites, capacity=floats(problem.capacity * 1.5))

    now, wanted = moved(build(problem), today).program, build(today).program

    np.testing.assert_array_equal(now.row_lower, wanted.row_lower)
    np.testing.assert_array_equal(now.row_upper, wanted.row_upper)


def with_more(problem: AssignmentProblem, pool: int, resource: int, part: float) -> AssignmentProblem:
    """A little more of one resource in one pool."""
    capacity = problem.capacity.copy()
    capacity[pool, resource] *= 1 + part
    return replace(problem, capacity=floats(capacity))


@pytest.mark.parametrize("seed", range(4))
def test_pool_price_when_capacity_grows_is_what_is_saved(seed: int) -> None:
    problem = crowded(seed, forced=0.0)
    answer = solve_relaxation(problem)
    pool, resource = np.unravel_index(int(np.argmax(answer.pool_usd)), answer.pool_usd.shape)
    grown = problem.capacity[pool, resource] * 1e-5

    less = solve_relaxation(with_more(problem, int(pool), int(resource), 1e-5)).objective_usd_per_hour

    assert (answer.objective_usd_per_hour - less) / grown <= answer.pool_usd[pool, resource] * 1.01 + 1e-6
    more = solve_relaxation(with_more(problem, int(pool), int(resource), -1e-5)).objective_usd_per_hour
    assert (more - answer.objective_usd_per_hour) / grown >= answer.pool_usd[pool, resource] * 0.99 - 1e-6
