"""Where workloads run: the joint problem of whole replicas per site and load per route, as arrays.

Slow cadence (minutes). Letters of this noun, besides those of `placement.fleet`:

    G demands   a flow (service, origin) with load from outside, or a called service at one mesh
    H sites     (service, pool), sorted; where replicas of the service may stand
    X routes    (demand, site), sorted by demand; what a request may take
    L losses    (service, domain), sorted; the service has to survive without that failure domain
    A blocks    applications: services that call each other, never split

Formulation (units $/h; y rps, n replicas, T rps, u rps, v rps):

    min  sum_h usd_h n_h + migration_h (n_h - standing_h)^+ + sum_x usd_x y_x + sum_g shed_g u_g + sum_l short_l v_l

    demand   sum_{x of g} y_x + u_g - sum_{x of parents at g's mesh} calls_xg y_x = demand_g     each g
    serve    sum_{x at h} y_x                    <= utilization_s rps_h n_h                      each h
    pool     sum_{h in p} use_hr n_h             <= capacity_pr                                  each p, r: the coupling
    link     sum_x amount_xk y_x over link k     <= bandwidth_k                                  each declared link
    total    T_s = sum_{h of s} rps_h n_h                                                        guarded s
    loss     T_s - sum_{h of s in domain} rps_h n_h + v_l >= survive_l                           each l
    spread   rps_h n_h                           <= spread_s T_s   where spread_s < 1            each h of such s
    bounds   replicas_min_h <= n_h <= replicas_max_h, integer

Every row but the pools' has a priced way out (u, v), and n = replicas_min is expected to fit the pools; a problem whose
minimum does not fit is refused where it is made.
"""

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from placement.callgraph import call_depth
from placement.columns import Bools, Floats, Ints, check_numbers, floats, lookup
from placement.fleet import Calls

CLOSED_USD = 1e9
"""Price of a unit in a pool that has none: any price is valid there, and this one keeps everybody out."""


@dataclass(frozen=True, slots=True)
class Demands:
    """(G,)"""

    service: Ints
    mesh: Ints
    """The cluster whose mesh it enters, -1 for an origin outside: where callers' load turns into this demand."""
    rps: Floats
    """From outside the fleet; 0 for a service that is only called."""
    shed_usd: Floats
    """$/h per rps refused; scale-consistent, see placement.problem."""

    def __post_init__(self) -> None:
        """Raises ValueError for what is no amount; likewise in the other tables."""
        _check("demands", self, "rps", "shed_usd")

    def __len__(self) -> int:
        return len(self.service)


@dataclass(frozen=True, slots=True)
class AssignmentSites:
    """(H,) Sorted by service, then pool."""

    service: Ints
    pool: Ints
    cluster: Ints
    rps_per_replica: Floats
    usd_per_replica_hour: Floats
    use: Floats
    """(H, R) of one replica, in the units of placement.fleet.RESOURCES."""
    standing: Ints
    """Replicas that run now."""
    replicas_min: Ints
    replicas_max: Ints
    migration_usd: Floats
    """$/h for each replica that is started."""

    def __post_init__(self) -> None:
        _check("sites", self, "rps_per_replica", "usd_per_replica_hour", "use", "migration_usd")
        _check("sites", self, "standing", "replicas_min", "replicas_max")

    def __len__(self) -> int:
        return len(self.service)


@dataclass(frozen=True, slots=True)
class AssignmentRoutes:
    """(X,) Sorted by demand, then price."""

    demand: Ints
    site: Ints
    service: Ints
    usd: Floats
    """$/h per rps: egress, value of latency and of measured quality; not the replicas."""
    bytes_per_request: Floats
    """Both ways."""

    def __post_init__(self) -> None:
        _check("routes", self, "usd", "bytes_per_request")

    def __len__(self) -> int:
        return len(self.demand)


@dataclass(frozen=True, slots=True)
class Losses:
    """(L,) Sorted by service, then domain. Domains are regions first, then providers, numbered through."""

    service: Ints
    domain: Ints
    survive_rps: Floats
    """Raw capacity that has to remain."""
    short_usd: Floats
    """$/h per rps that does not."""

    def __post_init__(self) -> None:
        _check("losses", self, "survive_rps", "short_usd")

    def __len__(self) -> int:
        return len(self.service)


@dataclass(frozen=True, slots=True)
class Links:
    """(K,) Declared limit of a pair (origin's mesh, cluster) or of a gateway; empty where none is declared."""

    route: Ints
    """(N,) which routes pass ..."""
    link: Ints
    """(N,) ... which link."""
    amount: Floats
    """(N,) what a request takes of it: bytes both ways, or 1 of a limit in requests."""
    bandwidth: Floats
    """(K,) bytes/s, or requests/s."""

    def __post_init__(self) -> None:
        _check("links", self, "amount", "bandwidth")


Table = TypeVar("Table", Demands, AssignmentSites, AssignmentRoutes, Losses)


