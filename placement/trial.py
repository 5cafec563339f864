"""Every push of the optimizer is on trial: what users get afterwards is held against what was foreseen.

Of each service the error ratio and the time in the backend, as load-weighted means. Foreseen is what the backends were
measured to do before the push, under the load that the push gives them; worse than that and than before by more than a
tenth is a surprise, and the routing goes back to the last known good. A trial in which the demand itself changed or
something died says nothing about the push. Nor is it a surprise that requests take longer which were refused before, or
that some of them fail while fewer are lost in all: to refuse them again would be worse.
"""

from dataclasses import dataclass, replace

import numpy as np

from placement.callgraph import inherited
from placement.columns import Bools, Floats, floats
from placement.cost import Loads, loads
from placement.problem import Problem
from placement.readings import Readings
from placement.routing import Routing

RING = 20
"""Known good routings that are kept."""
APART_S = 30.0
"""Routings pushed closer to each other than this are one candidate."""


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What a push is held against."""

    verify_s: float = 30.0
    """How long after a push a surprise is laid to it."""
    settle_s: float = 3.0
    """What was measured sooner after the push may be from before it."""
    worse_ratio: float = 0.10
    """Relative worsening that is too much ..."""
    error_min: float = 0.005
    """... where it is at least this part of the requests ..."""
    latency_min_ms: float = 5.0
    """... or at least this."""
    demand_ratio: float = 0.10
    """A service whose demand changed by more is not judged."""
    good_after_s: float = 600.0
    """A routing that was pushed this long ago without a surprise is known good."""
    rollbacks_max: int = 3
    """As many in `rollbacks_window_s` mean that something else is wrong."""
    rollbacks_window_s: float = 600.0
    rest_s: float = 60.0
    """After a rollback the optimizer moves nothing for this long."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A push that is being watched, or several close to each other, held against what was before the first."""

    begun_at_s: float
    pushed_at_s: float
    """The last of them."""
    before: Routing
    demand_rps: Floats
    """(S,) then."""
    error_ratio: Floats
    """(B,) then."""
    latency_ms: Floats
    """(B,) then."""


@dataclass(frozen=True, slots=True)
class Good:
    """A routing that stood well, or is on its way to be known as such."""

    routing: Routing
    pushed_at_s: float
    baked: bool = False


def on_trial(trial: Trial | None, problem: Problem, readings: Readings, at_s: float, limits: TrialLimits) -> Trial:
    """The trial after a push that replaces the standing routing of the problem now."""
    if trial is not None and at_s - trial.begun_at_s < limits.verify_s:
        return replace(trial, pushed_at_s=at_s)
    return Trial(at_s, at_s, problem.standing, service_rps(problem), readings.error_ratio, readings.latency_ms)


def surprise(
    trial: Trial, problem: Problem, readings: Readings, measured_at_s: Floats, at_s: float, limits: TrialLimits
) -> str:
    """What got worse than it should have, for people; empty where nothing did or nothing can be said.

    `measured_at_s` (B,) says when the error ratio of each backend was last measured.
    """
    if at_s - trial.pushed_at_s < limits.settle_s:
        return ""
    stands, stood = loads(problem, problem.standing), loads(problem, trial.before)
    load, old_load = stands.backend_rps, stood.backend_rps
    fresh = _every(problem, measured_at_s >= trial.pushed_at_s + limits.settle_s, load)
    now, then = service_rps(problem), trial.demand_rps
    steady = np.abs(now - then) <= limits.demand_ratio * np.maximum(then, 1e-9)
    refused, was_refused = _refused(problem, stands), _refused(problem, stood)
    judged = fresh & steady
    # A service that refuses has full backends, or what it calls has: there waiting is as it comes; whom it lets in
    # waits instead.
    full = inherited(np.maximum(refused, was_refused), problem.fleet.calls) > limits.error_min
    roomy = judged & ~full
    for name, before, after, mine, least, unit in (
        ("errors", trial.error_ratio, readings.error_ratio, judged, limits.error_min, ""),
        ("time in the backends", trial.latency_ms, readings.latency_ms, roomy, limits.latency_min_ms, " ms"),
    ):
        was = np.maximum(_mean(problem, before, old_load), _mean(problem, before, load))
        is_now = _mean(problem, after, load)
        worse = mine & (is_now > was * (1 + limits.worse_ratio)) & (is_now - was >= least)
        if name == "errors":
            worse &= refused + (1 - refused) * is_now > was_refused + (1 - was_refused) * was
        if worse.any():
            s = int(np.flatnonzero(worse)[0])
            return f"{name} of {problem.fleet.services.ids[s]} went from {was[s]:.4g} to {is_now[s]:.4g}{unit}"
    return ""


