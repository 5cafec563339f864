"""Where load goes that cannot stay: array rounds, no solver, so it fits on the failover path.

Three steps. A tier goes only where its dependencies are healthy, lawful and reachable. Every share without a home is
offered to its cheapest routes in turn, from the roots of the call graph down, and a backend takes what it has room for.
What then still exceeds the room of a backend or gateway anywhere down a chain is refused at the door where it came in,
the lowest priority first: a called service that refuses wastes the work of its callers.
"""

from dataclasses import dataclass

import numpy as np

from placement.callgraph import inherited
from placement.chains import Asks, Paths, asks, enduring, tightest, viable
from placement.columns import Bools, Floats, Ints, bools, floats
from placement.cost import loads
from placement.crossings import Crossings, crossings, shared_limits
from placement.demand import callers
from placement.problem import DEMAND_FLOOR_RPS, Problem
from placement.routing import Routing, from_triplets

TINY_SHARE = 1e-9
TINY_RPS = 1e-6
AGAIN = 2
"""Times that what was refused is tried elsewhere."""
NEARLY = 0.999
"""A backend with less room than this leaves is full."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a spill keeps to."""

    rps: Floats
    """(B,) load that a backend may be brought to."""
    chain: Asks
    first: Bools
    """(F,) flows that keep what they have."""


def spill(
    problem: Problem,
    routing: Routing,
    usable: Bools,
    limit_rps: Floats | None = None,
    first: Bools | None = None,
    stood: Routing | None = None,
) -> Routing:
    """The routing without shares on unusable or unlawful routes, within `limit_rps` (B,) at every backend.

    The limit is what backends serve if none is given. What fits nowhere is shed, and what was shed stays so: in the
    routing, and where another one `stood`, in that as well. The routing itself where nothing is to be done. Flows that
    go `first`, (F,), keep what they have, others get what is left.
    """
    chain = asks(problem.fleet)
    limit = problem.pieces.served_rps if limit_rps is None else limit_rps
    bounds = Bounds(limit, chain, bools(np.zeros(len(routing), dtype=bool)) if first is None else first)
    sound = viable(problem, usable, chain)
    # Load stays where calls were in vain before, for that is no news; none goes there anew.
    news = chain.of(shed_share(problem.standing) < 1 - TINY_SHARE)
    good = enduring(problem, routing, usable, sound, news)
    now = admitted(problem, rerouted(problem, routing, good, sound, np.zeros(len(routing)), bounds), bounds)
    was = shed_share(routing) if stood is None else np.minimum(shed_share(routing), shed_share(stood))
    for _ in range(AGAIN):
        turned_away = np.maximum(shed_share(now) - was, 0.0)
        if not (turned_away > TINY_SHARE).any():
            break
        # What was refused for the sake of one full backend may fit where a whole chain has room.
        room = usable & (Paths.of(problem, now).load(_entering(problem), chain) < limit * NEARLY)
        open_now = viable(problem, sound & room, chain)
        if not (turned_away[problem.routes.flow] * open_now[problem.routes.backend] > TINY_SHARE).any():
            break
        # Not all that may be tried: what callers bring along may cost more elsewhere than what is let in is worth.
        tries = (turned_away, np.where(callers(problem.fleet), 0.0, turned_away))
        again = (admitted(problem, rerouted(problem, now, good, open_now, some, bounds), bounds) for some in tries)
        refused = refused_usd(problem, now)
        better = next((routing for routing in again if refused_usd(problem, routing) < refused), None)
        if better is None:
            break
        now = better
    return now


def refused_usd(problem: Problem, routing: Routing) -> float:
    """$/h of what a routing refuses."""
    return float(problem.shed_usd @ loads(problem, routing).shed_rps)


def shed_share(routing: Routing) -> Floats:
    """(F,) refused part of each flow."""
    refused = routing.column == routing.columns - 1
    return _sums(routing.row[refused], routing.share[refused], len(routing))


def rerouted(
    problem: Problem, routing: Routing, good: Bools, open_now: Bools, reopened: Floats, bounds: Bounds
) -> Routing:
    """Every share that is not on a route to `good` backends, and (F,) `reopened` of what is shed, on routes to
    `open_now` ones, (B,) both, as far as there is room.

    A flow that enters from outside is shed where there is none. One that is called moves on from where its callers
    bring more than there is room for, and where there is none anywhere it overfills what it has, in proportion: its
    callers are who has to be refused, by `admitted`.
    """
    fleet, routes = problem.fleet, problem.routes
    route = problem.route_of(routing.row, routing.column)
    stays = np.flatnonzero(route >= 0)
    stays = stays[good[routes.backend[route[stays]]]]
    share = np.zeros(len(routes))
    share[route[stays]] = routing.share[stays]
    held = _sums(routes.flow, share, len(routing)) + shed_share(routing) - reopened
    homeless = np.where(held < 1 - TINY_SHARE, 1 - held, 0.0)
    if not homeless.any():
        return routing
    share = _housed(problem, share, homeless, open_now, bounds)
    flows = np.arange(len(routing))
    shed = np.maximum(1 - _sums(routes.flow, share, len(routing)), 0.0)
    return from_triplets(
        np.concatenate([routes.flow, flows]),
        np.concatenate([routes.cluster, np.full(len(flows), fleet.shed)]),
        np.concatenate([share, shed]),
        (len(routing), routing.columns),
    )


