"""What is kept ready for a loss certifies as well as a solve after it, and is found by what was lost."""

import numpy as np
import pytest

from benchmarks.instances import synthetic
from benchmarks.tick import moved_demand
from placement.assignment import AssignmentProblem
from placement.solve.accounts import room_of, uses
from placement.solve.ascent import ascend
from placement.solve.assignment import solve_relaxation
from placement.solve.prices import PriceModel, Prices
from placement.solve.sharded import TARGET, InProcess, partition
from placement.solve.standby import NOTHING, Foreseen, Understudy, pools_of, prepare, resume, without
from placement.solve.ticks import STALE


def understudy_of(problem: AssignmentProblem) -> tuple[Understudy, Prices]:
    """Who plays losses, and the prices of today."""
    layout = partition(problem, 1)
    _, base, _ = ascend(PriceModel(problem))
    return Understudy(layout, InProcess(layout.parts(problem)), problem), base


@pytest.mark.parametrize("domain", [0, 3])
def test_plan_kept_ready_when_the_loss_comes_on_another_day_is_taken_over_without_a_climb(domain: int) -> None:
    problem = synthetic(200, 15)
    understudy, base = understudy_of(problem)
    [(_, ready)] = prepare(understudy, problem, base, [domain], Foreseen({}))
    rng = np.random.default_rng(domain)
    today = without(moved_demand(problem, rng.random(200) < 0.05, rng), domain)
    layout = partition(problem, 2)

    after = resume(today, layout, InProcess(layout.parts(today)), ready, STALE)

    optimum = solve_relaxation(today).objective_usd_per_hour
    assert after.gap <= STALE
    assert 0.99 * optimum <= after.assignment.lower_bound_usd_per_hour <= optimum * (1 + 1e-9)
    assert PriceModel(today).bound(base) < after.assignment.lower_bound_usd_per_hour
    limit = room_of(today.capacity, today.links.bandwidth)
    taken = uses(today, np.asarray(after.assignment.replicas, dtype=np.float64), after.assignment.route_rps)
    assert (taken <= limit * (1 + 1e-6) + 1e-6).all()


def test_prepare_when_the_known_plan_still_holds_keeps_its_prices_and_does_not_climb() -> None:
    problem = synthetic(120, 10)
    understudy, base = understudy_of(problem)
    known = Foreseen(dict(prepare(understudy, problem, base, [0, 1], Foreseen({}))))
    rng = np.random.default_rng(0)
    today = moved_demand(problem, rng.random(120) < 0.02, rng)

    again = dict(prepare(understudy, today, base, [0, 1], known))

    for domain, ready in again.items():
        np.testing.assert_array_equal(ready.prices.pool, known.by_domain[domain].prices.pool)
        np.testing.assert_array_equal(ready.demand_rps, today.demands.rps)
        bound = PriceModel(without(today, domain)).bound(ready.prices)
        assert bound >= (1 - 2 * TARGET) * solve_relaxation(without(today, domain)).objective_usd_per_hour


def test_after_a_loss_only_what_is_ready_for_that_loss_is_given() -> None:
    problem = synthetic(60, 10)
    understudy, base = understudy_of(problem)
    ready = Foreseen(dict(prepare(understudy, problem, base, [NOTHING, 0, 1], Foreseen({}))))

    assert ready.after(problem, without(problem, 1)) is ready.by_domain[1]
    assert ready.after(without(problem, 1), problem) is ready.by_domain[NOTHING]
    assert ready.after(problem, problem) is None
    assert ready.after(problem, without(problem, 2)) is None
    assert ready.after(problem, without(without(problem, 0), 1)) is None


def test_prepare_does_one_loss_a_step() -> None:
    problem = synthetic(60, 10)
    understudy, base = understudy_of(problem)
    steps = prepare(understudy, problem, base, iter([4, 5]), Foreseen({}))

    assert [next(steps)[0], next(steps)[0]] == [4, 5]
    assert next(steps, None) is None


def test_pools_of_a_region_are_those_where_somebody_may_stand_in_it() -> None:
    problem = synthetic(60, 10)

    regions = np.stack([pools_of(problem, region) for region in range(int(problem.site_domains.max()) + 1)])

    assert (regions.sum(axis=0) <= 1).all()
    assert regions[:, problem.sites.pool].any(axis=0).all()
