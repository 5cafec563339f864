"""Whole replicas with calls, links and spread: the rows themselves are checked, and the bound against one program."""

from dataclasses import replace

import numpy as np
import pytest

from placement.assignment import AssignmentProblem
from placement.columns import Floats, floats, ints
from placement.solve import whole
from placement.solve.assignment import build, solve_relaxation
from placement.solve.place import place
from placement.solve.whole import in_parts, solve_whole
from tests.placement.assignments import crowded
from tests.placement.solve.test_integers import optimum, problem


def violated(p: AssignmentProblem, n: Floats, route_rps: Floats) -> float:
    """The most by which replicas and load break pools, links or spread."""
    raw = n * p.sites.rps_per_replica
    total = np.bincount(p.sites.service, raw, p.services)
    over = route_rps[p.links.route] * p.links.amount
    through = np.bincount(p.links.link, over, len(p.links.bandwidth))
    return float(
        max(
            (p.pool_use(n) - p.capacity).max(),
            ((through - p.links.bandwidth) / np.maximum(p.links.bandwidth, 1)).max(initial=0),
            ((raw - (p.spread_max * total)[p.sites.service]) / np.maximum(raw, 1)).max(),
        )
    )


@pytest.mark.parametrize("seed", range(4))
def test_plan_with_calls_links_and_spread_when_crowded_breaks_no_row_and_states_its_gap(seed: int) -> None:
    p = crowded(seed, services=6, clusters=4)

    answer = solve_whole(p)

    assert (answer.replicas == np.rint(answer.replicas)).all()
    assert violated(p, floats(answer.replicas), answer.route_rps) <= 1e-6
    relaxed = solve_relaxation(p).objective_usd_per_hour
    assert answer.lower_bound_usd_per_hour >= relaxed * (1 - 1e-6)
    assert -1e-6 <= answer.gap <= 0.02


@pytest.mark.parametrize("seed", range(3))
def test_plan_by_applications_when_crowded_breaks_no_row_and_its_bound_holds(seed: int) -> None:
    p = crowded(seed, services=6, clusters=4, forced=0.0)
    best = solve_whole(p)

    answer = in_parts(p, [p.block == each for each in np.unique(p.block)])

    assert violated(p, floats(answer.replicas), answer.route_rps) <= 1e-6
    assert answer.lower_bound_usd_per_hour <= best.objective_usd_per_hour * (1 + 1e-6)
    assert answer.objective_usd_per_hour >= best.lower_bound_usd_per_hour * (1 - 1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_bound_when_compared_with_every_plan_holds(seed: int) -> None:
    p = problem(seed)
    best = optimum(p)

    for answer in (solve_whole(p), in_parts(p, [np.arange(p.services) == s for s in range(p.services)])):
        assert answer.lower_bound_usd_per_hour <= best * (1 + 1e-6)
        assert answer.objective_usd_per_hour >= best * (1 - 1e-6)


def test_most_replicas_when_the_relaxation_wants_more_are_never_too_few() -> None:
    for seed in range(4):
        p = crowded(seed, services=6, clusters=4)
        assert (whole.most_replicas(p) >= solve_relaxation(p).replicas - 1e-6).all()


def test_spread_when_asked_for_is_kept_and_costs() -> None:
    p = problem(1)
    loose = place(p).assignment
    spread = replace(
        p,
        spread_max=floats(np.full(p.services, 0.5)),
        sites=replace(p.sites, replicas_min=ints(np.zeros(len(p.sites)))),
    )

    answer = place(spread).assignment

    assert violated(spread, floats(answer.replicas), answer.route_rps) <= 1e-6
    assert answer.objective_usd_per_hour >= loose.lower_bound_usd_per_hour * (1 - 1e-6) or loose.gap > 0
    assert build(spread).program.matrix.shape[0] > build(p).program.matrix.shape[0]
