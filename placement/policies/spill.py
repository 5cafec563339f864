"""Weights with a spill below them: what a data plane makes of a routing when a backend it names is full.

Weights are a minute old and a flash crowd is not, so the data plane gets an order of standbys under its weights: load
above `limit` of a backend's capacity goes to the cheapest backends with room, at once. This is what priorities with
circuit breakers or load reports do; like the waterfall's, its knowledge of load is taken to be instant.
"""

import numpy as np

from placement.columns import Floats
from placement.policies.hops import Hop, descend, fill
from placement.problem import Problem
from placement.routing import Routing

LIMIT = 0.95


def with_spill(problem: Problem, planned: Routing, limit: Floats | float = LIMIT) -> Routing:
    """The routing that results from a planned one under the demand of the problem; `limit` per backend or one for all.

    Over-full backends keep the same part of everybody's load; the rest walks the other routes, cheapest first by
    compute + egress + value of latency. What finds no room anywhere stays where it was sent.
    """
    routes = problem.routes
    columns = problem.fleet.shed + 1
    matrix = planned.matrix()
    share = np.asarray(matrix[routes.flow, routes.cluster]).ravel()
    assert matrix.shape[1] == columns, "the routing is of another fleet"

    def rule(hop: Hop) -> Floats:
        rps = hop.demand_rps[hop.flow] * share[hop.route]
        room = limit * problem.capacity_rps
        load = hop.by_backend(rps)
        stays = rps * np.minimum(1.0, room / np.where(load > 0, load, 1.0))[hop.backend]
        homeless = hop.by_flow(rps - stays)
        if not homeless.any():
            return np.asarray(rps, dtype=np.float64)
        free = np.maximum(room - hop.by_backend(stays), 0.0)
        taken, _ = fill(hop, homeless, free, routes.usd[hop.route])
        back = hop.in_proportion(rps - stays, np.maximum(homeless - hop.by_flow(taken), 0.0))
        return np.asarray(stays + taken + back, dtype=np.float64)

    return descend(problem, rule)
