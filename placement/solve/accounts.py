"""What an assignment takes and costs, service by service."""

import numpy as np

from placement.assignment import AssignmentProblem
from placement.columns import Floats, floats


def room_of(pool: Floats, link: Floats) -> Floats:
    """(P * R + K,) pools and links as one vector, in the order of their rows."""
    return np.concatenate([pool.ravel(), link])


def uses(problem: AssignmentProblem, replicas: Floats, route_rps: Floats) -> Floats:
    """(P * R + K,) what an answer takes of pools and links."""
    links = problem.links
    over = (route_rps * problem.routes.bytes_per_request)[links.route]
    return room_of(problem.pool_use(replicas), floats(np.bincount(links.link, over, len(links.bandwidth))))


def service_usd(problem: AssignmentProblem, replicas: Floats, route_rps: Floats) -> Floats:
    """(S,) $/h of each service under an assignment: replicas, starts, routes, what is refused and what losses lack."""
    h, g, x, losses, count = problem.sites, problem.demands, problem.routes, problem.losses, problem.services
    route, child, calls = problem.called()
    wanted = g.rps + np.bincount(child, calls * route_rps[route], len(g))
    refused = np.maximum(wanted - np.bincount(x.demand, route_rps, len(g)), 0.0)
    raw = replicas * h.rps_per_replica
    total = np.bincount(h.service, raw, count)
    lost = problem.site_losses()
    site, which = np.nonzero(lost >= 0)
    gone = np.bincount(lost[site, which], raw[site], len(losses))
    missing = np.maximum(losses.survive_rps - total[losses.service] + gone, 0.0)
    site_usd = h.usd_per_replica_hour * replicas + h.migration_usd * np.maximum(replicas - h.standing, 0.0)
    return floats(
        np.bincount(h.service, site_usd, count)
        + np.bincount(x.service, x.usd * route_rps, count)
        + np.bincount(g.service, g.shed_usd * refused, count)
        + np.bincount(losses.service, losses.short_usd * missing, count)
    )


def excess_usd(
    problem: AssignmentProblem, pool: Floats, link: Floats, own: Floats, replicas: Floats, route_rps: Floats
) -> Floats:
    """(S,) what each service costs, pools and links at their prices, above its part `own` of the bound: at least 0.

    Together with the value of what stands idle in priced pools, this is the certified gap. Called services' demand
    counts at their callers in the bound, so it is the application's sum that means something.
    """
    h, x, links, count = problem.sites, problem.routes, problem.links, problem.services
    priced = np.bincount(h.service, (h.use * pool[h.pool]).sum(axis=1) * replicas, count)
    over = (route_rps * x.bytes_per_request)[links.route] * link[links.link]
    priced += np.bincount(x.service[links.route], over, count)
    usd = service_usd(problem, replicas, route_rps) + priced - own
    _, application = np.unique(problem.block, return_inverse=True)
    return floats(np.bincount(application, usd)[application])
