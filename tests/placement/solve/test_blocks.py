"""Blocks fit together, their gap is certified, and shards decide the same wherever they run."""

import numpy as np
import pytest

from benchmarks.instances import synthetic
from placement.assignment import Assignment, AssignmentProblem
from placement.solve.accounts import heavy, room_of, service_usd, uses
from placement.solve.ascent import FINE, PACE, Pace
from placement.solve.assignment import solve_relaxation
from placement.solve.blocks import blocks_of, shares
from placement.solve.sharded import TARGET, InProcess, partition, solve_sharded, threshold
from tests.placement.assignments import crowded


def solved(problem: AssignmentProblem, shards: int, pace: Pace = PACE) -> Assignment:
    """In this process."""
    layout = partition(problem, shards)
    return solve_sharded(problem, layout, InProcess(layout.parts(problem)), pace).assignment


def overfull(problem: AssignmentProblem, answer: Assignment) -> float:
    """How far, relatively, an answer is above the worst of pools and links."""
    limit = room_of(problem.capacity, problem.links.bandwidth)
    use = uses(problem, np.asarray(answer.replicas, dtype=np.float64), answer.route_rps)
    return float(((use - limit) / np.maximum(limit, 1.0)).max())


@pytest.mark.parametrize("seed", range(6))
def test_shares_of_any_use_add_up_to_the_limit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    use, limit = rng.random((5, 30)) * (rng.random((5, 30)) < 0.7), 1 + rng.random(30) * 4
    forced = 0.2 * rng.random((5, 30)) * use

    for share in (shares(use, limit), shares(use, limit, forced)):
        assert (share >= -1e-12).all()
        np.testing.assert_allclose(share.sum(axis=0), limit)
    assert (shares(use, limit, forced) >= forced - 1e-12).all()


def test_blocks_of_a_call_graph_when_dealt_never_split_an_application() -> None:
    problem = crowded(3, services=40)

    block = blocks_of(problem, 5)

    assert len(set(block[problem.block == 0])) == 1
    assert len(set(block)) == 5


def test_threshold_leaves_alone_no_more_than_it_may() -> None:
    excess = np.array([5.0, 0.2, np.inf, 0.1, 0.3, 1.0])

    least = threshold(excess, 0.7)

    assert excess[excess <= least].sum() == pytest.approx(0.6)
    assert threshold(excess, 0.05) == -np.inf


def test_heavy_of_an_overfull_pool_names_its_largest_users_first() -> None:
    problem = synthetic(60, 8)
    replicas = np.ones(len(problem.sites))
    over = np.zeros(problem.capacity.size)
    over[0] = 1e-6

    one = heavy(problem, replicas, np.zeros(len(problem.routes)), over, 3.0)

    here = problem.sites.pool == 0
    use = np.bincount(problem.sites.service[here], problem.sites.use[here, 0], problem.services)
    assert np.flatnonzero(one).tolist() == [int(np.argmax(use))]
    everybody = heavy(problem, replicas, np.zeros(len(problem.routes)), over * 1e12, 3.0)
    np.testing.assert_array_equal(everybody, use > 0)


@pytest.mark.parametrize("shards", [1, 2, 3])
@pytest.mark.parametrize("forced", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(4))
def test_blocks_of_a_crowded_problem_fit_and_prove_their_gap(seed: int, forced: float, shards: int) -> None:
    problem = crowded(seed, services=30, forced=forced)
    optimum = solve_relaxation(problem).objective_usd_per_hour

    answer = solved(problem, shards)

    assert overfull(problem, answer) <= 1e-6
    h = problem.sites
    assert (answer.replicas >= h.replicas_min - 1e-6).all()
    assert (answer.replicas <= h.replicas_max + 1e-6).all()
    if not forced:
        assert answer.gap <= TARGET, (seed, shards)
    assert answer.lower_bound_usd_per_hour <= optimum * (1 + 1e-9)
    assert answer.objective_usd_per_hour >= optimum * (1 - 1e-9)
    spent = service_usd(problem, np.asarray(answer.replicas, dtype=float), answer.route_rps).sum()
    assert spent == pytest.approx(answer.objective_usd_per_hour, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_blocks_of_a_plain_problem_are_certified_at_the_target(seed: int) -> None:
    problem = synthetic(400, 20, seed)

    answer = solved(problem, 2)

    assert answer.gap <= TARGET, seed
    assert overfull(problem, answer) <= 1e-6


def test_solve_in_threads_does_not_depend_on_which_is_first() -> None:
    problem = synthetic(120, 12)

    first, second = (solved(problem, 3, Pace(40)) for _ in range(2))

    assert first.objective_usd_per_hour == second.objective_usd_per_hour
    np.testing.assert_array_equal(first.replicas, second.replicas)


def test_solve_when_the_pace_is_too_fast_climbs_again_at_a_fine_one() -> None:
    problem = synthetic(120, 12)

    hasty = solved(problem, 1, Pace(8))

    assert hasty.gap <= solved(problem, 1, FINE).gap * (1 + 1e-9)
