"""What an assignment takes and costs, service by service."""

import numpy as np

from placement.assignment import AssignmentProblem
from placement.columns import Bools, Floats, Ints, floats
from placement.solve import kernels


def room_of(pool: Floats, link: Floats) -> Floats:
    """(P * R + K,) pools and links as one vector, in the order of their rows."""
    return np.concatenate([pool.ravel(), link])


def uses(problem: AssignmentProblem, replicas: Floats, route_rps: Floats) -> Floats:
    """(P * R + K,) what an answer takes of pools and links."""
    links, h = problem.links, problem.sites
    over = route_rps[links.route] * links.amount
    taken = kernels.take(replicas, h.use, h.pool, len(problem.capacity))
    return room_of(taken, floats(np.bincount(links.link, over, len(links.bandwidth))))


def part_uses(problem: AssignmentProblem, sites: Ints, replicas: Floats, routes: Ints, rps: Floats) -> Floats:
    """(P * R + K,) what some sites and routes take."""
    links, h = problem.links, problem.sites
    taken = kernels.take(replicas, h.use[sites], h.pool[sites], len(problem.capacity))
    if not len(links.route):
        return room_of(taken, np.zeros(len(links.bandwidth)))
    load = np.zeros(len(problem.routes))
    load[routes] = rps
    return room_of(taken, floats(np.bincount(links.link, load[links.route] * links.amount, len(links.bandwidth))))


def service_usd(problem: AssignmentProblem, replicas: Floats, route_rps: Floats) -> Floats:
    """(S,) $/h of each service under an assignment: replicas, starts, routes, what is refused and what losses lack."""
    pool, link = np.zeros_like(problem.capacity), np.zeros(len(problem.links.bandwidth))
    return spending(problem, problem.site_losses(), replicas, route_rps, (pool, link))[0]


def spending(
    problem: AssignmentProblem, lost: Ints, replicas: Floats, route_rps: Floats, price: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """(S,) `service_usd` and (S,) $/h that what each takes of pools and links is worth at prices (P, R) and (K,).

    `lost` is `problem.site_losses()`.
    """
    h, g, x, losses, links = problem.sites, problem.demands, problem.routes, problem.losses, problem.links
    spent, priced = np.zeros(problem.services), np.zeros(problem.services)
    wanted = g.rps
    if len(problem.calls_parent):
        route, child, calls = problem.called()
        wanted = wanted + np.bincount(child, calls * route_rps[route], len(g))
    n = np.asarray(replicas, dtype=np.float64)
    own = (h.usd_per_replica_hour, h.migration_usd, h.standing, h.rps_per_replica)
    raw = kernels.spend_sites(n, h.service, *own, h.use, h.pool, price[0], spent, priced)
    kernels.spend_routes(route_rps, x.demand, x.service, x.usd, wanted, g.service, g.shed_usd, spent)
    total, gone = kernels.standing(raw, h.service, lost, problem.services, len(losses))
    kernels.spend_losses(total, gone, losses.service, losses.survive_rps, losses.short_usd, spent)
    if len(links.route):
        over = route_rps[links.route] * links.amount * price[1][links.link]
        priced += np.bincount(x.service[links.route], over, problem.services)
    return floats(spent), floats(priced)


def by_application(problem: AssignmentProblem, usd: Floats) -> Floats:
    """(S,) the sum over each service's application."""
    _, application = np.unique(problem.block, return_inverse=True)
    return np.asarray(np.bincount(application, usd)[application])


def heavy(problem: AssignmentProblem, replicas: Floats, route_rps: Floats, over: Floats, margin: float) -> Bools:
    """(S,) the largest users of every pool and link that `over` (P * R + K,) says is overfull by so much.

    They take at least `margin` times that much of it, or are all who take any.
    """
    h, x, links, count = problem.sites, problem.routes, problem.links, problem.services
    resources, out = problem.capacity.shape[1], np.zeros(problem.services, dtype=bool)
    for cell in np.flatnonzero(over > 0):
        if cell < problem.capacity.size:
            site = np.flatnonzero(h.pool == cell // resources)
            mine = np.bincount(h.service[site], h.use[site, cell % resources] * replicas[site], count)
        else:
            passing = links.link == cell - problem.capacity.size
            route = links.route[passing]
            mine = np.bincount(x.service[route], route_rps[route] * links.amount[passing], count)
        order = np.argsort(-mine, kind="stable")
        before = np.cumsum(mine[order]) - mine[order]
        out[order[(before < margin * over[cell]) & (mine[order] > 0)]] = True
    return out
