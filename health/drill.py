"""Drills: a failover that is tried on purpose, step by step, and the pure state machine that leads it there and back.

Rules of this file:
1. TRANSITIONS is the only place that says where a phase may lead, and `advance` makes at most one step of it per call.
2. What a drill orders is one number, the ratio of the requests that go the failover's way. It is above 0 in AWAY and
   BACK alone, so whatever ends a drill early takes everything back at once.
3. Somebody else's word comes before a drill's: an operator's, a real loss, telemetry that went dark. Such a drill was
   INTERRUPTED and proves nothing. One that did harm, or whose weights a mesh refused, has FAILED and proves a fault.
"""

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import NamedTuple


class Level(IntEnum):
    """How much a check of a failover path risks, and proves."""

    PROOF = 0
    PROBE = 1
    DRY_PUSH = 2
    CANARY = 3
    FULL = 4

    def __str__(self) -> str:
        return f"L{self.value}"


LEVELS = {
    Level.PROOF: "the solver has a routing for the loss that refuses nobody on the path",
    Level.PROBE: "a tagged synthetic request got a good answer along every leg of the path",
    Level.DRY_PUSH: "every proxy took the failover's weights, and routed nothing by them",
    Level.CANARY: "a few percent of the real requests went the failover's way and came back, and nobody was the worse",
    Level.FULL: "all of them did",
}


class Phase(StrEnum):
    """Where a drill is; MEANINGS says what each stands for."""

    CHECKING = "CHECKING"
    ARMING = "ARMING"
    AWAY = "AWAY"
    BACK = "BACK"
    ABORTING = "ABORTING"
    YIELDING = "YIELDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"
    CAPACITY_CHECK_FAILED = "CAPACITY_CHECK_FAILED"


MEANINGS = {
    Phase.CHECKING: "asked for; the pre-conditions are looked at",
    Phase.ARMING: "the meshes are given the failover's weights, for no request yet",
    Phase.AWAY: "a part of the requests goes the failover's way, more with every step",
    Phase.BACK: "the same backwards",
    Phase.ABORTING: "it did harm: everything is taken back at once",
    Phase.YIELDING: "something more important happened: everything is taken back at once",
    Phase.SUCCEEDED: "it went there and back and nobody was the worse for it: the paths are verified",
    Phase.FAILED: "it did harm or did not work: the paths are not verified, and somebody should look",
    Phase.INTERRUPTED: "it was cut short for a reason that says nothing of the paths: they are not verified",
    Phase.CAPACITY_CHECK_FAILED: "it did not begin: those who would take over have too little room",
}


class Transition(NamedTuple):
    """One arrow: from `source` to `target` when the named condition holds."""

    source: Phase
    when: str
    target: Phase


TRANSITIONS = (
    Transition(Phase.CHECKING, "preempted", Phase.INTERRUPTED),
    Transition(Phase.CHECKING, "barred", Phase.INTERRUPTED),
    Transition(Phase.CHECKING, "overfull", Phase.CAPACITY_CHECK_FAILED),
    Transition(Phase.CHECKING, "cleared", Phase.ARMING),
    Transition(Phase.ARMING, "preempted", Phase.YIELDING),
    Transition(Phase.ARMING, "harmful", Phase.ABORTING),
    Transition(Phase.ARMING, "dry", Phase.SUCCEEDED),
    Transition(Phase.ARMING, "armed", Phase.AWAY),
    Transition(Phase.AWAY, "preempted", Phase.YIELDING),
    Transition(Phase.AWAY, "harmful", Phase.ABORTING),
    Transition(Phase.AWAY, "climbs", Phase.AWAY),
    Transition(Phase.AWAY, "turns", Phase.BACK),
    Transition(Phase.BACK, "preempted", Phase.YIELDING),
    Transition(Phase.BACK, "harmful", Phase.ABORTING),
    Transition(Phase.BACK, "descends", Phase.BACK),
    Transition(Phase.BACK, "home", Phase.SUCCEEDED),
    Transition(Phase.ABORTING, "settled", Phase.FAILED),
    Transition(Phase.ABORTING, "lapsed", Phase.FAILED),
    Transition(Phase.YIELDING, "settled", Phase.INTERRUPTED),
    Transition(Phase.YIELDING, "lapsed", Phase.INTERRUPTED),
)
"""Of the arrows that leave one phase, the first whose condition holds is taken. None leaves an outcome."""

CONDITIONS = {
    "preempted": "an operator, a real loss, SAFE MODE, a changed fleet, or telemetry that went dark",
    "barred": "some other pre-condition does not hold",
    "overfull": "a receiver would be filled above what a drill may, or somebody would be refused",
    "cleared": "every pre-condition holds",
    "harmful": "an abort criterion holds, a mesh refused, or the drill is over its time",
    "settled": "every mesh has said that it has what was last ordered",
    "dry": "settled, and there is no step to take: a dry push",
    "armed": "settled, and there are steps",
    "climbs": "the step was held for its time, and the next one goes further away",
    "turns": "the step was held for its time, and it was the farthest",
    "descends": "the step was held for its time, and there is another one on the way back",
    "home": "the last step, which is no request at all, was held for its time",
    "lapsed": "the lease has run out: the meshes have let go, whether they said so or not",
}
"""What the names in TRANSITIONS mean."""