def _housed(problem: Problem, share: Floats, homeless: Floats, good: Bools, bounds: Bounds) -> Floats:
    """(X,) shares with the (F,) homeless parts in them, level by level of the call graph."""
    fleet, routes, limit, chain = problem.fleet, problem.routes, bounds.rps, bounds.chain
    level = fleet.depth()[fleet.flows.service]
    inner = np.zeros(len(fleet.services), dtype=bool)
    inner[fleet.calls.child] = True
    crosses, free = crossings(fleet, routes.flow, routes.cluster), shared_limits(fleet).most
    called = np.zeros(len(fleet.flows))
    share, homeless = share.copy(), homeless.copy()
    taken, offered = np.flatnonzero(share > 0), np.flatnonzero(good[routes.backend])
    for now in range(int(level.max(initial=0)) + 1):
        here = level == now
        demand = np.where(here, problem.external_rps + called, 0.0)
        used = taken[here[routes.flow[taken]]]
        excess = _excess(problem, used, share[used], demand, bounds) * ((called > 0) & ~bounds.first)[routes.flow[used]]
        share[used] -= excess
        homeless += _sums(routes.flow[used], excess, len(homeless))
        rps = share[used] * demand[routes.flow[used]]
        room = np.maximum(limit - _sums(routes.backend[used], rps, len(limit)), 0.0)
        free = floats(np.maximum(free - crosses.of(used).taken(rps), 0.0))
        want = offered[(here & (homeless > 0))[routes.flow[offered]]]
        new = want[share[want] == 0]
        placed = _filled(problem, want, homeless, demand, room, free, crosses)
        left = np.maximum(homeless - _sums(routes.flow[want], placed, len(homeless)), 0.0)
        stays = excess * _part(left, _sums(routes.flow[used], excess, len(left)))[routes.flow[used]]
        share[used] += stays
        left = np.maximum(left - _sums(routes.flow[used], stays, len(left)), 0.0) * inner[fleet.flows.service]
        share[want] += placed + _crammed(problem, want, left, share[want] + placed)
        mine = np.concatenate([used, new[share[new] > 0]])
        rps = share[mine] * demand[routes.flow[mine]]
        served = _sums(routes.backend[mine], rps, len(limit))
        called += _sums(chain.flow, chain.per_request * served[chain.backend], len(called))
    return share


def _excess(problem: Problem, route: Ints, share: Floats, demand: Floats, bounds: Bounds) -> Floats:
    """(len(route),) what of each share is more than its backend has room for."""
    routes, limit = problem.routes, bounds.rps
    load = _sums(routes.backend[route], share * demand[routes.flow[route]], len(limit))
    over = load > limit * (1 + TINY_SHARE) + TINY_RPS
    return share * np.where(over, 1 - _part(limit, load), 0.0)[routes.backend[route]]


def _part(some: Floats, of: Floats) -> Floats:
    """One as a part of another, at most 1; 0 of nothing."""
    return np.minimum(np.divide(some, of, out=np.zeros_like(of), where=of > 0), 1.0)


def _filled(
    problem: Problem, route: Ints, homeless: Floats, demand: Floats, room: Floats, free: Floats, crosses: Crossings
) -> Floats:
    """(len(route),) shares: in round k every flow offers what is left to its k-th cheapest route.

    Backends, and limits that routes share, take the same fraction of all offers of a round. Higher priorities go first.
    """
    routes, fleet = problem.routes, problem.fleet
    order = np.lexsort((routes.usd[route], routes.flow[route]))
    x = route[order]
    flow, backend, crossed = routes.flow[x], routes.backend[x], crosses.of(x)
    rank = np.arange(len(x)) - np.searchsorted(flow, flow)
    # Only these limits are shared by services, so only there one priority may stand in the way of another.
    priority = fleet.services.priority[fleet.flows.service[flow]] * crossed.any().any()
    placed, left = np.zeros(len(x)), homeless.copy()
    for kind in np.unique(priority)[::-1].tolist():
        mine = priority == kind
        for k in range(int(rank.max(initial=-1)) + 1):
            entry = np.flatnonzero(mine & (rank == k) & (left[flow] > TINY_SHARE))
            if not len(entry) and not (left[flow[mine]] > TINY_SHARE).any():
                break
            b, f, c = backend[entry], flow[entry], crossed.of(entry)
            offer = left[f] * demand[f]
            offered, over = _sums(b, offer, len(room)), c.taken(floats(offer))
            fits = np.minimum(1.0, room / np.where(offered > 0, offered, 1.0))[b]
            fits = np.minimum(fits, c.least(floats(np.minimum(1.0, free / np.where(over > 0, over, 1.0)))))
            placed[entry] = left[f] * fits
            left[f] -= placed[entry]
            room = np.maximum(room - _sums(b, offer * fits, len(room)), 0.0)
            free = floats(np.maximum(free - c.taken(floats(offer * fits)), 0.0))
    back = np.empty(len(x))
    back[order] = placed
    return back


