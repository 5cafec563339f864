"""What was refused is let in as soon as there is room for it: nobody is moved by that, so no step has to be small."""

import numpy as np

from placement.chains import asks, viable
from placement.columns import Floats, bools
from placement.cost import free_rps, loads
from placement.evacuation import Bounds, rerouted, shed_share
from placement.guard import TINY_RPS, between, transits
from placement.problem import Problem
from placement.routing import Routing

TINY_SHARE = 1e-6


def readmitted(problem: Problem, planned: Routing, routing: Routing) -> Routing:
    """The routing with as much of what it refuses and `planned` does not as fits into the target utilization.

    It fits however the meshes follow: what stands, all that the routing adds to it, and what is let in on top.
    """
    again = np.maximum(shed_share(routing) - shed_share(planned), 0.0)
    if not (again > TINY_SHARE).any():
        return routing
    chain, everything = asks(problem.fleet), problem.capacity_rps >= 0
    open_now = viable(problem, problem.capacity_rps > 0, chain)
    bounds = Bounds(free_rps(problem), chain, bools(np.ones(len(routing), dtype=bool)))
    fuller = rerouted(problem, routing, everything, open_now, again, bounds)
    part = _fitting(problem, routing, fuller)
    return between(problem, routing, fuller, part) if part.any() else routing


def let_in_rps(problem: Problem, before: Routing, after: Routing) -> float:
    """Requests/s that one routing refuses and another does not."""
    return float((loads(problem, before).shed_rps - loads(problem, after).shed_rps).sum())


def _fitting(problem: Problem, routing: Routing, fuller: Routing) -> Floats:
    """(F,) how far from one routing to a fuller one, the same for all services that share limits."""
    standing_rps, added_rps, _ = transits(problem, problem.standing, routing)
    _, more_rps, _ = transits(problem, routing, fuller)
    room = free_rps(problem) - standing_rps - added_rps
    part = np.where(more_rps > TINY_RPS, np.clip(room / np.maximum(more_rps, TINY_RPS), 0.0, 1.0), 1.0)
    label = problem.fleet.applications()
    whole = np.ones(int(label.max(initial=-1)) + 1)
    np.minimum.at(whole, label[problem.fleet.backends.service], part)
    return np.asarray(whole[label[problem.fleet.flows.service]], dtype=np.float64)
