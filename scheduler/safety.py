"""SAFE mode: when the loop can trust its senses or its tools no longer, it optimizes nothing until it can again.

A confirmed loss is still evacuated. It ends after some rounds in a row without any of its reasons and with a quorum of
vantages that look, or by the word of an operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from connectors.telemetry import Signal
from health.evidence import Evidence
from placement.columns import Floats
from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.hygiene import Memory


@dataclass(frozen=True, slots=True)
class SafetyLimits:
    """When to stop trusting, and when to begin again."""

    stale_ratio: float = 0.5
    """More of the measured demand than this ..."""
    stale_after_s: float = 30.0
    """... older than this."""
    unsolved_max: int = 3
    """Solves in a row without an answer."""
    clock_jump_s: float = 1.0
    """Difference between what the wall clock and the monotonic one say has passed."""
    fresh_rounds: int = 3
    """Rounds without a reason that end it."""
    vantage_age_s: float = 10.0
    """A vantage that reported nothing for this long does not look."""


@dataclass(frozen=True, slots=True)
class Safety:
    """What SAFE mode is judged by, and whether it is on."""

    since_s: float = np.inf
    """When it began; +inf while it is off."""
    reasons: tuple[str, ...] = ()
    """Of this round; of the last that had any while it is on."""
    quiet_rounds: int = 0
    """In a row, without a reason."""
    unsolved: int = 0
    ledger_error: str = ""
    rollbacks: str = ""
    """Why trials of pushes ask for it, empty while they do not."""
    clocks_s: tuple[float, float] | None = None
    """(monotonic, wall) of the last round."""
    fences: Mapping[OriginId, tuple[int, int]] | None = None
    """The highest version that each mesh said it has, or took from us."""

    @property
    def on(self) -> bool:
        """Whether the loop is in SAFE mode."""
        return bool(np.isfinite(self.since_s))


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed."""

    at_s: float
    wall_s: float
    panic: bool
    evidence: Evidence
    quorum: int
    memory: Memory
    demand_rps: Floats
    """(F,) as last measured, without that of meshes which died."""
    reported: Mapping[OriginId, WeightTable]
    resumed: bool
    """An operator says go on."""


def assessed(safety: Safety, seen: Round, limits: SafetyLimits) -> Safety:
    """The safety after what a round showed; reasons that an operator waves through count again when they last."""
    reasons = tuple(reason for reason in _reasons(safety, seen, limits) if reason)
    fences = dict(safety.fences or {})
    for origin, table in seen.reported.items():
        fences[origin] = table.fence
    now = replace(safety, clocks_s=(seen.at_s, seen.wall_s), fences=fences, rollbacks="")
    if seen.resumed:
        return replace(now, since_s=np.inf, reasons=(), quiet_rounds=0, unsolved=0, ledger_error="")
    if reasons:
        since_s = safety.since_s if safety.on else seen.at_s
        return replace(now, since_s=since_s, reasons=reasons, quiet_rounds=0)
    quiet = safety.quiet_rounds + 1
    if safety.on and (quiet < limits.fresh_rounds or not looked_at(seen.evidence, seen, limits)):
        return replace(now, quiet_rounds=quiet)
    return replace(now, since_s=np.inf, reasons=(), quiet_rounds=quiet)


def solved(safety: Safety, answered: bool) -> Safety:
    """After the optimizer was asked."""
    return replace(safety, unsolved=0 if answered else safety.unsolved + 1)


def pushed(safety: Safety, landed: Mapping[OriginId, WeightTable]) -> Safety:
    """After writes that meshes took."""
    if not landed:
        return safety
    fences = dict(safety.fences or {}) | {origin: table.fence for origin, table in landed.items()}
    return replace(safety, fences=fences)


def looked_at(evidence: Evidence, seen: Round, limits: SafetyLimits) -> bool:
    """Whether a quorum of vantages looks; where nobody ever probed there is none to wait for."""
    last = evidence.last_at_s.max(axis=0, initial=-np.inf)
    if not np.isfinite(last).any():
        return True
    return int((seen.at_s - last <= limits.vantage_age_s).sum()) >= seen.quorum


def stale_part(taken_at_s: Floats | None, demand_rps: Floats, at_s: float, age_s: float) -> float:
    """Part of the demand that was ever measured which was not measured lately. Flows without any do not count: many
    sources say nothing of what nobody uses.
    """
    if taken_at_s is None or len(taken_at_s) != len(demand_rps):
        return 0.0
    known = np.where(np.isfinite(taken_at_s), demand_rps, 0.0)
    total = float(known.sum())
    return float(known[at_s - taken_at_s > age_s].sum()) / total if total > 0 else 0.0


def _reasons(safety: Safety, seen: Round, limits: SafetyLimits) -> tuple[str, ...]:
    stale = stale_part(seen.memory.taken_at_s.get(Signal.DEMAND_RPS), seen.demand_rps, seen.at_s, limits.stale_after_s)
    return (
        f"{stale:.0%} of the telemetry is older than {limits.stale_after_s:.0f} s"
        if stale > limits.stale_ratio
        else "",
        "panic: the probes are in doubt" if seen.panic else "",
        f"no solution {safety.unsolved} times in a row" if safety.unsolved >= limits.unsolved_max else "",
        f"the ledger cannot be written: {safety.ledger_error}" if safety.ledger_error else "",
        safety.rollbacks,
        _jump(safety, seen, limits),
        _regression(safety, seen.reported),
    )


def _jump(safety: Safety, seen: Round, limits: SafetyLimits) -> str:
    if safety.clocks_s is None:
        return ""
    jump_s = (seen.wall_s - safety.clocks_s[1]) - (seen.at_s - safety.clocks_s[0])
    return f"the clock jumped by {jump_s:+.1f} s" if abs(jump_s) > limits.clock_jump_s else ""


def _regression(safety: Safety, reported: Mapping[OriginId, WeightTable]) -> str:
    known = safety.fences or {}
    for origin, table in reported.items():
        if table.fence < known.get(origin, table.fence):
            had, has = (f"{epoch}.{version}" for epoch, version in (known[origin], table.fence))
            return f"{origin} went back from version {had} to {has}"
    return ""
