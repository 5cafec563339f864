"""What the replicas that stand are for: work, the loss that may come, or nothing today.

Of a service with demand D at backends of capacity K_b, and the domains d (cluster, region, provider) that may be lost:

    used        load_b / K_b                                               of each backend, 1 at most
    survive     D / SURVIVE_UTILIZATION / (K - max_d K_d)                  the part of K that outlives any single loss
    today       D / (target K)                                             the part of K that demand alone takes
    resilience  survive - today                                            what N-1 costs, as a part of K
    idle        the rest: headroom within the target, and what is neither

A domain that holds all of a service cannot be outlived and asks for nothing. Resilience is paid out of what is not
used, at every backend in the same proportion.
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Floats, Ints, floats
from placement.fleet import Fleet
from placement.workloads import SURVIVE_UTILIZATION


@dataclass(frozen=True, slots=True)
class Standing:
    """(B,) parts of each backend's replicas; they sum to 1 where it has any."""

    used: Floats
    resilience: Floats
    idle: Floats


def standing_parts(fleet: Fleet, load_rps: Floats, capacity_rps: Floats) -> Standing:
    """What capacity is for, from mean (B,) load and capacity."""
    service, services = fleet.backends.service, len(fleet.services)
    some = capacity_rps > 0
    used = np.where(some, np.clip(load_rps / np.where(some, capacity_rps, 1.0), 0.0, 1.0), 0.0)
    demand, whole = (np.bincount(service, weights=w, minlength=services) for w in (load_rps, capacity_rps))
    left = whole - _largest_loss(fleet, floats(capacity_rps))
    need = demand / SURVIVE_UTILIZATION
    survive = np.where(left > 0, np.minimum(need / np.where(left > 0, left, 1.0), 1.0), 0.0)
    today = demand / np.maximum(fleet.services.utilization_target * whole, 1e-12)
    rest = np.bincount(service, weights=(1 - used) * capacity_rps, minlength=services)
    wanted = np.clip(survive - today, 0.0, 1.0) * whole
    part = np.where(rest > 0, np.minimum(wanted / np.where(rest > 0, rest, 1.0), 1.0), 0.0)[service]
    resilience = np.where(some, (1 - used) * part, 0.0)
    return Standing(floats(used), floats(resilience), floats(np.where(some, 1 - used - resilience, 0.0)))


def _largest_loss(fleet: Fleet, capacity_rps: Floats) -> Floats:
    """(S,) the capacity of each service's largest domain that is not all of it."""
    service, services = fleet.backends.service, len(fleet.services)
    whole = np.bincount(service, weights=capacity_rps, minlength=services)
    worst = np.zeros(services)
    for names in (fleet.clusters.ids, fleet.clusters.region, fleet.clusters.provider):
        domain = _codes(names)[fleet.backends.cluster]
        count = int(domain.max(initial=0)) + 1
        held = np.bincount(service * count + domain, weights=capacity_rps, minlength=services * count)
        held = held.reshape(services, count)
        held[held >= whole[:, None] * (1 - 1e-12)] = 0.0
        worst = np.maximum(worst, held.max(axis=1, initial=0.0))
    return floats(worst)


def _codes(names: tuple[str, ...]) -> Ints:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)
