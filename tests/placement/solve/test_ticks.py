"""Ticks keep what stands where they can, solve again what moved too far, and climb only after a shock."""

import pickle
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from benchmarks.instances import synthetic
from benchmarks.tick import moved_demand
from placement.assignment import AssignmentProblem
from placement.columns import floats
from placement.solve.accounts import room_of, service_usd, uses
from placement.solve.ascent import SETTLE
from placement.solve.assignment import solve_relaxation
from placement.solve.shard import Delta
from placement.solve.sharded import InProcess, Partition, Standing, partition, solve_sharded
from placement.solve.standby import Foreseen, Understudy, prepare, without
from placement.solve.ticks import STALE, tick
from tests.placement.assignments import crowded


class Counting:
    """Shards in process; counts the calls of each method and the bytes of updates."""

    def __init__(self, inner: InProcess) -> None:
        self.inner, self.calls, self.sent = inner, dict[str, int](), 0

    def call(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """As the inner one."""
        self.calls[method] = self.calls.get(method, 0) + 1
        return self.inner.call(method, arguments)

    def update(self, deltas: Sequence[Delta]) -> None:
        """As the inner one."""
        self.sent += sum(len(pickle.dumps(delta)) for delta in deltas)
        self.inner.update(deltas)


def standing_on(problem: AssignmentProblem, shards: int = 2) -> tuple[Partition, Counting, Standing]:
    """Solved once; the counts start after that."""
    layout = partition(problem, shards)
    inner = InProcess(layout.parts(problem))
    return layout, Counting(inner), solve_sharded(problem, layout, inner)


def check(problem: AssignmentProblem, standing: Standing) -> None:
    """Fits, costs what it says, and its bound is one."""
    answer = standing.assignment
    replicas = np.asarray(answer.replicas, dtype=np.float64)
    limit = room_of(problem.capacity, problem.links.bandwidth)
    assert (uses(problem, replicas, answer.route_rps) <= limit * (1 + 1e-6) + 1e-6).all()
    spent = service_usd(problem, replicas, answer.route_rps).sum()
    assert spent == pytest.approx(answer.objective_usd_per_hour, rel=1e-6)
    optimum = solve_relaxation(problem).objective_usd_per_hour
    assert answer.lower_bound_usd_per_hour <= optimum * (1 + 1e-9)
    assert answer.objective_usd_per_hour >= optimum * (1 - 1e-6)


def test_tick_when_nothing_moved_keeps_everything() -> None:
    problem = synthetic(200, 15)
    layout, shards, standing = standing_on(problem)

    after = tick(problem, problem, layout, shards, standing)

    np.testing.assert_array_equal(after.assignment.replicas, standing.assignment.replicas)
    np.testing.assert_array_equal(after.assignment.route_rps, standing.assignment.route_rps)
    assert shards.calls == {"certify": 1}


@pytest.mark.parametrize("seed", range(3))
def test_tick_when_some_services_moved_is_certified_without_a_climb(seed: int) -> None:
    problem = synthetic(300, 20, seed)
    layout, shards, standing = standing_on(problem)
    rng = np.random.default_rng(seed)
    moved = rng.random(300) < 0.05
    today = moved_demand(problem, moved, rng)

    after = tick(problem, today, layout, shards, standing)

    check(today, after)
    assert after.assignment.gap <= STALE
    assert "respond" not in shards.calls
    kept = np.isclose(after.assignment.replicas, standing.assignment.replicas)
    assert kept[~moved[problem.sites.service]].mean() > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_ticks_of_a_crowded_call_graph_stay_valid(seed: int) -> None:
    problem = crowded(seed, services=30, forced=0.0)
    layout, shards, standing = standing_on(problem)
    rng = np.random.default_rng(seed)

    for _ in range(3):
        before, problem = problem, moved_demand(problem, rng.random(30) < 0.3, rng)
        standing = tick(before, problem, layout, shards, standing)
        check(problem, standing)


def test_tick_when_demand_is_a_thousand_times_what_fits_sheds_and_never_overfills() -> None:
    problem = synthetic(100, 12)
    layout, shards, standing = standing_on(problem)
    flood = np.where(problem.demands.service == int(np.argmax(np.bincount(problem.demands.service))), 1e3, 1.0)
    today = replace(problem, demands=replace(problem.demands, rps=floats(problem.demands.rps * flood)))

    after = tick(problem, today, layout, shards, standing)

    check(today, after)
    served = np.bincount(today.routes.demand, after.assignment.route_rps, len(today.demands))
    assert served.sum() < today.demands.rps.sum()


def test_tick_when_all_demand_is_gone_and_back_pays_for_nothing_and_then_for_all() -> None:
    problem = synthetic(100, 12)
    layout, shards, standing = standing_on(problem)
    nobody = replace(
        problem,
        demands=replace(problem.demands, rps=floats(np.zeros(len(problem.demands)))),
        losses=replace(problem.losses, survive_rps=floats(np.zeros(len(problem.losses)))),
    )

    night = tick(problem, nobody, layout, shards, standing)
    day = tick(nobody, problem, layout, shards, night)

    assert night.gap == 0
    assert night.assignment.objective_usd_per_hour == pytest.approx(0, abs=1e-6)
    check(problem, day)
    assert day.gap <= STALE


def test_tick_when_a_region_is_lost_and_was_foreseen_takes_over_the_plan_that_is_ready() -> None:
    problem = synthetic(300, 20)
    layout, shards, standing = standing_on(problem)
    prices = layout.whole(problem, shards.inner.call("prices", [standing.price] * 2))
    one = partition(problem, 1)
    understudy = Understudy(one, InProcess(one.parts(problem)), problem)
    ready = Foreseen(dict(prepare(understudy, problem, prices, [1], Foreseen({}))))
    lost = without(problem, 1)

    after = tick(problem, lost, layout, shards, standing, ready)

    check(lost, after)
    assert after.assignment.gap <= STALE
    assert shards.calls == {"adopt": 1, "certify": 1}, "no climb and no program"
    gone = lost.capacity.sum(axis=1) == 0
    assert np.asarray(after.assignment.replicas)[gone[lost.sites.pool]].sum() == pytest.approx(0, abs=1e-6)


def test_tick_when_a_region_is_lost_unforeseen_notices_and_climbs() -> None:
    problem = synthetic(300, 20)
    layout, shards, standing = standing_on(problem)
    lost = without(problem, 1)

    after = tick(problem, lost, layout, shards, standing)

    check(lost, after)
    assert shards.calls["respond"] >= SETTLE.iterations
    assert after.assignment.gap <= STALE


def test_deltas_bring_shards_to_the_new_problem_in_a_fraction_of_its_bytes() -> None:
    problem = synthetic(300, 20)
    layout = partition(problem, 3)
    rng = np.random.default_rng(0)
    today = moved_demand(without(problem, 2), rng.random(300) < 0.05, rng)

    deltas = layout.deltas(problem, today)

    for delta, part, wanted in zip(deltas, layout.parts(problem), layout.parts(today), strict=True):
        got = delta.applied(part)
        for table in ("demands", "losses", "sites"):
            for field in fields(getattr(got, table)):
                np.testing.assert_array_equal(
                    getattr(getattr(got, table), field.name), getattr(getattr(wanted, table), field.name)
                )
        np.testing.assert_array_equal(got.capacity, wanted.capacity)
        assert len(pickle.dumps(delta)) < 0.05 * len(pickle.dumps(part))


def test_update_of_a_tick_sends_only_what_moved() -> None:
    problem = synthetic(300, 20)
    layout, shards, standing = standing_on(problem)
    rng = np.random.default_rng(0)

    tick(problem, moved_demand(problem, rng.random(300) < 0.05, rng), layout, shards, standing)

    assert 0 < shards.sent < 0.02 * sum(len(pickle.dumps(part)) for part in layout.parts(problem))
