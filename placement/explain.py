"""Why a share is what it is: prices per route, the limits that bind, and what the runner-up would have cost."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from placement.columns import Floats
from placement.cost import free_rps, loads
from placement.crossings import crossings, shared_limits
from placement.fleet import Fleet
from placement.problem import Problem
from placement.routing import Routing
from placement.solve.routing import ShadowPrices

BINDING_USD = 1e-6


@dataclass(frozen=True, slots=True)
class RouteAccount:
    """One way a flow could go. Prices in $/h per rps."""

    cluster: str
    share: float
    latency_usd: float
    quality_usd: float
    egress_usd: float
    compute_usd: float
    called_usd: float
    """What the calls that a request makes from there cost downstream."""
    scarcity_usd: float
    """Shadow price of the room it takes at the backend, the gateway and on the link."""
    moving_usd: float
    """What moving there from where the flow stands is priced at."""

    @property
    def total_usd(self) -> float:
        """What the optimizer compares."""
        paid = self.latency_usd + self.quality_usd + self.egress_usd + self.compute_usd
        return paid + self.called_usd + self.scarcity_usd + self.moving_usd


@dataclass(frozen=True, slots=True)
class Explanation:
    """The account of one flow."""

    flow: str
    demand_rps: float
    routes: tuple[RouteAccount, ...]
    """Offered routes, cheapest first."""
    shed_share: float
    shed_usd: float
    not_offered: tuple[tuple[str, str], ...]
    """(cluster, reason)."""
    binding: tuple[str, ...]
    """Limits with a price, in words."""
    usd_per_hour: tuple[tuple[str, float], ...]
    """What the flow costs by component, calls and waiting at busy backends left to theirs."""
    runner_up: str
    runner_up_usd_per_hour: float
    """What sending the whole flow to the cheapest route without a share would add, at these prices; NaN if none."""


def explain(problem: Problem, routing: Routing, prices: ShadowPrices, flow: int) -> Explanation:
    """The account of `flow` under `routing`, at the shadow prices of the problem's optimum."""
    fleet, routes = problem.fleet, problem.routes
    shares = np.zeros(fleet.shed + 1)
    part = slice(routing.row_start[flow], routing.row_start[flow + 1])
    shares[routing.column[part]] = routing.share[part]
    mine = np.flatnonzero(routes.flow == flow)
    accounts = sorted((_account(problem, prices, int(x), shares) for x in mine), key=lambda a: a.total_usd)
    demand = float(loads(problem, routing).demand_rps[flow])
    unused = [a for a in accounts if a.share == 0]
    used = [a for a in accounts if a.share > 0]
    extra = (unused[0].total_usd - min(a.total_usd for a in used)) * demand if unused and used else float("nan")
    offered = set(routes.cluster[mine].tolist())
    return Explanation(
        flow=fleet.flow_name(flow),
        demand_rps=demand,
        routes=tuple(accounts),
        shed_share=float(shares[fleet.shed]),
        shed_usd=float(problem.shed_usd[flow]),
        not_offered=tuple(
            (fleet.clusters.ids[c], _why_not(problem, flow, c)) for c in range(len(fleet.clusters)) if c not in offered
        ),
        binding=_binding(problem, prices, flow, loads(problem, routing).backend_rps),
        usd_per_hour=_components(accounts, demand, demand * float(shares[fleet.shed]) * float(problem.shed_usd[flow])),
        runner_up=unused[0].cluster if unused else "",
        runner_up_usd_per_hour=extra,
    )


def _account(problem: Problem, prices: ShadowPrices, x: int, shares: Floats) -> RouteAccount:
    routes, fleet = problem.routes, problem.fleet
    cluster, flow = int(routes.cluster[x]), int(routes.flow[x])
    shared = crossings(fleet, routes.flow[[x]], routes.cluster[[x]]).worth(prices.shared_usd)[0]
    standing = problem.standing
    part = slice(standing.row_start[flow], standing.row_start[flow + 1])
    stands = cluster in standing.column[part].tolist()
    return RouteAccount(
        cluster=fleet.clusters.ids[cluster],
        share=float(shares[cluster]),
        latency_usd=float(routes.latency_usd[x]),
        quality_usd=float(routes.quality_usd[x]),
        egress_usd=float(routes.egress_usd[x]),
        compute_usd=float(routes.compute_usd[x]),
        called_usd=_called_usd(problem, prices, flow, cluster),
        scarcity_usd=float(prices.capacity_usd[routes.backend[x]] + shared),
        moving_usd=0.0 if stands else float(problem.churn_usd[flow]),
    )


