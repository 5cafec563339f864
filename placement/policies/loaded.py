"""Policies that know load and capacity: waterfalls, sprays and the greedy fills."""

import numpy as np

from placement.columns import Bools, Floats
from placement.cost import loads
from placement.policies.hops import Hop, descend, fill, spread_rest
from placement.problem import Problem
from placement.routing import Routing, from_triplets


def waterfall(problem: Problem, limit: float = 0.8) -> Routing:
    """Nearest first up to `limit` of capacity, the excess to the next nearest.

    Google Cloud's default ("Service load balancing policies", WATERFALL_BY_REGION) in the two passes of the policy
    study: every source fills its nearest backend, in proportion where that is full; then sources by what they still
    want, largest first, walk theirs by round trip. What fits nowhere is spread by free capacity.
    """

    def rule(hop: Hop) -> Floats:
        room = limit * problem.capacity_rps
        first = hop.all_on(hop.first(hop.rtt_ms))
        wanted = hop.by_backend(first)
        fits = np.minimum(1.0, room / np.where(wanted > 0, wanted, 1.0))
        taken = first * fits[hop.backend]
        room = np.maximum(room - hop.by_backend(taken), 0.0)
        more, _ = fill(hop, hop.demand_rps - hop.by_flow(taken), room, hop.rtt_ms)
        return _overflowing(hop, taken + more)

    return descend(problem, rule)


def spray_to_region(problem: Problem, limit: float = 0.8) -> Routing:
    """Evenly over all backends of the nearest region until that is full, then the next region.

    Google Cloud, "Service load balancing policies", SPRAY_TO_REGION: no preference for the nearest zone of a region.
    A waterfall over regions; inside a region by capacity.
    """

    def rule(hop: Hop) -> Floats:
        _, of_cluster = np.unique(np.array(problem.fleet.clusters.region), return_inverse=True)
        region = of_cluster[problem.routes.cluster[hop.route]]
        regions = int(of_cluster.max()) + 1
        key = hop.flow * regions + region
        near = np.full(len(hop.demand_rps) * regions, np.inf)
        np.minimum.at(near, key, hop.rtt_ms)
        room = limit * problem.capacity_rps
        taken = np.zeros(len(hop.route))
        rank = _dense_rank(near.reshape(-1, regions)).ravel()[key]
        for step in range(regions):
            left = hop.demand_rps - hop.by_flow(taken)
            want = hop.in_proportion(np.where(rank == step, room[hop.backend], 0.0), left)
            asked = hop.by_backend(want)
            got = want * np.minimum(1.0, room / np.where(asked > 0, asked, 1.0))[hop.backend]
            taken, room = taken + got, np.maximum(room - hop.by_backend(got), 0.0)
        return _overflowing(hop, taken)

    return descend(problem, rule)


def proportional(problem: Problem, within: Bools | None = None) -> Routing:
    """By capacity over all backends; `within` (O, C) narrows an origin to some of them where it has one there.

    Weights proportional to endpoints or capacity: what a mesh that ignores locality does (Google's SPRAY_TO_WORLD,
    Envoy without locality-aware balancing).
    """

    def rule(hop: Hop) -> Floats:
        weight = problem.capacity_rps[hop.backend]
        if within is not None:
            origin = problem.fleet.flows.origin[hop.flow]
            inside = np.where(within[origin, problem.routes.cluster[hop.route]], weight, 0.0)
            weight = np.where(hop.by_flow(inside)[hop.flow] > 0, inside, weight)
        return hop.in_proportion(weight, hop.demand_rps)

    return descend(problem, rule)


def cost_greedy(problem: Problem, limit: float = 0.8, rtt_limit_ms: Floats | None = None) -> Routing:
    """Cheapest first by compute + egress up to `limit` of capacity, then the next.

    `rtt_limit_ms` (S,): backends further than that, and further than the nearest, come last. The policy study's
    cost-greedy; SkyPilot's cheapest-first placement is of this kind.
    """
    far = np.full(len(problem.fleet.services), np.inf) if rtt_limit_ms is None else rtt_limit_ms

    def rule(hop: Hop) -> Floats:
        routes = problem.routes
        usd = (routes.compute_usd + routes.egress_usd)[hop.route]
        rtt = hop.rtt_ms
        least = np.full(len(hop.demand_rps), np.inf)
        np.minimum.at(least, hop.flow, rtt)
        late = (rtt > far[hop.service]) & (rtt > least[hop.flow])
        taken, _ = fill(hop, hop.demand_rps, limit * problem.capacity_rps, late.astype(np.float64), usd)
        return _overflowing(hop, taken)

    return descend(problem, rule)


def value_greedy(problem: Problem, limit: float = 0.8) -> Routing:
    """Cheapest first by compute + egress + the value of latency, up to `limit` of capacity, then the next.

    Nobody ships it and anybody could write it in a day: the fair test of whether a solver is needed.
    """

    def rule(hop: Hop) -> Floats:
        usd = problem.routes.usd[hop.route]
        taken, _ = fill(hop, hop.demand_rps, limit * problem.capacity_rps, usd)
        return _overflowing(hop, taken)

    return descend(problem, rule)


def within_capacity(problem: Problem, routing: Routing) -> Routing:
    """A routing that refuses what its backends could not serve, each the same part of everybody's load."""
    load, most = loads(problem, routing).backend_rps, problem.pieces.served_rps
    part = np.minimum(1.0, most / np.where(load > 0, load, 1.0))
    backend = problem.backend_of(routing.row, routing.column)
    kept = routing.share * np.where(backend >= 0, part[np.maximum(backend, 0)], 1.0)
    flows = np.arange(len(routing))
    refused = np.bincount(routing.row, weights=routing.share - kept, minlength=len(routing))
    return from_triplets(
        np.concatenate([routing.row, flows]),
        np.concatenate([routing.column, np.full(len(flows), problem.fleet.shed)]),
        np.concatenate([kept, refused]),
        (len(routing), routing.columns),
    )


def _overflowing(hop: Hop, taken: Floats) -> Floats:
    """What found no room goes by free raw capacity: a policy in the data plane refuses nothing by itself."""
    return spread_rest(hop, taken, np.maximum(hop.problem.capacity_rps - hop.by_backend(taken), 0.0))


def _dense_rank(values: Floats) -> Floats:
    return np.asarray(values.argsort(axis=1, kind="stable").argsort(axis=1), dtype=np.float64)
