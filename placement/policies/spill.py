"""Weights with a spill below them: what a data plane makes of a routing when a backend it names is full.

Weights are a minute old and a flash crowd is not, so the data plane gets an order of standbys under its weights: load
above a limit of each backend goes to the cheapest backends with room, at once. This is what priorities with circuit
breakers or load reports do; like the waterfall's, its knowledge of load is taken to be instant.
"""

import numpy as np

from placement.columns import Floats
from placement.cost import loads
from placement.policies.hops import Hop, descend, fill
from placement.problem import Problem
from placement.routing import Routing, blend

LEAST = 0.8
"""Nothing spills below this part of what a backend serves."""


def spill_rps(problem: Problem) -> Floats:
    """(B,) load above which a backend should spill: where one more request costs more there, in waiting, than its
    compute would elsewhere. All that it serves where site costs are exact pieces: those price their headroom already.
    """
    most, scaler = problem.pieces.served_rps, problem.fleet.scaler
    if problem.curve is None or scaler is None:
        return most
    cheap = np.clip(problem.curve.load_within(0.0), LEAST * most, most)
    return np.where(scaler.follows, cheap, most)


def with_spill(problem: Problem, planned: Routing, limit_rps: Floats) -> Routing:
    """The routing that a planned one becomes under the demand of the problem; `limit_rps` (B,) see `spill_rps`.

    Over-full backends keep the same part of everybody's load; the rest walks the other routes, cheapest first by
    compute + egress + value of latency, first to their limits and then to all that they serve. What finds no room
    anywhere is sent as planned, to be refused there. What the plan refuses is let in while no backend of the
    application is over-full for it: a plan that refuses at the door protects those further down.
    """
    closed = _placed(problem, planned, limit_rps, let_in=False)
    if not (planned.column == problem.fleet.shed).any():
        return closed
    opened = _placed(problem, planned, limit_rps, let_in=True)
    fleet = problem.fleet
    label = fleet.applications()
    over = loads(problem, opened).backend_rps > problem.pieces.served_rps * (1 + 1e-9)
    full = np.bincount(label[fleet.backends.service], weights=over, minlength=int(label.max()) + 1) > 0
    return blend(closed, opened, (~full[label[fleet.flows.service]]).astype(np.float64))


def _placed(problem: Problem, planned: Routing, limit_rps: Floats, let_in: bool) -> Routing:
    """The spill, with or without the load that the plan refuses."""
    routes, most = problem.routes, problem.pieces.served_rps
    share = np.asarray(planned.matrix()[routes.flow, routes.cluster]).ravel()

    def rule(hop: Hop) -> Floats:
        rps = hop.demand_rps[hop.flow] * share[hop.route]
        meant = hop.demand_rps if let_in else hop.by_flow(rps)
        load = hop.by_backend(rps)
        stays = rps * np.minimum(1.0, limit_rps / np.where(load > 0, load, 1.0))[hop.backend]
        for room in (limit_rps, most):
            left = np.maximum(meant - hop.by_flow(stays), 0.0)
            taken, _ = fill(hop, left, np.maximum(room - hop.by_backend(stays), 0.0), routes.usd[hop.route])
            stays = stays + taken
        nowhere = np.maximum(meant - hop.by_flow(stays), 0.0)
        return np.asarray(stays + hop.in_proportion(rps, nowhere), dtype=np.float64)

    return descend(problem, rule)