def service_rps(problem: Problem) -> Floats:
    """(S,) demand, calls included, under the standing routing."""
    fleet = problem.fleet
    return floats(np.bincount(fleet.flows.service, weights=problem.demand_rps, minlength=len(fleet.services)))


def candidates(ring: tuple[Good, ...], pushed: Routing, at_s: float) -> tuple[Good, ...]:
    """The ring with a routing that was just pushed, which is not known good yet.

    Of those that are baking, the newest stands for all within `APART_S`.
    """
    baking = [good for good in ring if not good.baked]
    if baking and at_s - baking[-1].pushed_at_s < APART_S:
        return ring
    return (*ring, Good(pushed, at_s))[-2 * RING :]


def baked(ring: tuple[Good, ...], at_s: float, limits: TrialLimits) -> tuple[tuple[Good, ...], Good | None]:
    """The ring with what has stood long enough known as good, and the newest of those that newly are."""
    done = [not g.baked and at_s - g.pushed_at_s >= limits.good_after_s for g in ring]
    kept = [replace(g, baked=True) if newly else g for g, newly in zip(ring, done, strict=True)]
    good = [g for g in kept if g.baked][-RING:]
    return (*good, *(g for g in kept if not g.baked)), (good[-1] if any(done) else None)


def spoiled(ring: tuple[Good, ...]) -> tuple[Good, ...]:
    """The ring without what was still baking: something went wrong meanwhile."""
    return tuple(good for good in ring if good.baked)


def last_good(ring: tuple[Good, ...], flows: int) -> Routing | None:
    """The newest routing that is known good, for a fleet of so many flows."""
    good = [g.routing for g in ring if g.baked and len(g.routing) == flows]
    return good[-1] if good else None


def _refused(problem: Problem, made: Loads) -> Floats:
    """(S,) part of each service's requests that a routing refuses."""
    fleet = problem.fleet
    of, size = fleet.flows.service, len(fleet.services)
    refused, asked = (np.bincount(of, weights=rps, minlength=size) for rps in (made.shed_rps, made.demand_rps))
    return np.asarray(refused / np.maximum(asked, 1e-9), dtype=np.float64)


def _mean(problem: Problem, column: Floats, load: Floats) -> Floats:
    """(S,) mean over the backends of each service, by load; 0 where it has none."""
    fleet = problem.fleet
    size = len(fleet.services)
    total = np.bincount(fleet.backends.service, weights=load, minlength=size)
    value = np.bincount(fleet.backends.service, weights=load * column, minlength=size)
    return np.asarray(value / np.where(total > 0, total, 1.0), dtype=np.float64)


def _every(problem: Problem, marked: Bools, load: Floats) -> Bools:
    """(S,) whether every loaded backend of a service is marked, and there is one."""
    fleet = problem.fleet
    used = load > 1e-3
    missing = np.bincount(fleet.backends.service, weights=used & ~marked, minlength=len(fleet.services))
    any_used = np.bincount(fleet.backends.service, weights=used, minlength=len(fleet.services))
    return np.asarray((missing == 0) & (any_used > 0), dtype=np.bool_)
