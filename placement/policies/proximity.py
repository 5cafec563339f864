"""Policies that know distance and not load."""

import numpy as np

from placement.callgraph import call_depth
from placement.columns import Floats, lookup
from placement.policies.hops import Hop, descend, rtt_ms
from placement.problem import Problem
from placement.routing import Routing

OVERPROVISIONING = 1.4
"""Envoy's default overprovisioning factor."""


def local(problem: Problem) -> Routing:
    """Every hop to the nearest cluster that serves it, whatever the load.

    What Istio's locality load balancing does while the nearest locality is healthy (Istio documentation, "Locality
    Load Balancing", failover); Linkerd's and Cilium's local-first services behave alike.
    """
    return descend(problem, lambda hop: hop.all_on(hop.first(hop.rtt_ms)))


def locality_failover(problem: Problem, healthy: Floats, overprovisioning: float = OVERPROVISIONING) -> Routing:
    """Istio's failover between localities by Envoy's priority arithmetic; `healthy` (B,) is the healthy part.

    Priorities: the caller's own cluster (else the nearest), the clusters of its region, the rest (Istio API,
    LocalityLoadBalancerSetting: without `failover` all other regions are equal). Envoy ("Priority levels"): a
    priority's score is min(100, healthy % x 1.4); each takes min(its score, 100 - what those before took); totals
    below 100 are scaled up. Inside a priority by healthy capacity. Nothing moves until fewer than 1/1.4 = 71.4 % of
    a priority are healthy, and load never matters.
    """

    def rule(hop: Hop) -> Floats:
        priority = _priorities(hop)
        group = hop.flow * 3 + priority
        size = len(hop.demand_rps) * 3
        capacity = problem.capacity_rps[hop.backend]
        whole = np.bincount(group, weights=capacity, minlength=size)
        good = np.bincount(group, weights=capacity * healthy[hop.backend], minlength=size)
        ratio = np.divide(good, whole, out=np.zeros(size), where=whole > 0)
        load = priority_load(ratio.reshape(-1, 3), overprovisioning).ravel()
        inside = capacity * healthy[hop.backend] / np.where(good > 0, good, 1.0)[group]
        return np.asarray(hop.demand_rps[hop.flow] * load[group] * inside, dtype=np.float64)

    return descend(problem, rule)


def priority_load(healthy: Floats, overprovisioning: float = OVERPROVISIONING) -> Floats:
    """(n, P) part of the traffic that each of P priorities gets, from their healthy parts; rows of nothing stay 0."""
    score = np.minimum(1.0, healthy * overprovisioning)
    before = np.cumsum(score, axis=1) - score
    load = np.clip(1 - before, 0.0, score)
    total = load.sum(axis=1, keepdims=True)
    return np.asarray(load / np.where(total > 0, total, 1.0), dtype=np.float64)


def latency_greedy(problem: Problem) -> Routing:
    """The least round trip down the whole call tree: rtt + sum of calls x the least below, capacity ignored.

    Latency-based routing as DNS sells it (Amazon Route 53, "Latency-based routing"; Azure Traffic Manager,
    "Performance"), applied to whole call trees; the policy study's baseline of that name.
    """
    fleet, routes = problem.fleet, problem.routes
    depth = call_depth(len(fleet.services), fleet.calls)
    origins = len(fleet.origins)
    mesh = fleet.origin_of_cluster()
    flow_key = fleet.flows.service * origins + fleet.flows.origin
    total = rtt_ms(problem)
    level = depth[fleet.flows.service[routes.flow]]
    least = np.full(len(flow_key) + 1, np.inf)
    least[-1] = 0.0
    for deep in range(int(depth.max(initial=0)), -1, -1):
        mine = np.flatnonzero(level == deep)
        for call in np.flatnonzero(depth[fleet.calls.parent] == deep).tolist():
            callers = mine[fleet.flows.service[routes.flow[mine]] == fleet.calls.parent[call]]
            wanted = fleet.calls.child[call] * origins + mesh[routes.cluster[callers]]
            row = np.where(mesh[routes.cluster[callers]] >= 0, lookup(flow_key, wanted), -1)
            total[callers] += fleet.calls.per_request[call] * least[row]
        np.minimum.at(least, routes.flow[mine], total[mine])
    return descend(problem, lambda hop: hop.all_on(hop.first(total[hop.route])))


def _priorities(hop: Hop) -> Floats:
    """(M,) 0 the caller's cluster or the nearest, 1 others of that cluster's region, 2 the rest."""
    fleet = hop.problem.fleet
    cluster = hop.problem.routes.cluster[hop.route]
    nearest = hop.first(hop.rtt_ms)
    home = fleet.network.rtt_ms.argmin(axis=1)
    home = np.where(fleet.origins.cluster >= 0, fleet.origins.cluster, home)[fleet.flows.origin[hop.flow]]
    present = hop.by_flow((cluster == home).astype(np.float64))[hop.flow] > 0
    own = np.where(present, cluster == home, nearest)
    _, region = np.unique(np.array(fleet.clusters.region), return_inverse=True)
    return np.where(own, 0, np.where(region[cluster] == region[home], 1, 2))
