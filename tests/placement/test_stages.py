from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from placement.columns import floats
from placement.cost import loads
from placement.guard import IDLE_RPS, Step, not_offered_share
from placement.routing import moved_share
from placement.stages import LAST, Rollout, advanced, begun, opened, staged
from tests.placement.fleets import problem_of, random_routing


@pytest.mark.parametrize("clusters", [1, 2, 3, 7, 16])
def test_opened_meshes_grow_from_one_over_its_region_and_a_quarter_to_all(clusters: int) -> None:
    problem = problem_of(0, clusters=clusters)
    fleet = problem.fleet

    stages = [opened(fleet, problem.demand_rps, stage) for stage in range(LAST + 1)]

    assert stages[0].sum() == 1
    regions = {fleet.clusters.region[fleet.origins.cluster[o]] for o in np.flatnonzero(stages[1]).tolist()}
    assert len(regions) == 1
    assert stages[2].sum() >= np.ceil(clusters / 4)
    assert stages[3].all()
    for before, after in pairwise(stages):
        assert not (before & ~after).any(), "a stage takes the one before in"


def test_opened_first_is_the_mesh_with_the_least_load() -> None:
    problem = problem_of(1, clusters=5)
    load = np.bincount(problem.fleet.flows.origin, weights=problem.demand_rps)

    assert opened(problem.fleet, problem.demand_rps, 0)[load.argmin()]


def test_staged_step_moves_flows_of_open_meshes_only_and_names_the_stage() -> None:
    problem = problem_of(2, clusters=6)
    goal = random_routing(problem, 9)

    step = staged(Rollout(0, 0.0), problem, Step(goal, 1.0, ()))

    moved = moved_share(problem.standing, step.routing) > 1e-9
    open_now = opened(problem.fleet, problem.demand_rps, 0)[problem.fleet.flows.origin]
    used = problem.demand_rps > IDLE_RPS
    assert (moved & open_now).any()
    assert not (moved & ~open_now & used).any()
    assert "at one mesh so far" in step.guards[0]


@pytest.mark.parametrize("seed", range(30))
def test_staged_step_brings_no_more_to_what_has_too_much_already(seed: int) -> None:
    problem = problem_of(seed, clusters=6)
    problem = replace(problem, capacity_rps=floats(problem.capacity_rps * 0.3))
    step = Step(random_routing(problem, 9), 1.0, ())
    before = loads(problem, problem.standing).backend_rps
    must = not_offered_share(problem, problem.standing) > 0

    after = loads(problem, staged(Rollout(1, 0.0), problem, step).routing).backend_rps

    idle_rps = IDLE_RPS * len(problem.fleet.flows)
    crowded = (before > problem.capacity_rps) & (after > before + idle_rps)
    assert not crowded.any() or must.any(), f"seed {seed}: only what cannot stay may"
    assert (before > problem.capacity_rps).any(), "or this seed shows nothing"


def test_staged_without_a_rollout_is_the_step_itself() -> None:
    problem = problem_of(2)
    step = Step(random_routing(problem, 9), 1.0, ())

    assert staged(None, problem, step) is step


def test_advanced_rollout_bakes_each_stage_and_ends_when_nothing_waits() -> None:
    rollout: Rollout | None = begun(0.0)
    seen = []
    for tick in range(60):
        at_s = 5.0 * tick
        seen.append(rollout.stage if rollout else LAST)
        rollout = advanced(rollout, moved=tick == 0, waits=True, at_s=at_s, bake_s=60.0)

    assert [seen.count(stage) for stage in range(LAST)] == [13, 12, 12]
    assert advanced(Rollout(0, 0.0), moved=False, waits=False, at_s=61.0, bake_s=60.0) is None
    assert advanced(begun(0.0), moved=True, waits=True, at_s=0.0, bake_s=0.0) is None
