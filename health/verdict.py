"""Verdicts: what we believe of every backend, and the pure state machine that moves the belief.

Rules of this file:
1. TRANSITIONS is the only place that says where a state may lead, and `judge` makes at most one step of it per call.
2. Conditions are computed for all backends at once and know nothing of states; `diagram` draws the same table.
3. The way out is never damped: what a quorum condemns is out at once. The way back is: enough successes, a hold-down
   that doubles with every fall (RFC 2439 damps withdrawals of routes in the same spirit), then a ramp.
4. When too many would be out, it is the probes that are doubted: nobody new goes out.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from health.evidence import Evidence
from placement.columns import Bools, Floats, Ints, bools, floats, ints
from placement.fleet import Backends

WARMTH_FIRST = 0.1
"""The part of its capacity with which a returned backend begins."""


class State(IntEnum):
    """What we believe of one backend; MEANINGS says what each stands for."""

    UP = 0
    SUSPECT = 1
    DOWN = 2
    PROBATION = 3
    RAMP = 4
    DRAINING = 5
    FROZEN = 6


MEANINGS = {
    State.UP: "in service",
    State.SUSPECT: "in service, but somebody missed an answer; or condemned, and kept because the probes are in doubt",
    State.DOWN: "out: no share may go there",
    State.PROBATION: "out, and answering again",
    State.RAMP: "back in service, with a part of its capacity that grows",
    State.DRAINING: "an operator wants it empty: it keeps what it has until that is moved away, and gets nothing new",
    State.FROZEN: "an operator keeps it in service, whatever the probes say",
}


class Transition(NamedTuple):
    """One arrow: from `source` to `target` when the named condition holds."""

    source: State
    when: str
    target: State


TRANSITIONS = (
    Transition(State.UP, "condemned", State.DOWN),
    Transition(State.UP, "missed", State.SUSPECT),
    Transition(State.SUSPECT, "condemned", State.DOWN),
    Transition(State.SUSPECT, "clear", State.UP),
    Transition(State.DOWN, "answering", State.PROBATION),
    Transition(State.PROBATION, "silent", State.DOWN),
    Transition(State.PROBATION, "drained", State.DRAINING),
    Transition(State.PROBATION, "restored", State.RAMP),
    Transition(State.RAMP, "condemned", State.DOWN),
    Transition(State.RAMP, "warm", State.UP),
    Transition(State.DRAINING, "condemned", State.DOWN),
)
"""Of the arrows that leave one state, the first whose condition holds is taken. None leaves FROZEN."""

CONDITIONS = {
    "condemned": "a quorum of vantages saw `fall` failures in a row, and it is not a panic",
    "missed": "some vantage missed the last answer",
    "clear": "no vantage missed the last answer",
    "answering": "a quorum of vantages got the last answer, and none condemns it",
    "silent": "fewer than a quorum of vantages got the last answer",
    "restored": "a quorum of vantages saw `rise` successes in a row, and the hold-down is over",
    "drained": "restored, and an operator wants it empty",
    "warm": "`ramp_s` have passed",
}
"""What the names in TRANSITIONS mean."""

OUT = (State.DOWN, State.PROBATION)


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers of the state machine."""

    fall: int = 3
    """Failures in a row, at one vantage, to condemn."""
    rise: int = 20
    """Successes in a row, at one vantage, to come back."""
    quorum: int = 1
    """Vantages that must agree."""
    hold_down_s: float = 5.0
    """Least time out after a first fall; doubles with every further one."""
    hold_down_max_s: float = 300.0
    forget_s: float = 600.0
    """A fall after this long in service counts as a first one."""
    ramp_s: float = 60.0
    """Time from the return to full capacity."""
    panic_ratio: float = 0.5
    """More of the clusters, or of the backends of one service, are never taken out by probes alone."""

    def __post_init__(self) -> None:
        assert min(self.fall, self.rise, self.quorum) >= 1, "fall, rise and quorum count from 1"
        assert 0 <= self.hold_down_s <= self.hold_down_max_s, "the first hold-down is longer than the longest"
        assert self.forget_s >= 0, "forget_s is below 0"
        assert self.ramp_s >= 0, "ramp_s is below 0"
        assert 0 < self.panic_ratio <= 1, "panic_ratio is a part of all, above 0"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """(B,) one belief per backend."""

    state: Ints
    """Values of State."""
    since_s: Floats
    """When it came into this state."""
    turned_at_s: Floats
    """When it last went out of service or came back; -inf where it never did."""
    hold_down_s: Floats
    """How long its last fall keeps it out at least; 0 where it never fell."""
    draining: Bools
    """An operator wants it empty, also while it is out."""
    doubted: Bools
    """Condemned by the probes and kept, because too many would be out."""

    def __len__(self) -> int:
        return len(self.state)

    @property
    def panic(self) -> bool:
        """Whether the probes are in doubt."""
        return bool(self.doubted.any())