def _crammed(problem: Problem, route: Ints, left: Floats, share: Floats) -> Floats:
    """(len(route),) what is `left` of called flows, (F,), in proportion to what they have, else on the first route."""
    flow = problem.routes.flow[route]
    if not (left[flow] > TINY_SHARE).any():
        return np.zeros(len(route))
    weight = share + np.where(np.diff(flow, prepend=-1) > 0, TINY_SHARE, 0.0)
    total = _sums(flow, weight, len(left))
    return np.asarray(left[flow] * weight / np.maximum(total[flow], 1e-300), dtype=np.float64)


def admitted(problem: Problem, routing: Routing, bounds: Bounds) -> Routing:
    """The routing with enough of what enters from outside refused that no backend is above its bound, and no gateway or
    link above what it passes. Class by class: a lower priority gets what the higher ones leave, and all of them what
    the flows leave that go first, which are not refused.

    What is called and comes in from outside as well is refused once: its callers that are refused bring less along.
    """
    fleet, paths, limit_rps, chain = problem.fleet, Paths.of(problem, routing), bounds.rps, bounds.chain
    most = shared_limits(fleet).most
    entering = _entering(problem)
    load = paths.load(entering, chain)
    if not (_over(load, limit_rps) or _over(paths.taken, most)):
        return routing
    # What a mesh refuses it refuses to callers too, so a flow counts as high as the highest of those who call it.
    priority = inherited(fleet.services.priority, fleet.calls)[fleet.flows.service]
    priority = np.where(bounds.first, np.inf, priority)
    door = fleet.services.exposed[fleet.flows.service] & ~bounds.first
    was, was_taken = np.zeros(len(load)), np.zeros(len(most))
    for kind in np.unique(priority)[::-1].tolist():
        external = np.where(priority >= kind, entering, 0.0)
        load = paths.load(external, chain)
        if _over(load, limit_rps) or _over(paths.taken, most):
            factors = _factor(limit_rps, was, load), _factor(most, was_taken, paths.taken)
            least = tightest(paths, *factors, chain, len(fleet.flows))
            part = np.where((door & (priority == kind))[paths.row], least, 1.0)
            load = paths.narrowed(floats(part), external, chain)
        was, was_taken = load, paths.taken
    return paths.routing(routing)


def spare_rps(problem: Problem, measured: Bools, trust: float, now_rps: Floats | None = None) -> Floats:
    """(B,) load that a receiver may be brought to: what it serves, or `trust` of it where nobody measured its capacity.

    Where replicas follow load that is what the most of them serve, or the ready ones if others take time to start.

    What stands above it already is not cut: an evacuation refuses nobody whom it does not move. But where less stands
    by now, (B,) `now_rps`, no more than that is kept.
    """
    capacity = problem.pieces.served_rps * np.where(measured, 1.0, trust)
    standing = loads(problem, problem.standing).backend_rps
    standing = standing if now_rps is None else np.minimum(standing, now_rps)
    return floats(np.where(problem.capacity_rps > 0, np.maximum(capacity, standing), 0.0))


def _entering(problem: Problem) -> Floats:
    """(F,) demand from outside, without the little that flows are solved with which nobody uses."""
    return np.where(problem.external_rps > DEMAND_FLOOR_RPS, problem.external_rps, 0.0)


def _over(load: Floats, limit: Floats) -> bool:
    return bool((load > limit * (1 + TINY_SHARE) + TINY_RPS).any())


def _factor(limit: Floats, before: Floats, now: Floats) -> Floats:
    """How much of what a class adds there is room for."""
    fits = np.clip((limit - before) / np.maximum(now - before, TINY_RPS), 0.0, 1.0)
    return np.where(now > limit, fits, 1.0)


def _sums(row: Ints, values: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(row, weights=values, minlength=count), dtype=np.float64)
