"""How fast and how often the optimizer may act: what it did is remembered, and bounds what it does next.

Four bounds, all on plans of the optimizer alone; what moves away from the dead is never slowed.

    blast radius   the part of all traffic that it moves in a minute
    changes        of one service in an hour; steps of one move in one direction are one change
    dwell          before a service's load at a cluster turns round again
    reversals      of that in an hour: more is oscillation, so the service holds until the hour is over, and says so

A step that takes load from what has more than it can serve waits for neither dwell nor change budget: to hold
would fail requests for the sake of calm.
"""

from dataclasses import dataclass, replace

import numpy as np

from placement.columns import Bools, Floats, Ints, floats, ints
from placement.cost import loads
from placement.guard import IDLE_RPS, Step, between, not_offered_share
from placement.problem import Problem
from placement.routing import Routing, blend, left_share

HOUR_S, MINUTE_S = 3600.0, 60.0
OVER = 1.05
"""Load in parts of its capacity from which a backend has more than it can serve, whatever the noise."""
POINT = 0.01
"""Part of a service's load: less at a cluster is no direction."""
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class PaceLimits:
    """Bounds of the optimizer's conduct."""

    moved_per_minute: float = 0.10
    """Part of all traffic; 1 for no limit."""
    changes_per_hour: int = 12
    """Of one service."""
    dwell_s: float = 60.0
    reversals_per_hour: int = 6
    """Of one service at one cluster."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What the optimizer did lately."""

    moved: tuple[tuple[float, float], ...]
    """(at_s, part of all traffic) of the last minute."""
    direction: Ints
    """(B,) where the load of each backend was going last: 1 up, -1 down, 0 nowhere yet."""
    turned_at_s: Floats
    """(B,) when it last turned round."""
    reversed_at_s: Floats
    """(B, reversals_per_hour) the last times it did, oldest first."""
    changed_at_s: Floats
    """(S, changes_per_hour) when the last changes of each service began, oldest first."""
    pushed_at_s: Floats
    """(S,) its last step."""


def no_pace(backends: int, services: int, limits: PaceLimits) -> Pace:
    """Nothing was done yet."""
    return Pace(
        moved=(),
        direction=ints(np.zeros(backends)),
        turned_at_s=floats(np.full(backends, -np.inf)),
        reversed_at_s=floats(np.full((backends, limits.reversals_per_hour), -np.inf)),
        changed_at_s=floats(np.full((services, limits.changes_per_hour), -np.inf)),
        pushed_at_s=floats(np.full(services, -np.inf)),
    )


def carried_pace(pace: Pace, backend_row: Ints, service_row: Ints, limits: PaceLimits) -> Pace:
    """The same for a reloaded fleet: rows are those of the old one, -1 where they are new."""
    new = no_pace(len(backend_row), len(service_row), limits)
    if pace.reversed_at_s.shape[1:] != new.reversed_at_s.shape[1:]:
        return replace(new, moved=pace.moved)
    if pace.changed_at_s.shape[1:] != new.changed_at_s.shape[1:]:
        return replace(new, moved=pace.moved)

    def taken(old: Floats, fresh: Floats, row: Ints) -> Floats:
        known = row >= 0
        out = fresh.copy()
        out[known] = old[row[known]]
        return floats(out)

    return Pace(
        moved=pace.moved,
        direction=ints(taken(pace.direction.astype(float), new.direction.astype(float), backend_row)),
        turned_at_s=taken(pace.turned_at_s, new.turned_at_s, backend_row),
        reversed_at_s=taken(pace.reversed_at_s, new.reversed_at_s, backend_row),
        changed_at_s=taken(pace.changed_at_s, new.changed_at_s, service_row),
        pushed_at_s=taken(pace.pushed_at_s, new.pushed_at_s, service_row),
    )


def paced(pace: Pace, problem: Problem, step: Step, at_s: float, limits: PaceLimits) -> Step:
    """The step as far as the pace allows, with what held it back.

    Applications hold whole, because their services share limits; flows on routes that they may no longer use, and
    those that nobody uses, go on.
    """
    standing = problem.standing
    free = (not_offered_share(problem, standing) > 0) | (problem.demand_rps <= IDLE_RPS)
    turning, moving = _turns(problem, standing, step.routing, pace.direction), _moving(problem, step.routing)
    relieves = _relieves(problem, step.routing)
    held, said = _held(pace, problem, turning, moving, relieves, at_s, limits)
    keep = np.where(held[problem.fleet.flows.service] & ~free, 0.0, 1.0)
    routing = step.routing if (keep == 1).all() else blend(standing, step.routing, keep)
    wanted = moved_ratio(problem, routing, ~free)
    left = max(0.0, limits.moved_per_minute - sum(part for when, part in pace.moved if at_s - when < MINUTE_S))
    if limits.moved_per_minute < 1 and wanted > left + TINY:
        k = left / wanted
        routing = between(problem, standing, routing, np.where(free, 1.0, k))
        said = (*said, f"blast radius: {wanted:.1%} of all traffic wants to move, {left:.1%} still may this minute")
        return Step(routing, step.fraction * k, step.guards + said)
    return Step(routing, step.fraction if keep.any() else 0.0, step.guards + said)


def moved_ratio(problem: Problem, routing: Routing, counted: Bools) -> float:
    """Part of all requests that leave a cluster when the routing replaces the standing one, of `counted` flows."""
    demand = loads(problem, problem.standing).demand_rps
    total = float(demand.sum())
    return float((demand * left_share(problem.standing, routing))[counted].sum() / total) if total > 0 else 0.0


