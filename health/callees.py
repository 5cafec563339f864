"""What a backend calls, when that fails: clients count the failures there and here, and only there is a fault.

A request that waits in the queue of what it calls is late for everybody above it, and an error is handed up as often
as not. To take the caller out mends nothing and moves its load to where the next caller fails alike.
"""

import numpy as np

from health.passive import ALARM, GRAY, Clients
from placement.columns import Floats, Ints
from placement.fleet import Calls


def failing_callees(clients: Clients, service: Ints, calls: Calls, at_s: float) -> Floats | None:
    """(B,) part of the requests of each backend that may fail with what it calls, at most 1; None where nothing fails.

    Of each called service the backend counts that fails most, beyond an accident, whoever is routed there: tables reach
    a mesh late, and what was called before them still ends after them. `service` (B,) is that of each backend.
    """
    if not len(clients):
        return None
    ails = clients.fresh(at_s) & (clients.score[:, GRAY] >= ALARM / 2)
    if not ails.any() or not len(calls):
        return None
    worst = np.zeros(1 + max(int(service.max()), int(calls.parent.max()), int(calls.child.max())))
    np.maximum.at(worst, service, np.where(ails, clients.error_ratio(), 0.0))
    fails = np.bincount(calls.parent, weights=calls.per_request * worst[calls.child], minlength=len(worst))
    return np.asarray(np.minimum(fails, 1.0)[service], dtype=np.float64)
