"""What decides where workloads run, besides the fleet: what a replica takes, how many there are and may be."""

from dataclasses import dataclass, replace

import numpy as np

from placement.assignment import (
    AssignmentProblem,
    AssignmentRoutes,
    AssignmentSites,
    Demands,
    Links,
    Losses,
)
from placement.callgraph import coupled_services
from placement.columns import Bools, Floats, Ints, check_numbers, floats, ints
from placement.crossings import crossings, shared_limits
from placement.demand import displaced, external_demand
from placement.fleet import Fleet
from placement.problem import PATIENCE_MS
from placement.readings import Snapshot
from placement.routes import felt_ms, tree_usd

SURVIVE_UTILIZATION = 0.95
"""How full the others may be after a loss: they are relieved within minutes, not hours."""


@dataclass(frozen=True, slots=True)
class Workloads:
    """The slow inputs. Rows as in the fleet's services and sites."""

    resources: Floats
    """(S, R) of one replica."""
    survive_ratio: Floats
    """(S,) part of the demand to carry after the loss of any region or provider; 0 where that is not asked."""
    spread_max: Floats
    """(S,) most part of a service's capacity at one site; 1 for no limit."""
    standing: Ints
    """(H,) replicas that run now."""
    replicas_min: Ints
    """(H,)"""
    replicas_max: Ints
    """(H,)"""

    def __post_init__(self) -> None:
        """Raises ValueError for what is no amount, no part, or a least above a most."""
        for name in ("resources", "survive_ratio", "standing", "replicas_min", "replicas_max"):
            check_numbers(f"workloads.{name}", getattr(self, name))
        if not ((self.spread_max > 0) & (self.spread_max <= 1)).all():
            raise ValueError("workloads.spread_max: must be above 0 and at most 1")
        if (self.replicas_min > self.replicas_max).any():
            row = int(np.flatnonzero(self.replicas_min > self.replicas_max)[0])
            least, most = self.replicas_min[row], self.replicas_max[row]
            raise ValueError(f"workloads.replicas_min[{row}] is {least}, more than replicas_max, {most}")


@dataclass(frozen=True, slots=True)
class PlacingPrices:
    """What a policy fixes for the slow cadence; multiples of a service's unit serving cost or of a replica's price."""

    shed_multiple: float = 10.0
    short_multiple: float = 5.0
    migration_ratio: float = 0.05
    """Of starting a replica, per $/h of its price."""
    candidates: int = 8
    """Cheapest sites kept for each demand."""


def assignment_problem(
    fleet: Fleet, workloads: Workloads, snapshot: Snapshot, prices: PlacingPrices
) -> AssignmentProblem:
    """The joint problem of one instant: whole replicas at sites, and the load they serve."""
    sites, services = fleet.sites, fleet.services
    external = external_demand(fleet, snapshot.readings.demand_rps, snapshot.routing)
    routes, unit = _routes(fleet, snapshot, prices.candidates)
    links = _links(fleet, routes)
    service = fleet.flows.service
    whole = tree_usd(fleet, unit)
    shed = whole * prices.shed_multiple * services.priority + 3600 * services.usd_per_request_ms * PATIENCE_MS
    losses, domains = _losses(fleet, workloads, external, unit * prices.short_multiple)
    capacity = fleet.pools.capacity * fleet.pools.nodes[:, None]
    return AssignmentProblem(
        capacity=floats(capacity),
        usd_scale=floats(_usd_scale(fleet)),
        utilization=services.utilization_target,
        unit_usd=floats(unit),
        spread_max=workloads.spread_max,
        block=ints(coupled_services(len(services), fleet.calls, shared=False)),
        demands=Demands(
            service, ints(fleet.origins.cluster[fleet.flows.origin]), floats(external), floats(shed[service])
        ),
        sites=AssignmentSites(
            service=sites.service,
            pool=sites.pool,
            cluster=ints(fleet.pools.cluster[sites.pool]),
            rps_per_replica=sites.rps_per_replica,
            usd_per_replica_hour=sites.usd_per_replica_hour,
            use=floats(workloads.resources[sites.service]),
            standing=workloads.standing,
            replicas_min=workloads.replicas_min,
            replicas_max=workloads.replicas_max,
            migration_usd=floats(prices.migration_ratio * sites.usd_per_replica_hour),
        ),
        routes=routes,
        losses=losses,
        site_domains=domains,
        links=links,
        calls_parent=fleet.calls.parent,
        calls_child=fleet.calls.child,
        calls_per_request=fleet.calls.per_request,
    )


def moved_problem(
    problem: AssignmentProblem, fleet: Fleet, workloads: Workloads, snapshot: Snapshot, lost: Bools
) -> AssignmentProblem:
    """The problem at another instant: other demand, and no capacity in (C,) lost clusters, whose clients come in at the
    nearest mesh that is left. Routes, prices and which losses are asked for stay as they were.
    """
    external = external_demand(fleet, snapshot.readings.demand_rps, snapshot.routing)
    external = displaced(fleet, external, lost)
    total, losses = _service_rps(fleet, external), problem.losses
    survive = workloads.survive_ratio[losses.service] * total[losses.service] / SURVIVE_UTILIZATION
    whole = fleet.pools.capacity * fleet.pools.nodes[:, None]
    return replace(
        problem,
        demands=replace(problem.demands, rps=floats(external)),
        losses=replace(losses, survive_rps=floats(survive)),
        capacity=floats(np.where(lost[fleet.pools.cluster][:, None], 0.0, whole)),
    )


