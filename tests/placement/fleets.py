"""Small random problems for the tests of this package."""

import numpy as np

from benchmarks.fleets import synthetic
from placement.baseline import nearest
from placement.columns import bools, floats
from placement.fleet import Fleet
from placement.problem import Prices, Problem, formulate
from placement.readings import Readings, Snapshot
from placement.routing import Routing, from_dense


def snapshot_of(fleet: Fleet, readings: Readings, routing: Routing | None = None) -> Snapshot:
    """Everything up and warm."""
    all_of = np.ones(len(fleet.backends))
    return Snapshot(0.0, readings, routing or nearest(fleet), bools(all_of), floats(all_of))


def problem_of(seed: int, services: int = 5, clusters: int = 4, load: float = 0.55) -> Problem:
    """A synthetic problem whose standing routing is random among lawful routes."""
    fleet, readings = synthetic(services, clusters, seed, load)
    base = formulate(fleet, snapshot_of(fleet, readings), Prices())
    return formulate(fleet, snapshot_of(fleet, readings, random_routing(base, seed)), Prices())


def random_routing(problem: Problem, seed: int) -> Routing:
    """Random shares over the offered routes; SHED where a flow has none."""
    rng = np.random.default_rng(seed)
    shares = np.zeros((len(problem.fleet.flows), problem.fleet.shed + 1))
    shares[problem.routes.flow, problem.routes.cluster] = rng.random(len(problem.routes)) * (
        rng.random(len(problem.routes)) < 0.6
    )
    shares[shares.sum(axis=1) == 0, problem.fleet.shed] = 1.0
    return from_dense(shares / shares.sum(axis=1, keepdims=True))