def all_up(backends: int, at_s: float) -> Verdicts:
    """The belief before anybody looked: what was never probed is in service."""
    none = bools(np.zeros(backends, dtype=bool))
    return Verdicts(
        state=ints(np.full(backends, State.UP)),
        since_s=floats(np.full(backends, at_s)),
        turned_at_s=floats(np.full(backends, -np.inf)),
        hold_down_s=floats(np.zeros(backends)),
        draining=none,
        doubted=none,
    )


def usable(verdicts: Verdicts) -> Bools:
    """(B,) whether a share may go there."""
    return bools(~np.isin(verdicts.state, OUT))


def warmth(verdicts: Verdicts, at_s: float, rules: Rules) -> Floats:
    """(B,) part of its capacity to plan with: 1 in service, 0 when out or draining, growing while it ramps."""
    grown = (at_s - verdicts.since_s) / rules.ramp_s if rules.ramp_s > 0 else np.ones(len(verdicts))
    ramp = np.clip(WARMTH_FIRST + (1 - WARMTH_FIRST) * grown, WARMTH_FIRST, 1.0)
    cold = np.isin(verdicts.state, (*OUT, State.DRAINING))
    return floats(np.where(cold, 0.0, np.where(verdicts.state == State.RAMP, ramp, 1.0)))


def changed(before: Verdicts, after: Verdicts) -> bool:
    """Whether the routing has to follow at once: some backend went out of service or came back."""
    return not np.array_equal(usable(before), usable(after))


def judge(verdicts: Verdicts, evidence: Evidence, backends: Backends, at_s: float, rules: Rules) -> Verdicts:
    """The verdicts at `at_s`, one step of TRANSITIONS after `verdicts`. `at_s` never goes back."""
    assert len(verdicts) == len(evidence.fails) == len(backends), "verdicts, evidence and backends disagree in rows"
    assert rules.quorum <= evidence.vantages, f"quorum {rules.quorum} of {evidence.vantages} vantages is never reached"
    failing = (evidence.fails >= rules.fall).sum(axis=1) >= rules.quorum
    doubted = doubtful(verdicts, evidence, failing, backends, rules)
    conditions = conditions_of(verdicts, evidence, failing, at_s, rules) | {"condemned": failing & ~doubted}
    state = verdicts.state.copy()
    for source, when, target in reversed(TRANSITIONS):  # reversed: the first arrow is written last and so wins
        state[(verdicts.state == source) & conditions[when]] = target
    return moved(verdicts, state, doubted, at_s, rules)


def conditions_of(
    verdicts: Verdicts, evidence: Evidence, failing: Bools, at_s: float, rules: Rules
) -> dict[str, Bools]:
    """(B,) each of CONDITIONS but `condemned`, whatever state the backend is in."""
    missed = (evidence.fails > 0).any(axis=1)
    answered = (evidence.passes > 0).sum(axis=1) >= rules.quorum
    steady = (evidence.passes >= rules.rise).sum(axis=1) >= rules.quorum
    restored = steady & ~failing & (at_s - verdicts.turned_at_s >= verdicts.hold_down_s)
    return {
        "missed": missed,
        "clear": ~missed,
        "answering": answered & ~failing,
        "silent": ~answered | failing,
        "restored": restored,
        "drained": restored & verdicts.draining,
        "warm": at_s - verdicts.since_s >= rules.ramp_s,
    }


def doubtful(verdicts: Verdicts, evidence: Evidence, failing: Bools, backends: Backends, rules: Rules) -> Bools:
    """(B,) which condemned backends stay in service because too many would be out.

    All of them, when more than `panic_ratio` of the clusters would have no backend left; and those of a service
    that would have more than that part of its own backends out. Envoy's panic threshold is the same idea for hosts.

    Backends that a quorum missed just now count as on their way out. Probes are spread over the interval, so when it
    is our own uplink that broke, they fail one after the other: counting only the condemned would see the panic when
    half of the fleet is already gone.
    """
    in_service = usable(verdicts)
    judged = in_service & (verdicts.state != State.FROZEN)
    leaving = judged & ((evidence.fails > 0).sum(axis=1) >= rules.quorum)
    out = leaving | ~in_service
    clusters = len(np.unique(backends.cluster))
    dark = np.count_nonzero(part_of(out, backends.cluster) >= 1.0)
    if dark > rules.panic_ratio * clusters:
        return np.asarray(failing & judged)
    thin = part_of(out, backends.service) > rules.panic_ratio
    return np.asarray(failing & judged & thin[backends.service])


