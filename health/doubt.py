"""Whether a backend is out, or it is the probes that are: clients against probes, and how many may go at once.

| probes  | clients                                  | verdict                                                    |
| ------- | ---------------------------------------- | ---------------------------------------------------------- |
| dead    | answered, `fine_ratio` at `fine_rps`     | the probe is broken: said aloud, nothing moves             |
| dead    | ask, but nothing was counted since       | wait for `testimony_s`, then the probes are believed       |
| dead    | ask, and their requests stopped to end   | out, within the budgets                                    |
| dead    | fail, or nobody asks                     | out, within the budgets                                    |
| one vantage says dead | fail                       | out: the clients are the second witness                    |
| content | all fail, beyond an accident             | out, within the budgets                                    |
| content | fail, and ask for more than it can serve | overloaded: kept; taking it out would overload the next    |
| content | fail, and so does what it calls          | kept: its failures are those of what it calls              |
| content | fail, and what it calls is over its room  | kept: it waits in the queue of what it calls               |
| content | some fail                                | gray: moved in steps (gray.py)                             |

Probes alone take out no more than the budgets: `ejection_ratio` of the clusters, `ejection_capacity_ratio` of a
service's capacity, but always one. When more than that is missing, or more than `panic_ratio` would be out, it is the
probes that are doubted: nobody goes whose failure the clients do not confirm. Whatever confirms it, a service keeps
its last backends: somebody has to be asked.
"""

from dataclasses import dataclass, replace

import numpy as np

from health.evidence import Evidence
from health.passive import ALARM, CERTAIN, OUTAGE, Clients
from health.quorum import Votes, beyond_one_cluster, missing_since_s
from health.rules import Rules
from placement.columns import Bools, Floats, Ints
from placement.fleet import Backends

TOLERANCE = 1e-9
FULL = 0.9
"""Part of its capacity at which a backend that fails requests may fail them for want of room."""
DRAIN_S = 30.0
"""How long a queue may last that an overload left behind: the load is gone, and answers are still late."""
EXPLAINED = 0.6
"""A backend whose calls account for this part of its failures fails for them: of what is left no outage is made, whose
score grows only where more than 40 % fail."""


@dataclass(frozen=True, slots=True)
class Burden:
    """(B,) what the weights in force ask of each backend, whatever clients can tell of it."""

    planned_rps: Floats
    waiting_ratio: Floats
    """Part of its requests that call, directly or not, what is asked for all that it can serve."""


@dataclass(frozen=True, slots=True)
class Charges:
    """(B,) what is held against each backend, whatever state it is in."""

    charged: Bools
    """Probes or clients say that it is out."""
    confirmed: Bools
    """Clients say so."""
    contradicted: Bools
    """The probes say that it is out, and clients are served well."""
    overloaded: Bools
    """Clients fail, and ask for more than it can serve."""
    alone: Bools
    """Clients alone say that it is out: no quorum of probes missed it."""


def charges(
    evidence: Evidence,
    said: Votes,
    at_s: float,
    rules: Rules,
    capacity_rps: Floats | None = None,
    burden: Burden | None = None,
) -> Charges:
    """What probes and clients say together: the table above. Without (B,) `capacity_rps` nobody counts as overloaded.

    What the weights put there counts where it is more than clients tell: some meshes may not be able to say what they
    sent.

    An overload that takes its victim out moves on to the next: the loop of a metastable failure (Bronson et al.,
    Metastable Failures in Distributed Systems, HotOS 2021). It is for the optimizer and for shedding to end it.
    """
    clients = evidence.clients
    if not len(clients):
        none = np.zeros(len(evidence.fails), dtype=bool)
        return Charges(said.failing, none, none, none, none)
    fresh = clients.fresh(at_s)
    outage = np.where(fresh, clients.score[:, OUTAGE], 0.0)
    confirmed, certain = outage >= ALARM, outage >= CERTAIN
    since_s = missing_since_s(evidence)
    told = clients.answered_since + clients.failed_since
    counted = np.where(clients.since_s == since_s, told, 0.0)
    busy = fresh & (clients.rate_rps(at_s) >= rules.fine_rps)
    often = busy & (counted >= rules.fine_rps * np.clip(at_s - since_s, 0.0, 1.0) / 2)
    well = (clients.answered_since >= rules.fine_ratio * counted) & (clients.error_ratio() <= 1 - rules.fine_ratio)
    fine = often & (counted > 0) & well
    waiting = busy & (counted == 0) & ~clients.stuck() & (at_s - since_s < rules.testimony_s)
    contradicted = said.failing & fine & ~confirmed
    overloaded = np.zeros(len(certain), dtype=bool)
    if capacity_rps is not None:
        told_rps = clients.rate_rps(at_s)
        asked_rps = told_rps if burden is None else np.maximum(told_rps, burden.planned_rps)
        overloaded = certain & (asked_rps >= FULL * capacity_rps)
    certain &= ~overloaded
    probed = (said.failing & ~fine & ~waiting) | (said.accused & confirmed)
    return Charges(probed | certain, confirmed, contradicted, overloaded, certain & ~probed & ~said.leaving)


