"""The states of a verdict and the arrows between them: the table that `verdict.judge` follows and the page draws."""

from enum import IntEnum
from typing import NamedTuple


class State(IntEnum):
    """What we believe of one backend; MEANINGS says what each stands for."""

    UP = 0
    SUSPECT = 1
    DOWN = 2
    PROBATION = 3
    RAMP = 4
    DRAINING = 5
    FROZEN = 6
    TRIAL = 7


MEANINGS = {
    State.UP: "in service",
    State.SUSPECT: "in service, but somebody missed an answer; or condemned, and kept because the probes are in doubt",
    State.DOWN: "out: no share may go there",
    State.PROBATION: "out, and answering again",
    State.RAMP: "back in service, with a part of its capacity that grows",
    State.DRAINING: "an operator wants it empty: it keeps what it has until that is moved away, and gets nothing new",
    State.FROZEN: "an operator keeps it in service, whatever the probes say",
    State.TRIAL: "back with a trickle, because only clients had missed it: they have to be served before it ramps",
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
    Transition(State.DOWN, "explained", State.UP),
    Transition(State.DOWN, "answering", State.PROBATION),
    Transition(State.PROBATION, "explained", State.UP),
    Transition(State.PROBATION, "silent", State.DOWN),
    Transition(State.PROBATION, "drained", State.DRAINING),
    Transition(State.PROBATION, "untried", State.TRIAL),
    Transition(State.PROBATION, "restored", State.RAMP),
    Transition(State.TRIAL, "condemned", State.DOWN),
    Transition(State.TRIAL, "acquitted", State.RAMP),
    Transition(State.RAMP, "condemned", State.DOWN),
    Transition(State.RAMP, "warm", State.UP),
    Transition(State.DRAINING, "condemned", State.DOWN),
)
"""Of the arrows that leave one state, the first whose condition holds is taken. None leaves FROZEN."""

CONDITIONS = {
    "condemned": "probes or clients charge it, and nothing speaks for a doubt",
    "missed": "some vantage missed the last answer",
    "clear": "no vantage missed the last answer",
    "explained": "it fell with its gateway, a quorum of vantages reaches it past that, and so it was the gateway",
    "answering": "a quorum of vantages got the last answer, and nobody charges it",
    "silent": "fewer than a quorum of vantages got the last answer, or it is charged",
    "restored": "a quorum of vantages saw `rise` successes in a row, the hold-down is over, and it is not suppressed",
    "untried": "restored, and its fall was seen by clients alone: what probes say of it now is worth little",
    "acquitted": "clients of the trickle are served until their score of an outage is 0; or nobody asks for `trial_s`",
    "drained": "restored, and an operator wants it empty",
    "warm": "the ramp is over",
}
"""What the names in TRANSITIONS mean."""

OUT = (State.DOWN, State.PROBATION)
