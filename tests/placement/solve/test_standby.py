"""Prices kept ready for a loss certify nearly as well as a climb after it, and are found by what was lost."""

import numpy as np
import pytest

from benchmarks.instances import synthetic
from benchmarks.tick import moved_demand
from placement.solve.ascent import ascend
from placement.solve.assignment import solve_relaxation
from placement.solve.prices import PriceModel
from placement.solve.standby import StandbyPrices, pools_of, prepare, without


@pytest.mark.parametrize("domain", [0, 3])
def test_prices_kept_ready_when_the_loss_comes_on_another_day_certify_it(domain: int) -> None:
    problem = synthetic(200, 15)
    _, base, _ = ascend(PriceModel(problem))
    [(_, ready)] = prepare(problem, base, [domain])
    rng = np.random.default_rng(domain)

    today = without(moved_demand(problem, rng.random(200) < 0.05, rng), domain)

    optimum = solve_relaxation(today).objective_usd_per_hour
    assert 0.98 * optimum <= PriceModel(today).bound(ready) <= optimum * (1 + 1e-9)
    assert PriceModel(today).bound(base) < PriceModel(today).bound(ready)


def test_after_a_loss_only_the_prices_of_that_loss_are_given() -> None:
    problem = synthetic(60, 10)
    _, base, _ = ascend(PriceModel(problem))
    ready = StandbyPrices(dict(prepare(problem, base, [0, 1])))

    assert ready.after(problem, without(problem, 1)) is ready.by_domain[1]
    assert ready.after(problem, problem) is None
    assert ready.after(problem, without(problem, 2)) is None
    assert ready.after(problem, without(without(problem, 0), 1)) is None


def test_prepare_does_one_loss_a_step() -> None:
    problem = synthetic(60, 10)
    steps = prepare(problem, PriceModel(problem).zero(), iter([4, 5]))

    assert [next(steps)[0], next(steps)[0]] == [4, 5]
    assert next(steps, None) is None


def test_pools_of_a_region_are_those_where_somebody_may_stand_in_it() -> None:
    problem = synthetic(60, 10)

    regions = np.stack([pools_of(problem, region) for region in range(int(problem.site_domains.max()) + 1)])

    assert (regions.sum(axis=0) <= 1).all()
    assert regions[:, problem.sites.pool].any(axis=0).all()
