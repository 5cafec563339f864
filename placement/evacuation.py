"""Where load goes that cannot stay: array rounds, no solver, so it fits on the failover path.

Three steps. A tier goes only where its dependencies are healthy, lawful and reachable. Every share without a home is
offered to its cheapest routes in turn, from the roots of the call graph down, and a backend takes what it has room for.
What then still exceeds the room of a backend or gateway anywhere down a chain is refused at the door where it came in,
the lowest priority first: a called service that refuses wastes the work of its callers.
"""

import numpy as np

from placement.callgraph import inherited
from placement.chains import Asks, Paths, asks, enduring, tightest, viable
from placement.columns import Bools, Floats, Ints, floats
from placement.cost import loads
from placement.crossings import Crossings, crossings, shared_limits
from placement.problem import DEMAND_FLOOR_RPS, Problem
from placement.routing import Routing, from_triplets

TINY_SHARE = 1e-9
TINY_RPS = 1e-6
AGAIN = 2
"""Times that what was refused is tried elsewhere."""
NEARLY = 0.999
"""A backend with less room than this leaves is full."""


def spill(
    problem: Problem, routing: Routing, usable: Bools, limit_rps: Floats | None = None, first: Bools | None = None
) -> Routing:
    """The routing without shares on unusable or unlawful routes, within `limit_rps` (B,) at every backend.

    The limit is what backends serve if none is given. What fits nowhere is shed, what was shed stays so. The routing
    itself where nothing is to be done. Flows that go `first`, (F,), keep what they have, others get what is left.
    """
    chain = asks(problem.fleet)
    limit = problem.pieces.served_rps if limit_rps is None else limit_rps
    sound = viable(problem, usable, chain)
    # Load stays where calls were in vain before, for that is no news; none goes there anew.
    news = chain.of(shed_share(problem.standing) < 1 - TINY_SHARE)
    good = enduring(problem, routing, usable, sound, news)
    placed = rerouted(problem, routing, good, sound, np.zeros(len(routing)), limit, chain)
    now = admitted(problem, placed, limit, chain, first)
    for _ in range(AGAIN):
        turned_away = np.maximum(shed_share(now) - shed_share(routing), 0.0)
        if not (turned_away > TINY_SHARE).any():
            break
        # What was refused for the sake of one full backend may fit where a whole chain has room.
        room = usable & (Paths.of(problem, now).load(_entering(problem), chain) < limit * NEARLY)
        open_now = viable(problem, sound & room, chain)
        now = admitted(problem, rerouted(problem, now, good, open_now, turned_away, limit, chain), limit, chain, first)
    return now


def shed_share(routing: Routing) -> Floats:
    """(F,) refused part of each flow."""
    refused = routing.column == routing.columns - 1
    return _sums(routing.row[refused], routing.share[refused], len(routing))


def rerouted(
    problem: Problem, routing: Routing, good: Bools, open_now: Bools, reopened: Floats, limit: Floats, chain: Asks
) -> Routing:
    """Every share that is not on a route to `good` backends, and (F,) `reopened` of what is shed, on routes to
    `open_now` ones, (B,) both, as far as there is room.

    A flow that enters from outside is shed where there is none. One that is called overfills what it has, in
    proportion: its callers are who has to be refused, by `admitted`.
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
    share = _housed(problem, share, homeless, open_now, limit, chain)
    flows = np.arange(len(routing))
    shed = np.maximum(1 - _sums(routes.flow, share, len(routing)), 0.0)
    return from_triplets(
        np.concatenate([routes.flow, flows]),
        np.concatenate([routes.cluster, np.full(len(flows), fleet.shed)]),
        np.concatenate([share, shed]),
        (len(routing), routing.columns),
    )


def _housed(problem: Problem, share: Floats, homeless: Floats, good: Bools, limit: Floats, chain: Asks) -> Floats:
    """(X,) shares with the (F,) homeless parts in them, level by level of the call graph."""
    fleet, routes = problem.fleet, problem.routes
    level = fleet.depth()[fleet.flows.service]
    inner = np.zeros(len(fleet.services), dtype=bool)
    inner[fleet.calls.child] = True
    crosses, free = crossings(fleet, routes.flow, routes.cluster), shared_limits(fleet).most
    called = np.zeros(len(fleet.flows))
    share = share.copy()
    taken = np.flatnonzero(share > 0)
    offered = np.flatnonzero(good[routes.backend] & (homeless > 0)[routes.flow])
    for now in range(int(level.max(initial=0)) + 1):
        here = level == now
        demand = np.where(here, problem.external_rps + called, 0.0)
        used = taken[here[routes.flow[taken]]]
        rps = share[used] * demand[routes.flow[used]]
        room = np.maximum(limit - _sums(routes.backend[used], rps, len(limit)), 0.0)
        free = floats(np.maximum(free - crosses.of(used).taken(rps), 0.0))
        want = offered[here[routes.flow[offered]]]
        new = want[share[want] == 0]
        if len(want):
            placed = _filled(problem, want, homeless, demand, room, free, crosses)
            left = homeless - _sums(routes.flow[want], placed, len(homeless))
            left = np.where(inner[fleet.flows.service], np.maximum(left, 0.0), 0.0)
            share[want] += placed + _crammed(problem, want, left, share[want] + placed)
        mine = np.concatenate([used, new[share[new] > 0]])
        rps = share[mine] * demand[routes.flow[mine]]
        served = _sums(routes.backend[mine], rps, len(limit))
        called += _sums(chain.flow, chain.per_request * served[chain.backend], len(called))
    return share


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


def admitted(problem: Problem, routing: Routing, limit_rps: Floats, chain: Asks, first: Bools | None = None) -> Routing:
    """The routing with enough of what enters from outside refused that no backend is above `limit_rps`, (B,), and no
    gateway or link above what it passes. Class by class: a lower priority gets what the higher ones leave, and all of
    them what the flows leave that go `first`, (F,), which are not refused.
    """
    fleet, paths = problem.fleet, Paths.of(problem, routing)
    most = shared_limits(fleet).most
    entering = _entering(problem)
    load = paths.load(entering, chain)
    if not (_over(load, limit_rps) or _over(paths.taken, most)):
        return routing
    # What a mesh refuses it refuses to callers too, so a flow counts as high as the highest of those who call it.
    priority = inherited(fleet.services.priority, fleet.calls)[fleet.flows.service]
    door = fleet.services.exposed[fleet.flows.service]
    if first is not None:
        priority, door = np.where(first, np.inf, priority), door & ~first
    was, was_taken = np.zeros(len(load)), np.zeros(len(most))
    for kind in np.unique(priority)[::-1].tolist():
        external = np.where(priority >= kind, entering, 0.0)
        load = paths.load(external, chain)
        if _over(load, limit_rps) or _over(paths.taken, most):
            factors = _factor(limit_rps, was, load), _factor(most, was_taken, paths.taken)
            least = tightest(paths, *factors, chain, len(fleet.flows))
            paths.share *= np.where((door & (priority == kind))[paths.row], least, 1.0)
            load = paths.load(external, chain)
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
