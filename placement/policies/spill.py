"""Weights with a spill below them: what a data plane makes of a routing when a backend it names is full.

Weights are a minute old and a flash crowd is not, so the data plane gets an order of standbys under its weights: load
above a limit of each backend goes to the cheapest backends with room, at once. This is what priorities with circuit
breakers or load reports do; like the waterfall's, its knowledge of load is taken to be instant.
"""

import numpy as np

from placement.columns import Floats
from placement.policies.hops import Hop, descend, fill
from placement.problem import Problem
from placement.routing import Routing

LEAST = 0.8
"""Nothing spills below this part of what a backend serves."""


def spill_rps(problem: Problem) -> Floats:
    """(B,) load above which a backend should spill: where one more request costs more there, in waiting, than its
    compute would elsewhere. All that it serves where site costs are exact pieces: those price their headroom already.
    """
    most = problem.pieces.served_rps
    if problem.curve is None:
        return most
    return np.asarray(np.clip(problem.curve.load_within(0.0), LEAST * most, most), dtype=np.float64)


def with_spill(problem: Problem, planned: Routing, limit_rps: Floats) -> Routing:
    """The routing that a planned one becomes under the demand of the problem; `limit_rps` (B,) see `spill_rps`.

    Over-full backends keep the same part of everybody's load; the rest walks the other routes, cheapest first by
    compute + egress + value of latency, first to their limits and then to all that they serve. What finds no room
    anywhere is sent as planned, to be refused there.
    """
    routes = problem.routes
    columns, most = problem.fleet.shed + 1, problem.pieces.served_rps
    matrix = planned.matrix()
    share = np.asarray(matrix[routes.flow, routes.cluster]).ravel()
    assert matrix.shape[1] == columns, "the routing is of another fleet"

    def rule(hop: Hop) -> Floats:
        rps = hop.demand_rps[hop.flow] * share[hop.route]
        load = hop.by_backend(rps)
        stays = rps * np.minimum(1.0, limit_rps / np.where(load > 0, load, 1.0))[hop.backend]
        homeless = hop.by_flow(rps - stays)
        if not homeless.any():
            return np.asarray(rps, dtype=np.float64)
        free = np.maximum(limit_rps - hop.by_backend(stays), 0.0)
        taken, _ = fill(hop, homeless, free, routes.usd[hop.route])
        stays = stays + taken
        left = np.maximum(hop.by_flow(rps) - hop.by_flow(stays), 0.0)
        waiting, _ = fill(hop, left, np.maximum(most - hop.by_backend(stays), 0.0), routes.usd[hop.route])
        nowhere = np.maximum(left - hop.by_flow(waiting), 0.0)
        return np.asarray(stays + waiting + hop.in_proportion(rps, nowhere), dtype=np.float64)

    return descend(problem, rule)
