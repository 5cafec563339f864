"""How the loop conducts itself: the memory of its own actions, and what that allows it next."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from connectors.telemetry import Signal
from placement.columns import Bools, Ints
from placement.emergency import Evacuated, allowed, newly_lost
from placement.fleet import Fleet, OriginId
from placement.guard import Step
from placement.pace import Pace, PaceLimits, carried_pace, no_pace, paced, remembered
from placement.plan import Reason
from placement.problem import Problem
from placement.readings import Readings, Snapshot
from placement.routing import Routing, moved_share
from placement.stages import Rollout, advanced, begun, staged
from placement.trial import Good, Trial, TrialLimits, baked, candidates, last_good, on_trial, spoiled, surprise
from placement.weights import WeightTable
from scheduler.hygiene import Memory
from scheduler.safety import Safety, SafetyLimits, pushed

TINY_SHARE = 1e-6


@dataclass(frozen=True, slots=True)
class ConductLimits:
    """All bounds of our own actions but those of a single step."""

    pace: PaceLimits = field(default_factory=PaceLimits)
    trial: TrialLimits = field(default_factory=TrialLimits)
    safety: SafetyLimits = field(default_factory=SafetyLimits)
    bake_s: float = 60.0
    """How long each stage of a change of the documents stands; 0: no stages."""
    evacuations_max: int = 2
    """Failure domains in ten minutes."""
    unmeasured_ratio: float = 0.85
    """Part of a capacity that was only declared which a receiver is filled to in an evacuation."""


@dataclass(frozen=True, slots=True)
class Conduct:
    """What we did, and what became of it."""

    pace: Pace
    safety: Safety = field(default_factory=Safety)
    rollout: Rollout | None = None
    trial: Trial | None = None
    ring: tuple[Good, ...] = ()
    """Routings that are known good, and those that bake, oldest first."""
    rollbacks_at_s: tuple[float, ...] = ()
    evacuated: tuple[Evacuated, ...] = ()
    refused: tuple[Evacuated, ...] = ()
    """Domains that are lost and wait for a human."""


def first_conduct(fleet: Fleet, standing: Routing, at_s: float, limits: ConductLimits, good: Routing | None) -> Conduct:
    """Nothing was done yet; `good` is what an earlier controller knew to be."""
    known = (Good(good, at_s, True),) if good is not None else ()
    pace = no_pace(len(fleet.backends), len(fleet.services), limits.pace)
    return Conduct(pace, ring=candidates(known, standing, at_s))


def carried_conduct(
    conduct: Conduct, backend_row: Ints, service_row: Ints, same_flows: bool, at_s: float, limits: ConductLimits
) -> Conduct:
    """The conduct for a fleet that was reloaded, which is rolled out in stages; rows as in `carried_pace`.

    Routings over other flows are forgotten: a rollback needs one that fits.
    """
    return replace(
        conduct,
        pace=carried_pace(conduct.pace, backend_row, service_row, limits.pace),
        rollout=begun(at_s) if limits.bake_s > 0 else None,
        trial=None,
        ring=conduct.ring if same_flows else (),
        refused=conduct.refused if same_flows else (),
    )


def evacuating(
    conduct: Conduct, fleet: Fleet, before: Bools, alive: Bools, resumed: bool, at_s: float, limits: ConductLimits
) -> Conduct:
    """The conduct after (B,) `alive` followed `before`: which lost domains may be evacuated, and which wait."""
    still = tuple(e for e in conduct.refused if not alive[e.clusters[fleet.backends.cluster]].any())
    wanted = (*still, *newly_lost(fleet, before, alive))
    past = () if resumed else conduct.evacuated
    most = max(limits.evacuations_max, len(wanted)) if resumed else limits.evacuations_max
    evacuated, refused = allowed(past, wanted, at_s, most)
    return replace(conduct, evacuated=evacuated, refused=refused)


def restrained(conduct: Conduct, problem: Problem, step: Step, at_s: float, limits: ConductLimits) -> Step:
    """A step of the optimizer within stages, pace and budgets."""
    return paced(conduct.pace, problem, staged(conduct.rollout, problem, step), at_s, limits.pace)


def resting(conduct: Conduct, at_s: float, limits: ConductLimits) -> str:
    """Why the optimizer has to rest now, empty where it has not."""
    if conduct.rollbacks_at_s and at_s - conduct.rollbacks_at_s[-1] < limits.trial.rest_s:
        return f"rolled back {at_s - conduct.rollbacks_at_s[-1]:.0f} s ago"
    return ""


def wrong(
    conduct: Conduct,
    problem: Problem,
    readings: Readings,
    memory: Memory,
    well: Bools,
    at_s: float,
    limits: TrialLimits,
) -> str:
    """What got worse by the last pushes of the optimizer, empty where nothing did.

    Where a backend is suspected, (B,) not `well`, that explains what its service suffers, and no push is blamed.
    """
    if conduct.trial is None or at_s - conduct.trial.begun_at_s > limits.verify_s + limits.settle_s:
        return ""
    measured = memory.taken_at_s.get(Signal.ERROR_RATIO)
    if measured is None or len(measured) != len(problem.capacity_rps):
        return ""
    return surprise(conduct.trial, problem, readings, np.where(well, measured, -np.inf), at_s, limits)


def back_to(conduct: Conduct, standing: Routing) -> Routing:
    """Where a rollback goes: the last known good, else what was before the pushes on trial."""
    good = last_good(conduct.ring, len(standing))
    if good is not None:
        return good
    return conduct.trial.before if conduct.trial is not None else standing


def conducted(
    conduct: Conduct,
    snapshot: Snapshot,
    problem: Problem,
    routing: Routing,
    reason: Reason,
    landed: Mapping[OriginId, WeightTable],
    limits: ConductLimits,
) -> tuple[Conduct, Good | None]:
    """The conduct after a tick that wrote `landed`, and the routing that is newly known good, if any."""
    at_s = snapshot.at_s
    conduct = replace(conduct, safety=pushed(conduct.safety, landed))
    moved = bool(landed) and bool((moved_share(problem.standing, routing) > TINY_SHARE).any())
    if reason is Reason.ROLLBACK:
        conduct = _rolled_back(conduct, at_s, limits.trial)
    elif moved and reason is Reason.SOLVED:
        conduct = replace(
            conduct,
            pace=remembered(conduct.pace, problem, routing, at_s, limits.pace),
            trial=on_trial(conduct.trial, problem, snapshot.readings, at_s, limits.trial),
            ring=candidates(conduct.ring, routing, at_s),
        )
    elif moved:
        conduct = replace(conduct, trial=None, ring=spoiled(conduct.ring))
    if conduct.safety.on:
        conduct = replace(conduct, ring=spoiled(conduct.ring))
    ring, good = baked(conduct.ring, at_s, limits.trial)
    return replace(conduct, ring=ring), good


def rolled_out(conduct: Conduct, moved: bool, waits: bool, at_s: float, limits: ConductLimits) -> Conduct:
    """The conduct after a tick in which something `moved` and something else `waits` for the next stage."""
    return replace(conduct, rollout=advanced(conduct.rollout, moved, waits, at_s, limits.bake_s))


def _rolled_back(conduct: Conduct, at_s: float, limits: TrialLimits) -> Conduct:
    times = tuple(t for t in (*conduct.rollbacks_at_s, at_s) if at_s - t < limits.rollbacks_window_s)
    often = len(times) >= limits.rollbacks_max
    said = f"rolled back {len(times)} times in {limits.rollbacks_window_s / 60:.0f} minutes" if often else ""
    safety = replace(conduct.safety, rollbacks=said)
    return replace(conduct, trial=None, ring=spoiled(conduct.ring), rollbacks_at_s=times, safety=safety)


def measured_capacity(memory: Memory, backends: int) -> Bools:
    """(B,) whose capacity was ever measured."""
    taken = memory.taken_at_s.get(Signal.CAPACITY_RPS)
    return np.isfinite(taken) if taken is not None and len(taken) == backends else np.zeros(backends, dtype=bool)
