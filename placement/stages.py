"""Staged blast radius: what a change of the documents moves, it moves at few meshes first.

One mesh, then its region, then a quarter of all meshes, then everywhere. Each stage has to stand for a while.
"""

from dataclasses import dataclass, replace

import numpy as np

from placement.columns import Bools
from placement.cost import loads
from placement.fleet import Fleet
from placement.guard import IDLE_RPS, Step, not_offered_share
from placement.problem import Problem
from placement.routing import Routing, blend, moved_share

STAGES = ("one mesh", "one region", "a quarter of the meshes", "everywhere")
QUARTER = 0.25
LAST = len(STAGES) - 1


@dataclass(frozen=True, slots=True)
class Rollout:
    """A change of the documents on its way out."""

    stage: int
    since_s: float
    moves: bool = False
    """Whether something moved in this stage: nothing bakes before."""


def begun(at_s: float) -> Rollout:
    """The documents changed."""
    return Rollout(0, at_s)


def opened(fleet: Fleet, demand_rps: np.ndarray, stage: int) -> Bools:
    """(O,) meshes of a stage: the least loaded one, its region, a quarter by number, all.

    An origin outside every cluster is a region of its own.
    """
    load = np.bincount(fleet.flows.origin, weights=demand_rps, minlength=len(fleet.origins))
    order = np.argsort(load, kind="stable")
    if stage >= LAST:
        return np.ones(len(order), dtype=bool)
    homes = fleet.origins.cluster.tolist()
    region = np.array([fleet.clusters.region[c] if c >= 0 else "" for c in homes], dtype=object)
    first = order[0]
    near = np.asarray((region == region[first]) & (region != ""), dtype=np.bool_)
    near[first] = True
    if stage == 0:
        near[:] = False
        near[first] = True
    if stage == 2:
        order = np.concatenate([np.flatnonzero(near), order[~near[order]]])
        near[order[: max(int(near.sum()), int(np.ceil(QUARTER * len(order))))]] = True
    return near


def staged(rollout: Rollout | None, problem: Problem, step: Step) -> Step:
    """The step at the meshes that the rollout has reached; elsewhere only what cannot stay moves.

    What takes load away may wait while what brings more goes on: where that would fill a backend further that has too
    much already, its application waits whole for a stage in which it does not.
    """
    if rollout is None:
        return step
    fleet = problem.fleet
    reached = opened(fleet, problem.demand_rps, rollout.stage)[fleet.flows.origin]
    must = (not_offered_share(problem, problem.standing) > 0) | (problem.demand_rps <= IDLE_RPS)
    moves = moved_share(problem.standing, step.routing) > 0
    if not (moves & ~must & ~reached).any():
        return step
    routing = blend(problem.standing, step.routing, (must | reached).astype(np.float64))
    free = must | (reached & ~_fuller(problem, routing)[fleet.flows.service])
    said = f"rollout: new documents at {STAGES[rollout.stage]} so far; {int((moves & ~free).sum())} flows wait"
    routing = blend(problem.standing, step.routing, free.astype(np.float64))
    return Step(routing, step.fraction, (*step.guards, said))


def _fuller(problem: Problem, routing: Routing) -> Bools:
    """(S,) services of applications of which some backend has more than it can serve, and would get still more."""
    fleet, before = problem.fleet, loads(problem, problem.standing).backend_rps
    fuller = (before > problem.capacity_rps) & (loads(problem, routing).backend_rps > before + IDLE_RPS)
    label = fleet.applications()
    whole = np.zeros(int(label.max(initial=-1)) + 1, dtype=bool)
    whole[label[fleet.backends.service[fuller]]] = True
    return whole[label]


def advanced(rollout: Rollout | None, moved: bool, waits: bool, at_s: float, bake_s: float) -> Rollout | None:
    """The rollout after a tick: the next stage when this one moved something and stood, None when all is out.

    Where nothing waits there is nothing to stage. `bake_s` 0 means everywhere at once.
    """
    if rollout is None or bake_s <= 0:
        return None
    if moved and not rollout.moves:
        rollout = replace(rollout, moves=True, since_s=at_s)
    if at_s - rollout.since_s < bake_s:
        return rollout
    if not waits or rollout.stage + 1 >= LAST:
        return None
    return Rollout(rollout.stage + 1, at_s)
