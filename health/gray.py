"""Gray failures: probes are content and some requests fail. Load is moved away in steps, and each step is checked.

Differential observability (Huang et al., Gray Failure: The Achilles' Heel of Cloud-Scale Systems, HotOS 2017): clients
see what probes do not. Their word is enough to move a quarter of the load, not to take a backend out. The next quarter
follows only while the others of the service fail at most half as often; where they do not, the fault is not in the
backend, and moving more would only move load. A trickle stays, or nobody would see that it is over.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from health.passive import ALARM, ERRORS_MIN, GRAY, WORSE_MIN, Clients, elsewhere
from health.rules import Rules
from placement.columns import Bools, Floats, Ints, floats, ints

KEPT = np.array([1.0, 0.75, 0.5, 0.25, 0.02])
"""Part of its load that a backend keeps after each number of steps."""
LAST = len(KEPT) - 1
BETTER = 0.5
"""The others help when they fail at most this part of what the backend fails."""
HOLD_MAX_S = 960.0
"""Longest time between two tries to give load back."""


class Gray(IntEnum):
    """What is done about one backend; GRAY_MEANINGS says what each stands for."""

    CLEAR = 0
    MOVING = 1
    STUCK = 2
    RETURNING = 3


GRAY_MEANINGS = {
    Gray.CLEAR: "all of its load is its own",
    Gray.MOVING: "some of its requests fail: a part of its load is kept away",
    Gray.STUCK: "the others fail as well: a step was taken back, and no more are tried for now",
    Gray.RETURNING: "its requests are answered again: load is given back, a step at a time",
}


class GrayTransition(NamedTuple):
    """One arrow: from `source` to `target` when the named condition holds, and how many steps that moves."""

    source: Gray
    when: str
    target: Gray
    steps: int


GRAY_TRANSITIONS = (
    GrayTransition(Gray.CLEAR, "ailing", Gray.MOVING, 1),
    GrayTransition(Gray.MOVING, "useless", Gray.STUCK, -1),
    GrayTransition(Gray.MOVING, "worse", Gray.MOVING, 1),
    GrayTransition(Gray.MOVING, "well", Gray.RETURNING, -1),
    GrayTransition(Gray.STUCK, "well", Gray.RETURNING, -1),
    GrayTransition(Gray.STUCK, "retried", Gray.MOVING, 1),
    GrayTransition(Gray.RETURNING, "ailing", Gray.MOVING, 1),
    GrayTransition(Gray.RETURNING, "whole", Gray.CLEAR, 0),
    GrayTransition(Gray.RETURNING, "well", Gray.RETURNING, -1),
)
"""Of the arrows that leave one state, the first whose condition holds is taken."""

GRAY_CONDITIONS = {
    "ailing": "clients see more failures than an accident explains, and the others of the service are better",
    "useless": "`gray_check_s` have passed, it still fails more than an accident, and so do the others",
    "worse": "`gray_check_s` have passed, it still ails, and the others are better",
    "well": "the failures are outweighed or nobody asks any more, for `gray_restore_s`, doubled with every relapse",
    "retried": "it still ails, the others are better, and the time as for `well` has passed",
    "whole": "no step is left",
}
"""What the names in GRAY_TRANSITIONS mean."""


@dataclass(frozen=True, slots=True)
class Steps:
    """(B,) what is kept away from each backend."""

    state: Ints
    """Values of Gray."""
    taken: Ints
    """Steps away from it, an index of KEPT."""
    since_s: Floats
    """When the last step was taken, either way; -inf before the first."""
    base_rps: Floats
    """Its load before the first step."""
    hold_s: Floats
    """How long it has to be well for a step back."""

    def __len__(self) -> int:
        return len(self.state)


def no_steps(backends: int) -> Steps:
    """Nothing is kept away from anybody."""
    none, zero = ints(np.full(backends, Gray.CLEAR)), floats(np.zeros(backends))
    return Steps(none, ints(np.zeros(backends)), floats(np.full(backends, -np.inf)), zero, zero)


def ceiling_rps(steps: Steps) -> Floats:
    """(B,) load above which a backend should not be given more; +inf where nothing is kept away."""
    return np.where(steps.taken > 0, steps.base_rps * KEPT[steps.taken], np.inf)


def stepped(steps: Steps, clients: Clients, service: Ints, in_service: Bools, at_s: float, rules: Rules) -> Steps:
    """The steps at `at_s`, at most one transition of GRAY_TRANSITIONS later. Backends out of service start anew."""
    if not len(clients) or not (clients.score[:, GRAY].any() or steps.state.any()):
        return steps
    conditions = gray_conditions(steps, clients, service, at_s, rules)
    state, taken, moved = steps.state.copy(), steps.taken.copy(), np.zeros(len(steps), dtype=bool)
    for source, when, target, change in GRAY_TRANSITIONS:
        goes = (steps.state == source) & conditions[when] & ~moved
        state[goes], taken[goes] = target, np.clip(taken[goes] + change, 0, LAST)
        moved |= goes
    state, taken = np.where(in_service, state, Gray.CLEAR), np.where(in_service, taken, 0)
    begins = (steps.taken == 0) & (taken > 0)
    relapses = begins | ((steps.state == Gray.RETURNING) & (state == Gray.MOVING))
    restless = at_s - steps.since_s < rules.forget_s
    longer = np.where(restless, np.minimum(2 * steps.hold_s, HOLD_MAX_S), 0.0)
    hold_s = np.where(relapses, np.maximum(longer, rules.gray_restore_s), steps.hold_s)
    return Steps(
        state=ints(state),
        taken=ints(taken),
        since_s=floats(np.where(moved, at_s, steps.since_s)),
        base_rps=floats(np.where(begins, clients.rate_rps(at_s), steps.base_rps)),
        hold_s=floats(hold_s),
    )


def gray_conditions(steps: Steps, clients: Clients, service: Ints, at_s: float, rules: Rules) -> dict[str, Bools]:
    """(B,) each of GRAY_CONDITIONS, whatever state the backend is in."""
    fresh, own = clients.fresh(at_s), clients.error_ratio()
    alarmed = fresh & (clients.score[:, GRAY] >= ALARM)
    ails = fresh & (clients.score[:, GRAY] >= ALARM / 2)
    better = elsewhere(clients, service, at_s) <= BETTER * own
    checked = at_s - steps.since_s >= rules.gray_check_s
    over = (clients.score[:, GRAY] == 0) | ~fresh
    waited = at_s - steps.since_s >= steps.hold_s
    more = steps.taken < LAST
    return {
        "ailing": alarmed & better,
        "useless": fresh & (own >= WORSE_MIN * ERRORS_MIN) & checked & ~better,
        "worse": ails & checked & better & more,
        "well": over & waited,
        "retried": ails & better & waited,
        "whole": steps.taken == 0,
    }


def carried_steps(steps: Steps, rows: Ints) -> Steps:
    """The steps for a new fleet: its backend b was backend `rows[b]`, -1 where it is new."""
    new, old, known = no_steps(len(rows)), np.maximum(rows, 0), rows >= 0
    if not len(steps):
        return new
    return Steps(
        state=ints(np.where(known, steps.state[old], new.state)),
        taken=ints(np.where(known, steps.taken[old], new.taken)),
        since_s=floats(np.where(known, steps.since_s[old], new.since_s)),
        base_rps=floats(np.where(known, steps.base_rps[old], new.base_rps)),
        hold_s=floats(np.where(known, steps.hold_s[old], new.hold_s)),
    )
