"""When drills run by themselves: a cadence per level, spread out, one at a time, and never in a blocked window."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from health.drill import Level
from health.drill_harm import Envelope
from scheduler.error_budget import BudgetLimits

SPREAD = 0.1
"""A path is due by this part of its cadence early, so that not all are due at once and none is ever late."""
RETRY_RATIO = 1 / 48
"""After a drill that proved nothing the next try comes after this part of the cadence ..."""
RETRY_MIN_S = 60.0
"""... and not before this."""
MINUTES = 24 * 60

Key = tuple[Level, str]


@dataclass(frozen=True, slots=True)
class Window:
    """A time of the week in which no drill begins, in UTC. One that ends before it begins goes on past midnight."""

    days: frozenset[int]
    """0 is Monday."""
    from_minute: int
    until_minute: int

    def covers(self, wall_s: float) -> bool:
        """Whether a moment is in it."""
        now = time.gmtime(wall_s)
        minute = now.tm_hour * 60 + now.tm_min
        if self.from_minute < self.until_minute:
            return now.tm_wday in self.days and self.from_minute <= minute < self.until_minute
        today = now.tm_wday in self.days and minute >= self.from_minute
        return today or ((now.tm_wday - 1) % 7 in self.days and minute < self.until_minute)


@dataclass(frozen=True, slots=True)
class DrillPolicy:
    """What an operator fixes for drills."""

    automatic: bool = False
    """Whether drills that move traffic begin by themselves."""
    probe_every_s: float = 60.0
    dry_push_every_s: float = 900.0
    canary_every_s: float = 86_400.0
    full_every_s: float = 7 * 86_400.0
    step_s: float = 60.0
    hold_s: float = 1_800.0
    lease_s: float = 5.0
    kinds: tuple[str, ...] = ("cluster",)
    """Of losses that are drilled by themselves."""
    envelope: Envelope = field(default_factory=Envelope)
    budget: BudgetLimits = field(default_factory=BudgetLimits)
    blocked: tuple[Window, ...] = ()

    def cadence_s(self, level: Level) -> float:
        """How often a path is to be verified at a level that needs a drill."""
        return {Level.DRY_PUSH: self.dry_push_every_s, Level.CANARY: self.canary_every_s}.get(level, self.full_every_s)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Those that are due by themselves, the most telling first."""
        return (Level.FULL, Level.CANARY, Level.DRY_PUSH) if self.automatic else (Level.DRY_PUSH,)


@dataclass(frozen=True, slots=True)
class Past:
    """When a loss was last drilled at a level, in seconds since 1970; -inf for never."""

    succeeded_at_s: float = float("-inf")
    tried_at_s: float = float("-inf")


def blocked(windows: Iterable[Window], wall_s: float) -> bool:
    """Whether no drill may begin now."""
    return any(window.covers(wall_s) for window in windows)


def due(policy: DrillPolicy, losses: Iterable[str], past: Mapping[Key, Past], wall_s: float) -> Key | None:
    """The drill to begin now: of those that are due, the one that is late by the largest part of its cadence."""
    wanted = [loss for loss in losses if loss.split(" ", 1)[0] in policy.kinds]
    ripe = [
        (lateness(policy, key, past.get(key, Past()), wall_s), key)
        for key in ((level, loss) for level in policy.levels for loss in wanted)
    ]
    late, key = max(ripe, default=(-1.0, None), key=lambda entry: entry[0])
    return key if late >= 0 else None


def lateness(policy: DrillPolicy, key: Key, past: Past, wall_s: float) -> float:
    """By which part of its cadence a drill is late; below 0 before its time."""
    cadence_s = policy.cadence_s(key[0])
    if wall_s - past.tried_at_s < max(RETRY_RATIO * cadence_s, RETRY_MIN_S) and past.tried_at_s > past.succeeded_at_s:
        return -1.0
    due_at_s = past.succeeded_at_s + cadence_s * (1 - SPREAD * _spread(key))
    return min((wall_s - due_at_s) / cadence_s, 1e9)


def _spread(key: Key) -> float:
    """In [0, 1), always the same for one loss and level."""
    return int.from_bytes(hashlib.sha256(f"{key[0]} {key[1]}".encode()).digest()[:4]) / 2**32
