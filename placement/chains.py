"""Tiers of an application: what a request that is served somewhere asks next, and from where."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints, floats, lookup
from placement.crossings import Crossings, crossings
from placement.fleet import Fleet
from placement.problem import Problem
from placement.routing import Routing, from_triplets


@dataclass(frozen=True, slots=True)
class Asks:
    """(A,) A request served by `backend` makes `per_request` requests of `flow`, at the mesh of its cluster."""

    backend: Ints
    flow: Ints
    per_request: Floats

    def of(self, flows: Bools) -> "Asks":
        """Those of some flows, (F,)."""
        kept = flows[self.flow]
        return Asks(self.backend[kept], self.flow[kept], self.per_request[kept])


def asks(fleet: Fleet) -> Asks:
    """All of them. In a cluster without a mesh nothing is asked."""
    return fleet.once("asks", _asks)


def _asks(fleet: Fleet) -> Asks:
    calls, backends, origins = fleet.calls, fleet.backends, len(fleet.origins)
    first = np.searchsorted(backends.service, calls.parent, "left")
    count = np.searchsorted(backends.service, calls.parent, "right") - first
    call = np.repeat(np.arange(len(calls)), count)
    backend = np.arange(len(call)) - np.repeat(np.cumsum(count) - count - first, count)
    mesh = fleet.origin_of_cluster()[backends.cluster[backend]]
    keys = fleet.flows.service * origins + fleet.flows.origin
    flow = np.where(mesh >= 0, lookup(keys, calls.child[call] * origins + mesh), -1)
    real = flow >= 0
    return Asks(backend[real], flow[real], calls.per_request[call[real]])


def waiting_ratio(fleet: Fleet, routing: Routing, full: Bools) -> Floats:
    """(B,) part of the requests of each backend that call, directly or not, one of the `full` (B,) under a routing."""
    chain, backend = asks(fleet), fleet.backend_of(routing.row, routing.column)
    there = backend >= 0
    row, share, backend = routing.row[there], routing.share[there], backend[there]
    waits = np.zeros(len(full))
    for _ in range(int(fleet.depth().max(initial=0))):
        meets = np.bincount(row, weights=share * np.maximum(full, waits)[backend], minlength=len(routing))
        called = np.bincount(chain.backend, weights=chain.per_request * meets[chain.flow], minlength=len(full))
        waits = np.minimum(called, 1.0)
    return waits


def viable(problem: Problem, usable: Bools, chain: Asks) -> Bools:
    """(B,) backends that are usable and whose whole chain of calls is: for each tier below there is an offered route
    to a viable backend. A tier never goes where its dependencies are dead, forbidden or too far away.
    """
    return _unbroken(usable, chain, lambda good: _offered(problem, good))


def enduring(problem: Problem, routing: Routing, usable: Bools, sound: Bools, chain: Asks) -> Bools:
    """(B,) usable backends where the load of a routing may stay: each tier below either stays itself, whole, where it
    is, or has an offered route to a `sound` backend, (B,), as what moves goes nowhere else.
    """
    route = problem.route_of(routing.row, routing.column)
    offered, flows = np.flatnonzero(route >= 0), len(routing)
    row, share, backend = routing.row[offered], routing.share[offered], problem.routes.backend[route[offered]]
    refused = routing.column == routing.columns - 1
    shed = np.bincount(routing.row[refused], weights=routing.share[refused], minlength=flows)
    elsewhere = _offered(problem, sound)

    def served(good: Bools) -> Bools:
        held = shed + np.bincount(row, weights=share * good[backend], minlength=flows)
        return np.asarray(elsewhere | (held >= 1 - 1e-9), dtype=np.bool_)

    return _unbroken(usable, chain, served)


def _offered(problem: Problem, good: Bools) -> Bools:
    """(F,) flows with an offered route to a good backend, (B,)."""
    routes = problem.routes
    ways = np.bincount(routes.flow, weights=good[routes.backend], minlength=len(problem.fleet.flows))
    return np.asarray(ways > 0, dtype=np.bool_)


def _unbroken(usable: Bools, chain: Asks, served: Callable[[Bools], Bools]) -> Bools:
    """(B,) the most of the usable backends all of whose calls are served by what is left of them."""
    good = usable.copy()
    while True:
        broken = chain.backend[good[chain.backend] & ~served(good)[chain.flow]]
        if not len(broken):
            return good
        good[broken] = False


@dataclass(slots=True)
class Paths:
    """The served shares of a routing with the backends they reach: scratch space for one decision, (N,) each."""

    row: Ints
    column: Ints
    backend: Ints
    share: Floats
    crosses: Crossings
    backends: int
    taken: Floats
    """(L,) what the last load takes of the limits that routes share."""
    rps: Floats
    """What the last load puts on each path."""
    demand_rps: Floats
    """(F,) what the last load asks of each flow, calls included."""

    @staticmethod
    def of(problem: Problem, routing: Routing) -> "Paths":
        """The shares of a routing that reach a backend."""
        fleet = problem.fleet
        backend = problem.backend_of(routing.row, routing.column)
        served = np.flatnonzero(backend >= 0)
        row, column = routing.row[served], routing.column[served]
        crosses = crossings(fleet, row, column)
        share, backends = routing.share[served], len(fleet.backends)
        none = (floats(np.zeros(rows)) for rows in (crosses.limits, len(row), len(fleet.flows)))
        return Paths(row, column, backend[served], share, crosses, backends, *none)

    def load(self, external_rps: Floats, chain: Asks) -> Floats:
        """(B,) rps that (F,) demand from outside makes, calls included."""
        return self._load(external_rps, chain, np.inf)

    def narrowed(self, part: Floats, external_rps: Floats, chain: Asks) -> Floats:
        """(B,) the same where each path carries no more than (N,) a part of what the last load put on it, and the rest
        is refused: less of a share where callers are refused already and bring less along.
        """
        load = self._load(external_rps, chain, np.where(part < 1, part * self.rps, np.inf))
        asked = self.demand_rps[self.row] * self.share
        self.share = np.where(asked > 0, self.share * self.rps / np.where(asked > 0, asked, 1.0), self.share * part)
        return load

    def _load(self, external_rps: Floats, chain: Asks, most_rps: Floats | float) -> Floats:
        demand, flows = external_rps, len(external_rps)
        while True:
            rps = np.minimum(demand[self.row] * self.share, most_rps)
            load = np.bincount(self.backend, weights=rps, minlength=self.backends).astype(np.float64)
            called = np.bincount(chain.flow, weights=chain.per_request * load[chain.backend], minlength=flows)
            deeper = external_rps + called
            if np.array_equal(deeper, demand):
                break
            demand = deeper
        self.taken, self.rps, self.demand_rps = self.crosses.taken(rps), rps, demand
        return load

    def routing(self, like: Routing) -> Routing:
        """The shares as a routing; what is missing to 1 is shed."""
        flows = np.arange(len(like))
        shed = np.maximum(1 - np.bincount(self.row, weights=self.share, minlength=len(like)), 0.0)
        return from_triplets(
            np.concatenate([self.row, flows]),
            np.concatenate([self.column, np.full(len(flows), like.columns - 1)]),
            np.concatenate([self.share, shed]),
            (len(like), like.columns),
        )


def tightest(paths: Paths, backend_k: Floats, shared_k: Floats, chain: Asks, flows: int) -> Floats:
    """(N,) for every path, the least of the (B,) and (L,) factors that its requests meet anywhere down their calls."""
    own = np.minimum(backend_k[paths.backend], paths.crosses.least(shared_k))
    down = np.ones(paths.backends)
    while True:
        entry = np.minimum(own, down[paths.backend])
        flow_k = np.ones(flows)
        np.minimum.at(flow_k, paths.row, entry)
        deeper = np.ones(len(down))
        np.minimum.at(deeper, chain.backend, flow_k[chain.flow])
        if np.array_equal(deeper, down):
            return np.asarray(entry, dtype=np.float64)
        down = deeper


def response_ms(problem: Problem, latency_ms: Floats, routing: Routing, chain: Asks) -> Floats:
    """(N,) time from the mesh to the answer for each share of a routing, in ms; NaN for what is refused.

    Round trip, time in the backend, (B,) `latency_ms`, and the mean time of every call it makes, one after the other.
    """
    fleet, row, column = problem.fleet, routing.row, routing.column
    backend = problem.backend_of(row, column)
    served = backend >= 0
    rtt = fleet.network.rtt_ms[fleet.flows.origin[row[served]], column[served]]
    own = rtt + latency_ms[backend[served]]
    weight = np.bincount(row[served], weights=routing.share[served], minlength=len(routing))
    part = routing.share[served] / np.maximum(weight, 1e-300)[row[served]]
    down = np.zeros(len(fleet.backends))
    while True:
        entry = own + down[backend[served]]
        mean = np.bincount(row[served], weights=part * entry, minlength=len(routing))
        deeper = np.bincount(chain.backend, weights=chain.per_request * mean[chain.flow], minlength=len(down)).astype(
            np.float64
        )
        if np.array_equal(deeper, down):
            break
        down = deeper
    out = np.full(len(row), np.nan)
    out[served] = entry
    return out


def p95_ms(problem: Problem, latency_ms: Floats, routing: Routing, chain: Asks) -> float:
    """95 % of the requests from outside that are served are answered within this; NaN where none is."""
    took = response_ms(problem, latency_ms, routing, chain)
    rps = problem.external_rps[routing.row] * routing.share
    served = np.flatnonzero(np.isfinite(took))
    if not len(served):
        return float("nan")
    order = served[np.argsort(took[served], kind="stable")]
    total = np.cumsum(rps[order])
    return float(took[order[min(int(np.searchsorted(total, 0.95 * total[-1])), len(order) - 1)]])
