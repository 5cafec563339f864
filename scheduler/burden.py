"""What the weights in force ask of every backend: clients alone cannot tell an overload from an outage."""

import numpy as np

from health.doubt import DRAIN_S, FULL, Burden
from placement.chains import waiting_ratio
from placement.columns import floats
from placement.cost import loads
from scheduler.state import State


def burden_of(state: State, at_s: float) -> Burden | None:
    """By the demand and the routing of the last turn; None before the first, which has planned nothing yet.

    What was overloaded a moment ago is still full: its queue has to drain.
    """
    problem, routing = state.problem, state.routing
    if problem is None:
        return None
    planned_rps = loads(problem, routing).backend_rps
    full = planned_rps >= FULL * np.maximum(state.readings.capacity_rps, 1e-9)
    full |= at_s - state.verdicts.overloaded_at_s < DRAIN_S
    waits = waiting_ratio(state.fleet, routing, full) if full.any() else floats(np.zeros(len(full)))
    return Burden(planned_rps, waits)