def part_of(marked: Bools, group: Ints) -> Floats:
    """Part of the marked rows in each group; 0 for a group without rows."""
    rows = np.bincount(group)
    return np.asarray(np.bincount(group, weights=marked) / np.maximum(rows, 1), dtype=np.float64)


def moved(before: Verdicts, state: Ints, doubted: Bools, at_s: float, rules: Rules) -> Verdicts:
    """The verdicts in their new states, with the times and the hold-down that follow from the move."""
    was_out, is_out = np.isin(before.state, OUT), np.isin(state, OUT)
    fell = is_out & ~was_out
    restless = at_s - before.turned_at_s < rules.forget_s
    longer = np.clip(2 * before.hold_down_s, rules.hold_down_s, rules.hold_down_max_s)
    return Verdicts(
        state=ints(state),
        since_s=floats(np.where(state != before.state, at_s, before.since_s)),
        turned_at_s=floats(np.where(is_out != was_out, at_s, before.turned_at_s)),
        hold_down_s=floats(np.where(fell, np.where(restless, longer, rules.hold_down_s), before.hold_down_s)),
        draining=before.draining,
        doubted=bools(doubted),
    )


def hold(verdicts: Verdicts, rows: Ints, state: State, at_s: float) -> Verdicts:
    """The verdicts with some backends in an operator's state, DRAINING or FROZEN, until `release`.

    FROZEN puts a backend in service that is out: the operator knows better than the probes. DRAINING does not; such
    a one comes back as DRAINING. ValueError for any other state.
    """
    if state not in {State.DRAINING, State.FROZEN}:
        raise ValueError(f"{state.name} is for the probes to say; an operator may set DRAINING or FROZEN")
    chosen = np.zeros(len(verdicts), dtype=bool)
    chosen[rows] = True
    out = np.isin(verdicts.state, OUT)
    goes = chosen & (verdicts.state != state) & (~out | (state == State.FROZEN))
    return replace(
        verdicts,
        state=ints(np.where(goes, state, verdicts.state)),
        since_s=floats(np.where(goes, at_s, verdicts.since_s)),
        turned_at_s=floats(np.where(goes & out, at_s, verdicts.turned_at_s)),
        draining=bools(np.where(chosen, state == State.DRAINING, verdicts.draining)),
        doubted=bools(verdicts.doubted & ~chosen),
    )


def release(verdicts: Verdicts, rows: Ints, at_s: float) -> Verdicts:
    """The verdicts with some backends given back to the probes: drained ones ramp, frozen ones are as they were."""
    chosen = np.zeros(len(verdicts), dtype=bool)
    chosen[rows] = True
    drained, frozen = (chosen & (verdicts.state == state) for state in (State.DRAINING, State.FROZEN))
    state = np.where(drained, State.RAMP, np.where(frozen, State.UP, verdicts.state))
    return replace(
        verdicts,
        state=ints(state),
        since_s=floats(np.where(drained | frozen, at_s, verdicts.since_s)),
        draining=bools(verdicts.draining & ~chosen),
    )


def carried_verdicts(verdicts: Verdicts, rows: Ints, at_s: float) -> Verdicts:
    """The verdicts for a new fleet: its backend b was backend `rows[b]`, -1 where it is new and so in service."""
    new, old, known = all_up(len(rows), at_s), np.maximum(rows, 0), rows >= 0
    if not len(verdicts):
        return new
    return Verdicts(
        state=ints(np.where(known, verdicts.state[old], new.state)),
        since_s=floats(np.where(known, verdicts.since_s[old], new.since_s)),
        turned_at_s=floats(np.where(known, verdicts.turned_at_s[old], new.turned_at_s)),
        hold_down_s=floats(np.where(known, verdicts.hold_down_s[old], new.hold_down_s)),
        draining=bools(np.where(known, verdicts.draining[old], new.draining)),
        doubted=bools(known & verdicts.doubted[old]),
    )
