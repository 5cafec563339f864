"""Whole replicas priced on Ray are those priced in process, to the bit, even when a node dies on the way."""

import operator
import os
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks.instances import synthetic
from placement.assignment import AssignmentProblem
from placement.columns import floats
from placement.solve.integers import Effort, WholeAssignment, solve_integers
from scheduler.pricing_fanout import RayMapper, pricing_mapper
from tests.scheduler.nodes import Cluster, end

QUICK = Effort(passes=1, rounds=4, mips=40)
"""The point here is who computes."""


def crowded() -> AssignmentProblem:
    """Demand that the pools cannot all hold."""
    roomy = synthetic(24, 8)
    return replace(roomy, capacity=floats(roomy.capacity * 0.8))


class KillsInMidSolve:
    """A mapper whose second node dies under it: the wrapped one is the real one."""

    def __init__(self, inner: RayMapper, node: subprocess.Popen[bytes]) -> None:
        self.inner, self.node, self.calls = inner, node, 0

    def __call__(self, work: Callable[[Any], Any], tasks: Iterable[Any], /) -> Iterable[Any]:
        """As the real one, but the third call finds a node gone."""
        self.calls += 1
        if self.calls == 3:
            end(self.node)
        return self.inner(work, tasks)


def same(one: WholeAssignment, other: WholeAssignment) -> None:
    """To the bit: plans, flows, prices, cost and bound."""
    np.testing.assert_array_equal(one.assignment.replicas, other.assignment.replicas)
    np.testing.assert_array_equal(one.assignment.route_rps, other.assignment.route_rps)
    np.testing.assert_array_equal(one.standing.pool_usd, other.standing.pool_usd)
    np.testing.assert_array_equal(one.standing.least, other.standing.least)
    assert one.assignment.objective_usd_per_hour == other.assignment.objective_usd_per_hour
    assert one.mips == other.mips


def ends_elsewhere(home: int, task: int) -> int:
    """Work that no process survives but one."""
    if os.getpid() != home:
        os._exit(1)
    return task + 1


@pytest.mark.usefixtures("two_nodes")
def test_map_on_ray_when_workers_die_is_run_in_this_process_and_errors_are_raised_as_they_are() -> None:
    with RayMapper(processors=2, retries=0, answer_max_s=600.0) as mapper:
        assert list(mapper(partial(operator.mul, 2), range(21))) == list(range(0, 42, 2))
        assert list(mapper(partial(ends_elsewhere, os.getpid()), [1, 2])) == [2, 3]
        with pytest.raises(ZeroDivisionError):
            mapper(partial(operator.floordiv, 1), [1, 0])
        assert mapper.run_here == 2


def test_solve_on_two_nodes_when_one_dies_is_the_same_to_the_bit(two_nodes: Cluster) -> None:
    problem = crowded()
    here = solve_integers(problem, effort=QUICK)

    with RayMapper() as mapper:
        together = solve_integers(problem, mapper=mapper, effort=QUICK)
        shipped = mapper.shipped
        dying = KillsInMidSolve(mapper, two_nodes.second())
        alone = solve_integers(problem, mapper=dying, effort=QUICK)

    assert here.mips > 0
    assert shipped == 1
    assert dying.calls > 3
    same(together, here)
    same(alone, here)


def test_pricing_mapper_of_a_small_problem_stays_in_process() -> None:
    with pricing_mapper(synthetic(20, 6)) as mapper:
        assert mapper is map
    with pricing_mapper(synthetic(120, 10), address="127.0.0.1:1") as mapper:
        assert not isinstance(mapper, RayMapper)