ENDED = (Phase.SUCCEEDED, Phase.FAILED, Phase.INTERRUPTED, Phase.CAPACITY_CHECK_FAILED)
UNDER_WAY = (Phase.AWAY, Phase.BACK)
STEPPING = {"armed", "climbs", "turns", "descends"}
"""Conditions whose arrow goes on to the next step."""
OVERTIME = 1.5
OVERTIME_S = 30.0
"""A drill may take this much longer than its steps, for meshes that answer late."""


class Step(NamedTuple):
    """One step of a drill."""

    ratio: float
    """Of the requests that the loss would move, the part that is moved."""
    hold_s: float


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill. Frozen: `advance` returns the next state."""

    id: str
    level: Level
    loss: str
    """What is treated as lost, as the failover table calls it."""
    steps: tuple[Step, ...]
    """There and back; empty for a dry push, else the last one has ratio 0."""
    lease_s: float
    began_s: float
    since_s: float
    """When it came into this phase and step."""
    phase: Phase = Phase.CHECKING
    step: int = -1
    reason: str = ""
    """Why it was taken back or did not begin; empty otherwise."""

    def __post_init__(self) -> None:
        assert all(0 <= step.ratio <= 1 and step.hold_s >= 0 for step in self.steps), "a step out of range"
        assert not self.steps or self.steps[-1].ratio == 0, "the last step has to be the way home"

    @property
    def ratio(self) -> float:
        """What the meshes are to route the failover's way now."""
        return self.steps[self.step].ratio if self.phase in UNDER_WAY else 0.0

    @property
    def peak(self) -> int:
        """The farthest step; -1 where there is none."""
        return max(range(len(self.steps)), key=lambda i: self.steps[i].ratio, default=-1)

    @property
    def ratio_max(self) -> float:
        """Of that step."""
        return self.steps[self.peak].ratio if self.steps else 0.0

    @property
    def ended(self) -> bool:
        """Whether there is an outcome."""
        return self.phase in ENDED

    def overtime(self, at_s: float) -> bool:
        """Whether it takes much longer than its steps."""
        return at_s - self.began_s > OVERTIME * sum(step.hold_s for step in self.steps) + OVERTIME_S


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look at the world says to a drill. Each text says why, and is empty where nothing is the matter."""

    preempted: str = ""
    barred: str = ""
    overfull: str = ""
    harm: str = ""
    settled: bool = False


def advance(drill: Drill, sight: Sight, at_s: float) -> Drill:
    """The drill at `at_s`, at most one arrow of TRANSITIONS further. `at_s` never goes back."""
    holds = conditions_of(drill, sight, at_s)
    for source, when, target in TRANSITIONS:
        if drill.phase is source and holds[when]:
            step = drill.step + (when in STEPPING)
            return replace(drill, phase=target, step=step, since_s=at_s, reason=drill.reason or reason_of(when, sight))
    return drill


def conditions_of(drill: Drill, sight: Sight, at_s: float) -> dict[str, bool]:
    """Each of CONDITIONS, whatever phase the drill is in."""
    known = 0 <= drill.step < len(drill.steps)
    held = sight.settled and known and at_s - drill.since_s >= drill.steps[drill.step].hold_s
    last = drill.step == len(drill.steps) - 1
    return {
        "preempted": bool(sight.preempted),
        "barred": bool(sight.barred),
        "overfull": bool(sight.overfull),
        "cleared": not (sight.preempted or sight.barred or sight.overfull),
        "harmful": bool(sight.harm) or drill.overtime(at_s),
        "settled": sight.settled,
        "dry": sight.settled and not drill.steps,
        "armed": sight.settled and bool(drill.steps),
        "climbs": held and drill.step < drill.peak,
        "turns": held and drill.step == drill.peak,
        "descends": held and drill.step > drill.peak and not last,
        "home": held and last,
        "lapsed": at_s - drill.since_s >= drill.lease_s,
    }


def reason_of(when: str, sight: Sight) -> str:
    """The words for an arrow that ends a drill early; empty for every other."""
    match when:
        case "preempted":
            return sight.preempted
        case "barred":
            return sight.barred
        case "overfull":
            return sight.overfull
        case "harmful":
            return sight.harm or "it took too long"
    return ""


def ladder(level: Level, step_s: float, hold_s: float) -> tuple[Step, ...]:
    """The steps of a drill: 1, 5, 10 % and back for a canary; all of it, held for `hold_s`, and back for a full one."""
    ways: dict[Level, tuple[float, ...]] = {Level.CANARY: (0.01, 0.05, 0.10), Level.FULL: (0.01, 0.10, 0.50, 1.0)}
    if level not in ways:
        return ()
    out, held = ways[level], hold_s if level is Level.FULL else step_s
    way_back = [Step(ratio, step_s / 2) for ratio in reversed(out[:-1])]
    return (*(Step(ratio, step_s) for ratio in out[:-1]), Step(out[-1], held), *way_back, Step(0.0, 0.0))
