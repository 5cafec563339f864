"""Blocks fit together, their gap is certified, and shards decide the same wherever they run."""

import numpy as np
import pytest

from benchmarks.instances import synthetic
from placement.solve.accounts import service_usd
from placement.solve.ascent import Pace
from placement.solve.assignment import solve_relaxation
from placement.solve.blocks import blocks_of, shares
from placement.solve.prices import PriceModel
from placement.solve.sharded import InProcess, partition, solve_sharded
from placement.solve.ticks import move, stand
from tests.placement.assignments import crowded


@pytest.mark.parametrize("seed", range(6))
def test_shares_of_any_use_add_up_to_the_limit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    use, limit = rng.random((5, 30)) * (rng.random((5, 30)) < 0.7), rng.random(30) * 4

    share = shares(use, limit)

    assert (share >= -1e-12).all()
    np.testing.assert_allclose(share.sum(axis=0), limit)


def test_blocks_of_a_call_graph_when_dealt_never_split_an_application() -> None:
    problem = crowded(3, services=40)

    block = blocks_of(problem, 5)

    assert len(set(block[problem.block == 0])) == 1
    assert len(set(block)) == 5


@pytest.mark.parametrize("shards", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_blocks_of_a_crowded_problem_fit_and_prove_their_gap(seed: int, shards: int) -> None:
    problem = crowded(seed, services=30, forced=0.0)
    optimum = solve_relaxation(problem).objective_usd_per_hour
    layout = partition(problem, shards, 8)

    answer = solve_sharded(problem, layout, InProcess(layout.parts(problem)))

    assert (problem.pool_use(answer.replicas) <= problem.capacity * (1 + 1e-6) + 1e-6).all()
    links = problem.links
    over = (answer.route_rps * problem.routes.bytes_per_request)[links.route]
    assert (np.bincount(links.link, over, len(links.bandwidth)) <= links.bandwidth * (1 + 1e-6) + 1e-6).all()
    assert answer.lower_bound_usd_per_hour <= optimum * (1 + 1e-9)
    assert answer.objective_usd_per_hour >= optimum * (1 - 1e-9)
    spent = service_usd(problem, np.asarray(answer.replicas, dtype=float), answer.route_rps).sum()
    assert spent == pytest.approx(answer.objective_usd_per_hour, rel=1e-6)


def test_blocks_of_a_plain_problem_are_certified_within_a_tenth() -> None:
    problem = synthetic(400, 20)
    layout = partition(problem, 2)

    answer = solve_sharded(problem, layout, InProcess(layout.parts(problem)))

    assert answer.gap < 0.1


def test_solve_with_the_same_blocks_does_not_depend_on_the_order_of_calls() -> None:
    problem = synthetic(120, 12)
    layout = partition(problem, 2)

    first, second = (solve_sharded(problem, layout, InProcess(layout.parts(problem)), Pace(40)) for _ in range(2))

    assert first.objective_usd_per_hour == second.objective_usd_per_hour
    np.testing.assert_array_equal(first.replicas, second.replicas)


def test_tick_when_nothing_else_moved_keeps_the_others_and_stays_certified() -> None:
    problem = synthetic(200, 15)
    layout = partition(problem, 1)
    shards = InProcess(layout.parts(problem))
    plan = solve_sharded(problem, layout, shards)
    prices = shards.parts[0].best
    assert prices is not None
    standing = stand(problem, plan, prices)
    moved = np.arange(200) < 10

    after = move(PriceModel(problem), standing, moved).assignment

    kept = ~moved[problem.sites.service]
    np.testing.assert_array_equal(after.replicas[kept], np.asarray(plan.replicas)[kept])
    assert (problem.pool_use(after.replicas) <= problem.capacity * (1 + 1e-6)).all()
    assert after.objective_usd_per_hour <= plan.objective_usd_per_hour * (1 + 2e-3)
    assert after.lower_bound_usd_per_hour <= solve_relaxation(problem).objective_usd_per_hour