@dataclass(frozen=True, slots=True)
class AssignmentProblem:
    """Everything that decides where workloads run."""

    capacity: Floats
    """(P, R)"""
    usd_scale: Floats
    """(P, R) a typical $/h per unit: the scale of shadow prices."""
    utilization: Floats
    """(S,) planned part of a replica's throughput."""
    unit_usd: Floats
    """(S,) $/h per rps: typical serving cost, the yardstick of refusing and falling short."""
    spread_max: Floats
    """(S,) most part of the service's capacity at one site; 1 for no limit."""
    block: Ints
    """(S,) its application."""
    demands: Demands
    sites: AssignmentSites
    routes: AssignmentRoutes
    losses: Losses
    site_domains: Ints
    """(H, 2) the region and the provider of each site, in the numbering of Losses."""
    links: Links
    calls_parent: Ints
    """(K,) services; see placement.fleet.Calls."""
    calls_child: Ints
    calls_per_request: Floats

    def __post_init__(self) -> None:
        """Raises ValueError for what is no amount, and for calls that go round in a circle."""
        _check("problem", self, "capacity", "usd_scale", "utilization", "unit_usd", "calls_per_request", infinite=True)
        for name in ("utilization", "spread_max"):
            column = getattr(self, name)
            if not ((column > 0) & (column <= 1)).all():
                row = int(np.flatnonzero(~((column > 0) & (column <= 1)))[0])
                raise ValueError(f"problem.{name}[{row}] is {column[row]:g}: must be above 0 and at most 1")
        if len(self.calls_parent):
            call_depth(self.services, Calls(self.calls_parent, self.calls_child, self.calls_per_request))

    @property
    def services(self) -> int:
        """S."""
        return len(self.utilization)

    def site_losses(self) -> Ints:
        """(H, 2) the loss rows that a site's region and provider take it out of, -1 where there is none."""
        domains = int(max(self.site_domains.max(initial=0), self.losses.domain.max(initial=0))) + 1
        key = self.losses.service * domains + self.losses.domain
        wanted = self.sites.service[:, None] * domains + self.site_domains
        return np.where(self.site_domains >= 0, lookup(key, wanted.ravel()).reshape(wanted.shape), -1)

    def called(self) -> tuple[Ints, Ints, Floats]:
        """(route, demand, calls per request): what each request on a route of a parent asks at the route's mesh.

        A cluster without a demand row for the child has no mesh of its own: nothing is asked there.
        """
        order = np.argsort(self.calls_parent, kind="stable")
        parent = self.calls_parent[order]
        first = np.searchsorted(parent, self.routes.service, "left")
        count = np.searchsorted(parent, self.routes.service, "right") - first
        route = np.repeat(np.arange(len(self.routes)), count)
        call = order[np.arange(len(route)) - np.repeat(np.cumsum(count) - count - first, count)]
        clusters = int(max(self.sites.cluster.max(initial=0), self.demands.mesh.max(initial=0))) + 1
        inside = np.flatnonzero(self.demands.mesh >= 0)
        key = self.demands.service[inside] * clusters + self.demands.mesh[inside]
        by_key = np.argsort(key, kind="stable")
        wanted = self.calls_child[call] * clusters + self.sites.cluster[self.routes.site[route]]
        row = lookup(key[by_key], wanted)
        real = row >= 0
        return route[real], inside[by_key][row[real]], self.calls_per_request[call[real]]

    def only(self, keep: Bools) -> "AssignmentProblem":
        """The part that belongs to the services in `keep` (S,), whole applications; pools and links stay."""
        of_service = np.cumsum(keep) - 1
        demand, site, route = keep[self.demands.service], keep[self.sites.service], keep[self.routes.service]
        loss, call, passing = keep[self.losses.service], keep[self.calls_parent], route[self.links.route]
        demands, sites, losses = _rows(self.demands, demand), _rows(self.sites, site), _rows(self.losses, loss)
        routes = _rows(self.routes, route)
        of_demand, of_site, of_route = np.cumsum(demand) - 1, np.cumsum(site) - 1, np.cumsum(route) - 1
        return replace(
            self,
            utilization=self.utilization[keep],
            unit_usd=self.unit_usd[keep],
            spread_max=self.spread_max[keep],
            block=self.block[keep],
            demands=replace(demands, service=of_service[demands.service]),
            sites=replace(sites, service=of_service[sites.service]),
            routes=replace(
                routes,
                demand=of_demand[routes.demand],
                site=of_site[routes.site],
                service=of_service[routes.service],
            ),
            losses=replace(losses, service=of_service[losses.service]),
            site_domains=self.site_domains[site],
            links=replace(
                self.links,
                route=of_route[self.links.route[passing]],
                link=self.links.link[passing],
                amount=self.links.amount[passing],
            ),
            calls_parent=of_service[self.calls_parent[call]],
            calls_child=of_service[self.calls_child[call]],
            calls_per_request=self.calls_per_request[call],
        )

    def pool_use(self, replicas: Ints | Floats) -> Floats:
        """(P, R) what replicas (H,) take of every pool."""
        pools, resources = self.capacity.shape
        cell = (self.sites.pool[:, None] * resources + np.arange(resources)).ravel()
        use = np.bincount(cell, (self.sites.use * replicas[:, None]).ravel(), pools * resources)
        return floats(use.reshape(pools, resources))


@dataclass(frozen=True, slots=True)
class Assignment:
    """What was decided, with the proof of how good it is."""

    replicas: Ints | Floats
    """(H,) whole after the integer solve; fractional from the relaxation."""
    route_rps: Floats
    """(X,)"""
    objective_usd_per_hour: float
    lower_bound_usd_per_hour: float
    """No assignment costs less: an LP bound for fractional replicas, an integer bound for whole ones."""
    pool_usd: Floats
    """(P, R) shadow prices in $/h per unit of capacity: where the next dollar belongs."""

    @property
    def gap(self) -> float:
        """Certified: objective / bound - 1."""
        return self.objective_usd_per_hour / self.lower_bound_usd_per_hour - 1


def _check(name: str, table: object, *columns: str, infinite: bool = False) -> None:
    for column in columns:
        check_numbers(f"{name}.{column}", getattr(table, column), infinite=infinite)


def _rows(table: Table, keep: Bools) -> Table:
    return replace(table, **{field.name: getattr(table, field.name)[keep] for field in fields(table)})
