"""The standby trickle: a small part of what clients ask goes to the place that would take over, all the time.

A standby that serves nothing goes stale unseen: certificates expire, caches empty, firewalls change. With a trickle its
clients, its capacity and its errors are measured like everything else, and a loss finds it warm.
"""

import numpy as np

from placement.columns import Ints, ints
from placement.cost import loads
from placement.problem import DEMAND_FLOOR_RPS, Problem
from placement.routing import Routing, from_triplets


def trickled(problem: Problem, routing: Routing, ratio: float) -> Routing:
    """The routing with `ratio` of every flow that stands on one cluster alone given to its next best one.

    Only flows that clients enter: what those call goes where they are served. Nothing where there is no other offered
    route, or none with room below the utilization that the service plans for.
    """
    flow, cluster = _standbys(problem, routing, ratio) if ratio else (ints([]), ints([]))
    if not len(flow):
        return routing
    part = np.zeros(len(routing))
    part[flow] = ratio
    return from_triplets(
        np.concatenate([routing.row, flow]),
        np.concatenate([routing.column, cluster]),
        np.concatenate([routing.share * (1 - part[routing.row]), np.full(len(flow), ratio)]),
        (len(routing), routing.columns),
    )


def _standbys(problem: Problem, routing: Routing, ratio: float) -> tuple[Ints, Ints]:
    """(flow, cluster) of the trickles to add."""
    fleet, routes, made = problem.fleet, problem.routes, loads(problem, routing)
    asked = fleet.services.exposed[fleet.flows.service] & (problem.external_rps > 2 * DEMAND_FLOOR_RPS)
    alone = asked & (np.diff(routing.row_start) == 1)
    only = routing.column[routing.row_start[:-1]]
    target = fleet.services.utilization_target[fleet.backends.service] * problem.capacity_rps
    room = target - made.backend_rps
    takes = ratio * made.demand_rps[routes.flow] <= room[routes.backend]
    good = np.flatnonzero(alone[routes.flow] & (routes.cluster != only[routes.flow]) & takes)
    good = good[np.lexsort((routes.cluster[good], routes.usd[good], routes.flow[good]))]
    first = good[np.unique(routes.flow[good], return_index=True)[1]]
    return routes.flow[first], routes.cluster[first]