def unguarded(problem: AssignmentProblem, fleet: Fleet, workloads: Workloads, snapshot: Snapshot) -> bool:
    """Whether a service should outlive losses that a problem has no rows for: it had no demand when that was made."""
    external = external_demand(fleet, snapshot.readings.demand_rps, snapshot.routing)
    had = _service_rps(fleet, problem.demands.rps) > 0
    return bool(((workloads.survive_ratio > 0) & ~had & (_service_rps(fleet, external) > 0)).any())


def _links(fleet: Fleet, routes: AssignmentRoutes) -> Links:
    """What routes share besides pools: gateways, counted in requests that enter from elsewhere, and declared links."""
    cluster = fleet.pools.cluster[fleet.sites.pool[routes.site]]
    limit, route, amount = crossings(fleet, routes.demand, ints(cluster)).entries()
    return Links(route, limit, amount, shared_limits(fleet).most)


def _routes(fleet: Fleet, snapshot: Snapshot, candidates: int) -> tuple[AssignmentRoutes, Floats]:
    """The lawful (flow, site) pairs, cheapest `candidates` of each flow, and (S,) the unit cost of each service."""
    count = np.bincount(fleet.sites.service, minlength=len(fleet.services))[fleet.flows.service]
    first = np.searchsorted(fleet.sites.service, fleet.flows.service)
    flow = np.repeat(np.arange(len(fleet.flows)), count)
    site = np.arange(len(flow)) - np.repeat(np.cumsum(count) - count - first, count)
    service, origin = fleet.flows.service[flow], fleet.flows.origin[flow]
    cluster = fleet.pools.cluster[fleet.sites.pool[site]]
    network, services = fleet.network, fleet.services
    rtt = network.rtt_ms[origin, cluster]
    lawful = fleet.allowed[service, cluster] & (rtt <= services.rtt_max_ms[service])
    transfer = (
        services.request_bytes[service] * network.egress_out_usd_per_gb[origin, cluster]
        + services.response_bytes[service] * network.egress_back_usd_per_gb[origin, cluster]
    )
    wait_ms = felt_ms(fleet, service, rtt) + snapshot.readings.latency_ms[fleet.sites.backend[site]]
    usd = 3600 * (services.usd_per_request_ms[service] * wait_ms + transfer / 1e9)
    useful = fleet.sites.rps_per_replica * services.utilization_target[fleet.sites.service]
    whole = usd + (fleet.sites.usd_per_replica_hour / useful)[site]
    keep = np.flatnonzero(lawful)
    keep = keep[np.lexsort((whole[keep], flow[keep]))]
    rank = np.arange(len(keep)) - np.searchsorted(flow[keep], flow[keep])
    unit = np.full(len(services), 1e-9)
    np.maximum.at(unit, service[keep], whole[keep])
    keep = keep[rank < candidates]
    size = services.request_bytes[service[keep]] + services.response_bytes[service[keep]]
    return AssignmentRoutes(
        ints(flow[keep]), ints(site[keep]), ints(service[keep]), floats(usd[keep]), floats(size)
    ), unit


def _usd_scale(fleet: Fleet) -> Floats:
    """(P, R) a node's price over its capacity, shared evenly by what it has: only a scale for shadow prices."""
    kinds = np.maximum((fleet.pools.capacity > 0).sum(axis=1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = fleet.pools.usd_per_node_hour[:, None] / kinds[:, None] / fleet.pools.capacity
    return np.where(np.isfinite(scale), scale, 0.0)


def _losses(fleet: Fleet, workloads: Workloads, external_rps: Floats, short_usd: Floats) -> tuple[Losses, Ints]:
    """One row per guarded service and region or provider it may stand in, where it could stand elsewhere too."""
    regions, providers = (sorted(set(names)) for names in (fleet.clusters.region, fleet.clusters.provider))
    cluster = fleet.pools.cluster[fleet.sites.pool]
    region = np.array([regions.index(r) for r in fleet.clusters.region])[cluster]
    provider = len(regions) + np.array([providers.index(p) for p in fleet.clusters.provider])[cluster]
    domains = np.stack([region, provider], axis=1)
    total = _service_rps(fleet, external_rps)
    size = len(regions) + len(providers)
    pairs, here = np.unique(fleet.sites.service[:, None] * size + domains, return_counts=True)
    service, domain = pairs // size, pairs % size
    elsewhere = here < np.bincount(fleet.sites.service, minlength=len(fleet.services))[service]
    keep = (workloads.survive_ratio[service] > 0) & elsewhere & (total[service] > 0)
    service, domain = service[keep], domain[keep]
    survive = workloads.survive_ratio[service] * total[service] / SURVIVE_UTILIZATION
    return Losses(ints(service), ints(domain), floats(survive), floats(short_usd[service])), ints(domains)


def _service_rps(fleet: Fleet, external_rps: Floats) -> Floats:
    """(S,) demand of each service, calls included, wherever it comes in."""
    entering = np.bincount(fleet.flows.service, weights=external_rps, minlength=len(fleet.services)).astype(np.float64)
    total = entering
    for _ in range(len(fleet.services)):
        deeper = entering.copy()
        np.add.at(deeper, fleet.calls.child, fleet.calls.per_request * total[fleet.calls.parent])
        if np.array_equal(deeper, total):
            break
        total = deeper
    return total