def excused(
    charge: Charges, clients: Clients, below_ratio: Floats | None, drained_for_s: Floats, burden: Burden | None = None
) -> Charges:
    """The charges without those of clients alone that have a cause elsewhere, or one that is over.

    `below_ratio` (B,) is the part of the requests that may fail with what it calls; `drained_for_s` (B,) the time since
    it was overloaded: what waits since then is still answered late. Who waits for what is full is answered late too,
    though the full one may answer in the time of its own clients.

    Of a caller that has just been given more, what failed counts as a part of what it would have been asked had it had
    all that before: what it calls, which fails as long, was asked as much all the time.
    """
    if not charge.alone.any():
        return charge
    excuse = drained_for_s < DRAIN_S
    if below_ratio is not None:
        excuse = excuse | (below_ratio >= EXPLAINED * _failed_ratio(clients, burden))
    if burden is not None:
        excuse = excuse | (burden.waiting_ratio >= EXPLAINED * clients.error_ratio())
    return replace(charge, charged=charge.charged & ~(charge.alone & excuse))


def _failed_ratio(clients: Clients, burden: Burden | None) -> Floats:
    """(B,) part that fails of what was asked, or would have been with the load that a backend is given now."""
    if burden is None:
        return clients.error_ratio()
    asked = np.maximum(clients.answered + clients.failed, burden.planned_rps * clients.counted_s)
    return np.asarray(clients.failed / np.maximum(asked, 1e-9))


def doubtful(
    charge: Charges, said: Votes, in_service: Bools, free: Bools, backends: Backends, weight: Floats, rules: Rules
) -> Bools:
    """(B,) which charged backends stay in service because too many would be out.

    `free` (B,) marks those in service that may be judged at all, `weight` (B,) is the capacity of each.

    Backends that a quorum missed just now count as on their way out. Probes are spread over the interval, so when it
    is our own uplink that broke, they fail one after the other: counting only the condemned would see the panic when
    half of the fleet is already gone.
    """
    judged = charge.charged & free
    if not judged.any():
        return judged
    leaving = (said.leaving & ~charge.contradicted & free) | judged
    out = leaving | ~in_service
    unsure = judged & ~charge.confirmed
    clusters = len(np.unique(backends.cluster))
    dark = np.count_nonzero(part_of(out, backends.cluster) >= 1.0)
    too_many = dark > max(1, int(rules.ejection_ratio * clusters + TOLERANCE)) or dark > rules.panic_ratio * clusters
    lost = beyond_one_cluster(leaving & ~charge.confirmed, backends.cluster)
    if too_many or lost > rules.blind_ratio:
        doubted = unsure
    else:
        doubted = unsure & overdrawn(out, backends.service, weight, rules)[backends.service]
    last = part_of(~in_service | (judged & ~doubted), backends.service) >= 1.0
    return np.asarray(doubted | (judged & last[backends.service]))


def overdrawn(out: Bools, service: Ints, weight: Floats, rules: Rules) -> Bools:
    """(S,) services of which more would be out than probes alone may take."""
    count = np.bincount(service, weights=out)
    lost = np.bincount(service, weights=out * weight) / np.maximum(np.bincount(service, weights=weight), TOLERANCE)
    over_budget = (count > 1) & (lost > rules.ejection_capacity_ratio + TOLERANCE)
    return np.asarray(over_budget | (part_of(out, service) > rules.panic_ratio))


def part_of(marked: Bools, group: Ints) -> Floats:
    """Part of the marked rows in each group; 0 for a group without rows."""
    rows = np.bincount(group)
    return np.asarray(np.bincount(group, weights=marked) / np.maximum(rows, 1), dtype=np.float64)
