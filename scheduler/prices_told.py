"""How far a price is believed that a running cluster tells of its nodes.

Rules of this file:
1. A price is US dollars for one on-demand node and hour. NaN, infinite, 0 and negative ones are refused.
2. Up to twice or half of the price in force is taken at once; a change below 2 % is none. A larger step has to be told
   three times in a row, each within a tenth of the first: a bill that is half written is not.
3. What is more than 20 times off the declared price is never believed: it is of another unit (a month has 730 hours, a
   dollar 100 cents), and somebody has to look.
4. What was told last six hours ago no longer counts: the declared price does.
"""

import math
from dataclasses import dataclass, replace

CHANGE_MIN_RATIO = 0.02
STEP_MAX_RATIO = 2.0
DECLARED_MAX_RATIO = 20.0
TELLINGS = 3
NEAR_RATIO = 0.1
AGE_MAX_S = 6 * 3_600.0


@dataclass(frozen=True, slots=True)
class Belief:
    """What is made of one price that is told again and again."""

    declared: float
    """$/h."""
    usd_per_hour: float | None = None
    """That is believed; None where it is the declared one."""
    heard_s: float = -math.inf
    """When it was told last so that it could be believed."""
    pending: float = 0.0
    """A larger step that waits for more tellings; 0 where there is none."""
    times: int = 0
    """How often it was told."""
    why: str = ""
    """Why what was told last is not in force; empty where it is."""

    @property
    def in_force(self) -> float:
        """$/h that decisions reckon with."""
        return self.declared if self.usd_per_hour is None else self.usd_per_hour


def heard(known: Belief, told: float, at_s: float) -> Belief:
    """The belief after one more telling."""
    if not math.isfinite(told) or told <= 0:
        return replace(known, pending=0.0, times=0, why=f"{told} $/h is no price")
    off = _off(told, known.declared)
    if off > DECLARED_MAX_RATIO:
        words = f"{told:.6g} $/h is {off:.0f} times off the declared {known.declared:.6g}: is it of another unit?"
        return replace(known, pending=0.0, times=0, why=words)
    if _off(told, known.in_force) <= 1 + CHANGE_MIN_RATIO:
        return replace(known, heard_s=at_s, pending=0.0, times=0, why="")
    if _off(told, known.in_force) <= STEP_MAX_RATIO:
        return Belief(known.declared, told, at_s)
    same = known.pending and _off(told, known.pending) <= 1 + NEAR_RATIO
    first, times = (known.pending, known.times + 1) if same else (told, 1)
    if times >= TELLINGS:
        return Belief(known.declared, told, at_s)
    words = f"{told:.6g} $/h is {_off(told, known.in_force):.1f} times off: told {times} of {TELLINGS} times"
    return replace(known, pending=first, times=times, why=words)


def aged(known: Belief, at_s: float) -> Belief:
    """The belief after silence."""
    if known.usd_per_hour is None or at_s - known.heard_s <= AGE_MAX_S:
        return known
    return Belief(known.declared, why=f"nothing that can be believed for {AGE_MAX_S / 3_600:g} h")


def _off(one: float, other: float) -> float:
    """How many times one is the other, or the other way round; 1 where they are equal."""
    return max(one / other, other / one) if one > 0 and other > 0 else math.inf
