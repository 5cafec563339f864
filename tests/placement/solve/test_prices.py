"""The bound holds wherever the prices stand, and the climb brings it near the optimum."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.instances import synthetic
from placement.columns import floats
from placement.solve.ascent import FINE, ascend
from placement.solve.assignment import solve_relaxation
from placement.solve.prices import PriceModel
from tests.placement.assignments import crowded, random_prices


@pytest.mark.parametrize("seed", range(25))
def test_bound_at_random_prices_is_never_above_the_optimum(seed: int) -> None:
    problem = crowded(seed)
    optimum = solve_relaxation(problem).objective_usd_per_hour
    model, rng = PriceModel(problem), np.random.default_rng(seed)

    bounds = [model.bound(random_prices(problem, rng)) for _ in range(40)] + [model.bound(model.zero())]

    assert max(bounds) <= optimum * (1 + 1e-9), seed


@pytest.mark.parametrize("seed", range(14))
def test_climb_at_a_fine_pace_on_a_crowded_problem_ends_just_below_the_optimum(seed: int) -> None:
    problem = crowded(seed)
    optimum = solve_relaxation(problem).objective_usd_per_hour

    bound, prices, _ = ascend(PriceModel(problem), FINE)

    assert 0.97 * optimum <= bound <= optimum * (1 + 1e-9), (seed, bound / optimum)
    assert PriceModel(problem).bound(prices) == pytest.approx(bound)


def test_climb_on_a_plain_problem_proves_half_a_percent() -> None:
    problem = synthetic(200, 15)

    bound, _, _ = ascend(PriceModel(problem))

    assert bound >= 0.995 * solve_relaxation(problem).objective_usd_per_hour


def test_bound_at_old_prices_when_demand_moves_still_certifies() -> None:
    problem = synthetic(200, 15)
    _, prices, _ = ascend(PriceModel(problem))
    rng = np.random.default_rng(1)
    moved = replace(problem.demands, rps=floats(problem.demands.rps * rng.lognormal(0, 0.03, len(problem.demands))))
    today = replace(problem, demands=moved)

    bound = PriceModel(today).bound(prices)

    optimum = solve_relaxation(today).objective_usd_per_hour
    assert 0.99 * optimum <= bound <= optimum


def test_climb_when_a_region_has_no_capacity_left_closes_it_by_price() -> None:
    problem = synthetic(200, 15)
    region = problem.site_domains[:, 0]
    gone = np.zeros(len(problem.capacity), dtype=bool)
    gone[problem.sites.pool[region == region[0]]] = True
    today = replace(problem, capacity=floats(np.where(gone[:, None], 0.0, problem.capacity)))

    bound, _, local = ascend(PriceModel(today))

    assert 0.98 * solve_relaxation(today).objective_usd_per_hour <= bound
    assert local.averaged()[0][gone[today.sites.pool]].sum() == pytest.approx(0, abs=1e-6)
