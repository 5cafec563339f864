"""Shards on Ray decide what shards in process decide, and a node that dies in mid-solve costs no answer."""

import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.instances import synthetic
from benchmarks.tick import moved_demand
from placement.solve.ascent import PACE
from placement.solve.assignment import solve_relaxation
from placement.solve.shard import Delta
from placement.solve.sharded import TARGET, InProcess, Standing, partition, solve_sharded
from placement.solve.ticks import tick
from scheduler.assigned import Spread
from scheduler.fanout import RayShards, fan_out, solve_assignment
from tests.scheduler.nodes import Cluster, end
from tests.scheduler.test_placer import NOTHING_LOST, placer_of, seen

ANY = 1.0
"""A gap that one climb is sure to reach: the point here is who computes."""


def test_fan_out_of_a_small_problem_stays_in_process() -> None:
    fanout, layout = fan_out(synthetic(30, 8), 2)

    assert isinstance(fanout, InProcess)
    assert layout.shards == 2


def test_solve_assignment_of_a_tiny_problem_is_exact() -> None:
    answer = solve_assignment(synthetic(20, 6), 2)

    assert answer.gap == pytest.approx(0, abs=1e-9)


def test_solve_assignment_as_told_in_process_is_certified() -> None:
    answer = solve_assignment(synthetic(120, 10), 2, on_ray=False)

    assert 0 < answer.gap <= TARGET


@pytest.mark.usefixtures("two_nodes")
def test_placer_of_a_controller_on_two_nodes_says_what_threads_say() -> None:
    answers = []
    for on_ray in (False, True):
        placer = placer_of(Spread(shards=2, on_ray=on_ray))
        answers.append((placer.follow(seen(), NOTHING_LOST), placer.follow(seen(1.3), NOTHING_LOST)))
        placer.close()

    here, far = answers
    assert [s.where for s in (*here, *far)] == ["threads", "threads", "ray", "ray"]
    assert [s.how for s in far] == ["solve", "tick"]
    for one, other in zip(far, here, strict=True):
        assert one.assignment.objective_usd_per_hour == pytest.approx(other.assignment.objective_usd_per_hour, rel=1e-9)


class KillsInMidSolve:
    """Shards whose second node dies in the middle of the climb: the wrapped fan-out is the real one."""

    def __init__(self, inner: RayShards, node: subprocess.Popen[bytes]) -> None:
        self.inner, self.node, self.calls = inner, node, 0

    def call(self, method: str, arguments: Any) -> list[Any]:
        """As the real one, but the tenth call finds a node gone."""
        self.calls += 1
        if self.calls == 10:
            end(self.node)
        return self.inner.call(method, arguments)

    def update(self, deltas: Sequence[Delta]) -> None:
        """As the real one."""
        self.inner.update(deltas)


def test_solve_on_two_nodes_when_one_dies_is_finished_on_the_other(two_nodes: Cluster) -> None:
    problem = synthetic(60, 10)
    rng = np.random.default_rng(0)
    today = moved_demand(problem, rng.random(60) < 0.2, rng)
    layout = partition(problem, 2)
    here = InProcess(layout.parts(problem))
    expected = solve_sharded(problem, layout, here, PACE, ANY)
    expected_today = tick(problem, today, layout, here, expected, target=0.01)

    with RayShards(layout.parts(problem)) as shards:
        together = solve_sharded(problem, layout, shards, PACE, ANY)
        homes = shards.nodes()
        ticked = tick(problem, today, layout, shards, together, target=0.01)
        alone = solve_sharded(today, layout, KillsInMidSolve(shards, two_nodes.second()), PACE, ANY)
        restarts = shards.restarts

    assert len(set(homes)) == 2
    same(together, expected)
    same(ticked, expected_today)
    assert restarts >= 1
    optimum = solve_relaxation(today).objective_usd_per_hour
    assert alone.assignment.lower_bound_usd_per_hour <= optimum * (1 + 1e-9)
    assert alone.assignment.objective_usd_per_hour == pytest.approx(optimum, rel=0.02)
    assert (today.pool_use(alone.assignment.replicas) <= today.capacity * (1 + 1e-6)).all()


def same(one: Standing, other: Standing) -> None:
    """Two shards in two processes did the arithmetic of two in one."""
    assert one.assignment.objective_usd_per_hour == pytest.approx(other.assignment.objective_usd_per_hour, rel=1e-9)
    np.testing.assert_allclose(one.assignment.replicas, other.assignment.replicas, rtol=1e-9)
