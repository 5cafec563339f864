"""An operator's word on backends: what the probes say does not count, until it is taken back."""

from dataclasses import replace

import numpy as np

from health.states import OUT, State
from health.verdict import Verdicts
from placement.columns import Ints, bools, floats, ints


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