def remembered(pace: Pace, problem: Problem, routing: Routing, at_s: float, limits: PaceLimits) -> Pace:
    """The pace after the optimizer put a routing in the place of the standing one."""
    turning = _turns(problem, problem.standing, routing, pace.direction)
    share = _change(problem, problem.standing, routing)
    direction = np.where(np.abs(share) >= POINT, np.sign(share), pace.direction)
    first = (pace.direction == 0) & (direction != 0)
    ring = pace.reversed_at_s.copy()
    ring[turning] = np.column_stack([ring[turning][:, 1:], np.full(int(turning.sum()), at_s)])
    moving = _moving(problem, routing)
    fresh = moving & _begins(pace, problem, turning, at_s, limits)
    changes = pace.changed_at_s.copy()
    changes[fresh] = np.column_stack([changes[fresh][:, 1:], np.full(int(fresh.sum()), at_s)])
    ratio = moved_ratio(problem, routing, problem.demand_rps > IDLE_RPS)
    recent = tuple(m for m in pace.moved if at_s - m[0] < MINUTE_S)
    return Pace(
        moved=(*recent, (at_s, ratio)) if ratio > TINY else recent,
        direction=ints(direction),
        turned_at_s=floats(np.where(turning | first, at_s, pace.turned_at_s)),
        reversed_at_s=floats(ring),
        changed_at_s=floats(changes),
        pushed_at_s=floats(np.where(moving, at_s, pace.pushed_at_s)),
    )


def _held(
    pace: Pace, problem: Problem, turning: Bools, moving: Bools, relieves: Bools, at_s: float, limits: PaceLimits
) -> tuple[Bools, tuple[str, ...]]:
    """(S,) services of applications that may not move now, and why. What `relieves` (S,) an overload may."""
    fleet, service = problem.fleet, problem.fleet.backends.service
    restless = turning & (pace.reversed_at_s > at_s - HOUR_S).all(axis=1)
    hasty = turning & (at_s - pace.turned_at_s < limits.dwell_s) & ~restless & ~relieves[service]
    begins = moving & _begins(pace, problem, turning, at_s, limits)
    spent = begins & (pace.changed_at_s > at_s - HOUR_S).all(axis=1) & ~relieves
    said = []
    if restless.any():
        name = fleet.backend_name(int(np.flatnonzero(restless)[0]))
        said.append(f"oscillation: {name} turned {limits.reversals_per_hour} times in an hour; it holds, look at it")
    if hasty.any():
        name = fleet.backend_name(int(np.flatnonzero(hasty)[0]))
        said.append(f"dwell: {name} turned less than {limits.dwell_s:.0f} s ago")
    if spent.any():
        name = fleet.services.ids[int(np.flatnonzero(spent)[0])]
        said.append(f"change budget: {name} changed {limits.changes_per_hour} times in an hour")
    stopped = spent.copy()
    np.logical_or.at(stopped, service, restless | hasty)
    label = fleet.applications()
    whole = np.zeros(int(label.max(initial=-1)) + 1, dtype=bool)
    np.logical_or.at(whole, label, stopped)
    return whole[label], tuple(said)


def _relieves(problem: Problem, routing: Routing) -> Bools:
    """(S,) services of applications of which some backend has more than it can serve, and gets less by the routing."""
    before, after = loads(problem, problem.standing).backend_rps, loads(problem, routing).backend_rps
    capacity, fleet = problem.capacity_rps, problem.fleet
    relieved = (before > OVER * capacity) & (after < before - POINT * np.maximum(capacity, IDLE_RPS))
    label = fleet.applications()
    whole = np.zeros(int(label.max(initial=-1)) + 1, dtype=bool)
    np.logical_or.at(whole, label[fleet.backends.service], relieved)
    return whole[label]


def _change(problem: Problem, old: Routing, new: Routing) -> Floats:
    """(B,) change of each backend's part of its service's load."""
    before, after = loads(problem, old), loads(problem, new)
    fleet = problem.fleet
    total = np.bincount(fleet.flows.service, weights=before.demand_rps, minlength=len(fleet.services))
    by_backend = np.maximum(total, IDLE_RPS * len(fleet.origins))[fleet.backends.service]
    return np.asarray((after.backend_rps - before.backend_rps) / by_backend, dtype=np.float64)


def _turns(problem: Problem, old: Routing, new: Routing, direction: Ints) -> Bools:
    share = _change(problem, old, new)
    return np.asarray((np.abs(share) >= POINT) & (np.sign(share) * direction < 0), dtype=np.bool_)


def _moving(problem: Problem, routing: Routing) -> Bools:
    """(S,) services some load of which moves."""
    flow = (left_share(problem.standing, routing) >= POINT) & (problem.demand_rps > IDLE_RPS)
    moving = np.zeros(len(problem.fleet.services), dtype=bool)
    np.logical_or.at(moving, problem.fleet.flows.service, flow)
    return moving


def _begins(pace: Pace, problem: Problem, turning: Bools, at_s: float, limits: PaceLimits) -> Bools:
    """(S,) whether a step of each service now would be a new change and not one more step of the last."""
    turns = np.zeros(len(problem.fleet.services), dtype=bool)
    np.logical_or.at(turns, problem.fleet.backends.service, turning)
    return np.asarray(turns | (at_s - pace.pushed_at_s > limits.dwell_s), dtype=np.bool_)
