"""What a fleet needs for a demand, by the assignment model: nodes, dollars, round trips, and what is scarce."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from config.configuration import Configuration
from config.prices import pool_prices
from placement.fleet import RESOURCES
from placement.solve.place import Placed
from scheduler.placing import Placement, placement_of
from scheduler.planning.changes import with_carbon_price
from scheduler.reports.rates import node_grams

NODE_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Outcome:
    """A whole-replica assignment, priced by the nodes it needs."""

    nodes: Mapping[str, int]
    """By `cluster/pool`."""
    nodes_usd_per_hour: float
    egress_usd_per_hour: float
    objective_usd_per_hour: float
    """With the worth of waiting and of what is refused or cannot be outlived."""
    p95_ms: float
    """Round trip that 95 % of the requests stay within."""
    refused_rps: float
    short_rps: float
    """Capacity that is missing after the worst loss, services together."""
    grams_per_hour: float
    certified_gap: float
    scarce: Mapping[str, tuple[str, float]]
    """By pool: (resource, $/h that one unit more would save)."""

    @property
    def usd_per_hour(self) -> float:
        """What is billed."""
        return self.nodes_usd_per_hour + self.egress_usd_per_hour


def outcome(documents: Configuration, carbon_usd_per_ton: float = 0.0) -> Outcome:
    """Solve it; with a price on CO2 it is weighed in every decision, and billed is what nodes and transfers cost.

    Raises Unsolved, and ValueError where the least replicas do not fit.
    """
    found = placement_of(with_carbon_price(documents, carbon_usd_per_ton) if carbon_usd_per_ton else documents)
    nodes = _nodes(found)
    books = documents.price_books
    listed = [usd or 0.0 for cluster in documents.clusters for usd in pool_prices(books, cluster.spec)]
    price = dict(zip(found.pool_names, listed, strict=True))
    egress, p95 = _routes(found)
    grams = 0.0
    for cluster in documents.clusters:
        for pool in cluster.spec.pools:
            one = node_grams(documents.price_books, cluster, pool)
            grams += (one or 0.0) * nodes[f"{cluster.name}/{pool.name}"]
    answer = found.placed.assignment
    return Outcome(
        nodes=nodes,
        nodes_usd_per_hour=sum(nodes[name] * price[name] for name in nodes),
        egress_usd_per_hour=egress,
        objective_usd_per_hour=answer.objective_usd_per_hour,
        p95_ms=p95,
        refused_rps=_refused(found),
        short_rps=_short(found),
        grams_per_hour=grams,
        certified_gap=answer.gap,
        scarce=_scarce(found.placed, found.pool_names),
    )


def _nodes(found: Placement) -> dict[str, int]:
    """Nodes that the replicas need, by the resource that each pool runs out of first."""
    use = found.problem.pool_use(found.placed.assignment.replicas)
    one = found.fleet.pools.capacity
    with np.errstate(divide="ignore", invalid="ignore"):
        need = np.where(one > 0, use / np.where(one > 0, one, 1.0), 0.0).max(axis=1)
    return {name: ceil(n - NODE_ROUNDING) for name, n in zip(found.pool_names, need.tolist(), strict=True)}


def _routes(found: Placement) -> tuple[float, float]:
    """($/h of transfer, p95 of round trips in ms)."""
    problem, fleet = found.problem, found.fleet
    routes, rps = problem.routes, np.asarray(found.placed.assignment.route_rps)
    flow = routes.demand
    origin, cluster = fleet.flows.origin[flow], problem.sites.cluster[routes.site]
    service, network = routes.service, fleet.network
    moved = fleet.services.request_bytes[service] * network.egress_out_usd_per_gb[origin, cluster]
    moved = moved + fleet.services.response_bytes[service] * network.egress_back_usd_per_gb[origin, cluster]
    rtt = network.rtt_ms[origin, cluster]
    order = np.argsort(rtt, kind="stable")
    running = np.cumsum(rps[order])
    p95 = float(rtt[order][np.searchsorted(running, 0.95 * running[-1])]) if len(rps) and running[-1] > 0 else 0.0
    return float(3600 * (rps @ moved) / 1e9), p95


def _refused(found: Placement) -> float:
    """Requests/s that enter from outside and find no place."""
    problem = found.problem
    served = np.bincount(problem.routes.demand, np.asarray(found.placed.assignment.route_rps), len(problem.demands))
    return float(np.maximum(problem.demands.rps - served, 0.0).sum())


def _short(found: Placement) -> float:
    """Capacity that is missing after each service's worst loss."""
    problem = found.problem
    raw = problem.sites.rps_per_replica * np.asarray(found.placed.assignment.replicas)
    whole = np.bincount(problem.sites.service, raw, problem.services)
    gone = problem.site_losses()
    lost = np.zeros(len(problem.losses))
    for column in gone.T:
        hit = column >= 0
        lost += np.bincount(column[hit], raw[hit], len(problem.losses))
    missing = np.maximum(problem.losses.survive_rps - whole[problem.losses.service] + lost, 0.0)
    worst = np.zeros(problem.services)
    np.maximum.at(worst, problem.losses.service, missing)
    return float(worst.sum())


def _scarce(placed: Placed, names: tuple[str, ...]) -> dict[str, tuple[str, float]]:
    """The dearest resource of each pool that has a price of its own."""
    prices = placed.assignment.pool_usd
    best = prices.argmax(axis=1)
    return {
        name: (RESOURCES[r], round(float(prices[p, r]), 6))
        for p, (name, r) in enumerate(zip(names, best.tolist(), strict=True))
        if prices[p, r] > NODE_ROUNDING
    }
