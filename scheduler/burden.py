"""What the weights in force ask of every backend: clients alone cannot tell an overload from an outage."""

import numpy as np

from health.doubt import DRAIN_S, FULL, Burden
from health.passive import Clients
from placement.chains import waiting_ratio
from placement.columns import floats
from placement.cost import loads
from scheduler.state import State


def burden_of(state: State, clients: Clients, at_s: float) -> Burden | None:
    """By the demand and the routing of the last turn; None before the first, which has planned nothing yet.

    What clients tell of counts where it is more than was planned: demand may have come since. What was overloaded a
    moment ago is still full: its queue has to drain.
    """
    problem, routing = state.problem, state.routing
    if problem is None:
        return None
    planned_rps = loads(problem, routing).backend_rps
    told_rps = np.where(clients.fresh(at_s), clients.rate_rps(at_s), 0.0) if len(clients) else planned_rps
    full = np.maximum(planned_rps, told_rps) >= FULL * np.maximum(state.readings.capacity_rps, 1e-9)
    full |= at_s - state.verdicts.overloaded_at_s < DRAIN_S
    waits = waiting_ratio(state.fleet, routing, full) if full.any() else floats(np.zeros(len(full)))
    return Burden(planned_rps, waits)