def _called_usd(problem: Problem, prices: ShadowPrices, flow: int, cluster: int) -> float:
    """Price of the demand that one request makes at the mesh of `cluster`."""
    fleet = problem.fleet
    calls = np.flatnonzero(fleet.calls.parent == fleet.flows.service[flow])
    mesh = fleet.origin_of_cluster()[cluster]
    total = 0.0
    for call in calls.tolist():
        hit = (fleet.flows.service == fleet.calls.child[call]) & (fleet.flows.origin == mesh)
        total += float(fleet.calls.per_request[call] * prices.demand_usd[hit].sum())
    return total


def _why_not(problem: Problem, flow: int, cluster: int) -> str:
    fleet = problem.fleet
    service, origin = int(fleet.flows.service[flow]), int(fleet.flows.origin[flow])
    backend = int(fleet.backends.row(np.array([service]), np.array([cluster]), len(fleet.clusters))[0])
    rtt_ms, limit_ms = fleet.network.rtt_ms[origin, cluster], fleet.services.rtt_max_ms[service]
    if backend < 0:
        return "the service does not run there"
    if not fleet.allowed[service, cluster]:
        return f"jurisdiction {fleet.clusters.jurisdiction[cluster]} is not allowed"
    if rtt_ms > limit_ms:
        return f"round trip {rtt_ms:.0f} ms is above the limit of {limit_ms:.0f} ms"
    return "lost in this what-if" if problem.lost[cluster] else "judged down"


def _components(accounts: list[RouteAccount], demand_rps: float, shed_usd: float) -> tuple[tuple[str, float], ...]:
    paid = ("compute", "egress", "latency", "quality")
    sums = [sum(a.share * getattr(a, f"{name}_usd") for a in accounts) * demand_rps for name in paid]
    return (*zip(paid, sums, strict=True), ("shed", shed_usd))


def _binding(problem: Problem, prices: ShadowPrices, flow: int, load_rps: Floats) -> tuple[str, ...]:
    """Backends that the flow is offered, gateways and links, where load has a price of its own."""
    fleet = problem.fleet
    free, most = free_rps(problem), problem.pieces.served_rps
    said = []
    for backend in np.unique(problem.routes.backend[problem.routes.flow == flow]).tolist():
        price = prices.capacity_usd[backend]
        if price > BINDING_USD:
            scaled = fleet.scaler is not None and bool(fleet.scaler.follows[backend])
            limit = f"{most[backend]:.0f} rps at most" if scaled else f"{free[backend]:.0f} rps within target"
            said.append(
                f"load of {fleet.backend_name(backend)}: {load_rps[backend]:.0f} of {limit}, "
                f"one rps more costs {price:.4g} $/h there"
            )
    return (*said, *_shared(fleet, prices.shared_usd))


def _shared(fleet: Fleet, usd: Floats) -> Iterator[str]:
    """Of the limits that routes share, those that have a price."""
    limits, clusters = shared_limits(fleet), fleet.clusters
    for limit in np.flatnonzero(usd > BINDING_USD).tolist():
        most, price = limits.most[limit], usd[limit]
        for c in np.flatnonzero(limits.gateway == limit).tolist():
            yield f"gateway of {clusters.ids[c]}: {most:.0f} rps, one more is worth {price:.4g} $/h"
        for o, c in np.argwhere(limits.link == limit).tolist():
            ends = f"{fleet.origins.ids[o]} and {clusters.ids[c]}"
            yield f"link between {ends}: {8 * most:.0f} Mbit/s, one more is worth {price / 8:.4g} $/h"
