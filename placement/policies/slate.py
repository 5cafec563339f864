"""SLATE's global objective for call graphs, on our program."""

from dataclasses import replace

import numpy as np

from placement.columns import floats
from placement.problem import Problem
from placement.routing import Routing
from placement.solve.routing import solve_routing


def slate(problem: Problem) -> Routing:
    """The least latency + egress over the whole call graph: no price of compute, of refusing or of moving.

    SLATE (NSDI 2026) minimises, over flows per call-graph edge and cluster pair, latency that depends on load plus
    egress, with conservation scaled by calls per request. Its latency of a backend is a fitted convex curve; here it
    is the pieces of the problem, so that both objectives see the same backends. Where demand exceeds capacity what
    does not fit is refused, as ours would: SLATE has no such case. Raises Unsolved.
    """
    routes = replace(problem.routes, compute_usd=floats(np.zeros(len(problem.routes))))
    dearest = max(float(routes.usd.max(initial=0.0)), float(problem.pieces.usd.max(initial=0.0)), 1e-6)
    hops = len(problem.fleet.services) + 1
    alike = replace(
        problem,
        routes=routes,
        shed_usd=floats(np.full(len(problem.fleet.flows), 10 * hops * dearest)),
        churn_usd=floats(np.zeros(len(problem.fleet.flows))),
    )
    return solve_routing(alike).routing
