"""What standing by costs: capacity that is paid and not needed today, against the least that outlives any single loss.

Per service s with demand d_s (calls included), capacity k_b in raw rps at the backends b it may use, p_b $/h per rps:

    today     sum_b k_b                >= d_s / target_s
    N-1       sum_{b not in l} k_b     >= survive_s d_s / SURVIVE_UTILIZATION      each cluster, region, provider l
    N-2       the same for each pair of them

Minimising sum p_b k_b with the first row alone, with the first two, and with all three gives three prices. Where load
enters is left out, so they are lower bounds: nothing that outlives the losses costs less.
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints, bools, floats
from placement.cost import loads
from placement.losses import Loss, domains, pair
from placement.problem import Problem
from placement.routes import compute_usd
from placement.workloads import SURVIVE_UTILIZATION


@dataclass(frozen=True, slots=True)
class Covering:
    """Rows sum_{b of service s, not in l} k_b >= least_r, of which each service has one per loss."""

    service: Ints
    """(R,)"""
    loss: Ints
    """(R,) index of the loss; -1 for none."""
    least_rps: Floats
    """(R,)"""
    gone: Bools
    """(L, C) clusters that each loss takes."""


@dataclass(frozen=True, slots=True)
class Standby:
    """Costs in $/h; ratios are of the capacity that demand alone would take."""

    paid_usd_per_hour: float
    """Of the capacity there is."""
    today_usd_per_hour: float
    n1_usd_per_hour: float
    n2_usd_per_hour: float
    overhead_ratio: float
    """(paid capacity - demand) / demand, services weighted by what a request/s of theirs costs."""
    overhead_bound_ratio: float
    """The least of that with which every survivable single loss is outlived."""
    last_percent_usd_per_hour: float
    """What the hundredth percent of the demand costs to outlive any single loss: from the N-1 rows' shadow prices."""
    by_service_usd_per_hour: Floats
    """(S,) that price, by service."""
    unsurvivable: tuple[str, ...]
    """`service: loss` where a single loss leaves no place at all."""

    @property
    def resilience_usd_per_hour(self) -> float:
        """The price of resilience: what the N-1 rows add."""
        return self.n1_usd_per_hour - self.today_usd_per_hour

    @property
    def second_usd_per_hour(self) -> float:
        """What outliving two losses at once would add."""
        return self.n2_usd_per_hour - self.n1_usd_per_hour


def raw_usd(problem: Problem) -> Floats:
    """(B,) $/h per raw rps of capacity, at the backend's cheapest site."""
    fleet = problem.fleet
    return floats(compute_usd(fleet) * fleet.services.utilization_target[fleet.backends.service])


def service_demand(problem: Problem) -> Floats:
    """(S,) rps, calls included."""
    fleet = problem.fleet
    demand = loads(problem, problem.standing).demand_rps
    return floats(np.bincount(fleet.flows.service, weights=demand, minlength=len(fleet.services)))


def lawful(problem: Problem) -> Bools:
    """(B,) backends that their service may use."""
    fleet = problem.fleet
    return bools(fleet.allowed[fleet.backends.service, fleet.backends.cluster])


def covering(problem: Problem, losses: tuple[Loss, ...]) -> tuple[Covering, tuple[str, ...]]:
    """The rows for today and for these losses, and the losses that leave a service nowhere to go."""
    fleet = problem.fleet
    services, clusters = len(fleet.services), len(fleet.clusters)
    demand, allowed = service_demand(problem), lawful(problem)
    hosts = np.zeros((services, clusters), dtype=bool)
    hosts[fleet.backends.service[allowed], fleet.backends.cluster[allowed]] = True
    gone = np.array([loss.clusters for loss in losses], dtype=bool).reshape(len(losses), clusters)
    left = (hosts[None, :, :] & ~gone[:, None, :]).any(axis=2)
    hit = (hosts[None, :, :] & gone[:, None, :]).any(axis=2)
    loss, service = np.nonzero(hit & left)
    today = np.flatnonzero(hosts.any(axis=1))
    dead_loss, dead_service = np.nonzero(hit & ~left)
    rows = Covering(
        service=np.concatenate([today, service]),
        loss=np.concatenate([np.full(len(today), -1), loss]),
        least_rps=floats(
            np.concatenate([(demand / fleet.services.utilization_target)[today], demand[service] / SURVIVE_UTILIZATION])
        ),
        gone=bools(gone),
    )
    named = zip(dead_service.tolist(), dead_loss.tolist(), strict=True)
    return rows, tuple(f"{fleet.services.ids[s]}: {losses[i]}" for s, i in named)


def pairs(problem: Problem) -> tuple[Loss, ...]:
    """Every two domains, neither within the other, that are not the whole fleet."""
    single = domains(problem.fleet)
    found: dict[bytes, Loss] = {}
    for i, one in enumerate(single):
        for other in single[i + 1 :]:
            both = one.clusters | other.clusters
            if not both.all() and both.sum() > max(one.clusters.sum(), other.clusters.sum()):
                found.setdefault(both.tobytes(), pair(one, other))
    return tuple(found.values())
