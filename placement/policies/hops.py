"""Policies decide hop by hop, blind to what a hop causes further down: this walks the call graph for them.

A rule gets all flows of one depth at once, and says how many requests/s each of their routes takes. What is served
then makes the demand of the next depth, as it would in a mesh. Loops run over depths and over sources, never over
services, flows or routes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from placement.callgraph import call_depth
from placement.columns import Bools, Floats, Ints, starts
from placement.problem import Problem
from placement.routing import Routing, from_triplets


@dataclass(frozen=True, slots=True)
class Hop:
    """Flows of one depth of the call graph and the routes that they are offered."""

    problem: Problem
    demand_rps: Floats
    """(F,) of the flows of this hop, 0 elsewhere."""
    route: Ints
    """(M,) rows of the problem's routes, flow-major."""

    @property
    def flow(self) -> Ints:
        """(M,)"""
        return self.problem.routes.flow[self.route]

    @property
    def backend(self) -> Ints:
        """(M,)"""
        return self.problem.routes.backend[self.route]

    @property
    def service(self) -> Ints:
        """(M,)"""
        return self.problem.fleet.flows.service[self.flow]

    @property
    def rtt_ms(self) -> Floats:
        """(M,)"""
        return rtt_ms(self.problem)[self.route]

    def by_flow(self, values: Floats) -> Floats:
        """(F,) sums of (M,) values."""
        return _sums(self.flow, values, len(self.demand_rps))

    def by_backend(self, values: Floats) -> Floats:
        """(B,) sums of (M,) values."""
        return _sums(self.backend, values, len(self.problem.capacity_rps))

    def first(self, *keys: Floats) -> Bools:
        """(M,) True on one route of each flow: the least by the keys, the first of which counts most."""
        order = np.lexsort((*reversed(keys), self.flow))
        flow = self.flow[order]
        best = np.zeros(len(order), dtype=bool)
        best[order[starts(flow)]] = True
        return best

    def all_on(self, chosen: Bools) -> Floats:
        """(M,) rps when every flow goes where `chosen`, one route each."""
        return np.where(chosen, self.demand_rps[self.flow], 0.0)

    def in_proportion(self, weight: Floats, rps: Floats) -> Floats:
        """(M,) the (F,) `rps` shared by (M,) weights within each flow; 0 where a flow has no weight."""
        total = self.by_flow(weight)
        return np.where(total[self.flow] > 0, rps[self.flow] * weight / np.maximum(total[self.flow], 1e-300), 0.0)


Rule = Callable[[Hop], Floats]
"""(M,) requests/s on every route of a hop; what is missing to a flow's demand is refused."""


def rtt_ms(problem: Problem) -> Floats:
    """(X,) round trip of every route."""
    routes, fleet = problem.routes, problem.fleet
    return np.asarray(fleet.network.rtt_ms[fleet.flows.origin[routes.flow], routes.cluster], dtype=np.float64)


def descend(problem: Problem, rule: Rule) -> Routing:
    """The routing of a rule, hop by hop from the roots of the call graph down."""
    fleet, routes = problem.fleet, problem.routes
    service, origins = fleet.flows.service, fleet.origins
    depth = call_depth(len(fleet.services), fleet.calls)
    home = origins.cluster[fleet.flows.origin]
    called = np.zeros((len(fleet.services), len(fleet.clusters)))
    most = problem.pieces.served_rps
    share = np.zeros(len(routes))
    for level in range(int(depth.max(initial=0)) + 1):
        mine = depth[service] == level
        caused = np.where(home >= 0, called[service, np.maximum(home, 0)], 0.0)
        hop = Hop(problem, np.where(mine, problem.external_rps + caused, 0.0), np.flatnonzero(mine[routes.flow]))
        rps = rule(hop)
        share[hop.route] = rps / hop.demand_rps[hop.flow]
        load = hop.by_backend(rps)
        served = np.zeros(called.shape)
        served[fleet.backends.service, fleet.backends.cluster] = np.minimum(load, most)
        now = depth[fleet.calls.parent] == level
        onward = fleet.calls.per_request[now, None] * served[fleet.calls.parent[now]]
        np.add.at(called, fleet.calls.child[now], onward)
    flows = np.arange(len(service))
    refused = np.maximum(1 - _sums(routes.flow, share, len(flows)), 0.0)
    return from_triplets(
        np.concatenate([routes.flow, flows]),
        np.concatenate([routes.cluster, np.full(len(flows), fleet.shed)]),
        np.concatenate([share, refused]),
        (len(flows), fleet.shed + 1),
    )


def fill(hop: Hop, wanted_rps: Floats, room_rps: Floats, *keys: Floats) -> tuple[Floats, Floats]:
    """Sources in turn, the one that wants most first, walk their routes by the keys and take what is free.

    (M,) taken and (B,) what is still free, from (F,) wanted and (B,) room. A backend belongs to one service, so the
    k-th sources of all services go at once.
    """
    problem, flow, backend = hop.problem, hop.flow, hop.backend
    turn = _turns(problem.fleet.flows.service, wanted_rps)
    order = np.lexsort((*reversed(keys), flow, turn[flow]))
    ends = np.searchsorted(turn[flow[order]], np.arange(int(turn.max(initial=-1)) + 2))
    taken, room = np.zeros(len(flow)), room_rps.copy()
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        part = order[begin:end]
        free = room[backend[part]]
        before = np.cumsum(free) - free
        first = starts(flow[part])
        before -= np.repeat(before[first], np.diff(np.append(first, len(part))))
        take = np.clip(wanted_rps[flow[part]] - before, 0.0, free)
        taken[part] = take
        room[backend[part]] = free - take
    return taken, room


def spread_rest(hop: Hop, taken: Floats, raw_free_rps: Floats) -> Floats:
    """(M,) `taken` and what found no room, shared by (B,) free raw capacity."""
    left = np.maximum(hop.demand_rps - hop.by_flow(taken), 0.0)
    return taken + hop.in_proportion(np.maximum(raw_free_rps[hop.backend], 1e-9), left)


def _turns(service: Ints, wanted_rps: Floats) -> Ints:
    """(F,) position of a flow among those of its service, the largest want first."""
    order = np.lexsort((-wanted_rps, service))
    sorted_service = service[order]
    turn = np.empty(len(service), dtype=np.int64)
    turn[order] = np.arange(len(service)) - np.searchsorted(sorted_service, sorted_service)
    return turn


def _sums(row: Ints, values: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(row, weights=values, minlength=count), dtype=np.float64)
