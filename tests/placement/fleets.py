"""Small random problems for the tests of this package."""

from dataclasses import replace

import numpy as np

from benchmarks.fleets import synthetic
from placement.baseline import nearest
from placement.columns import bools, floats, ints
from placement.fleet import Calls, Fleet, reachable_flows
from placement.problem import Prices, Problem, formulate
from placement.readings import Readings, Snapshot
from placement.routing import Routing, from_dense
from placement.solve.routing import solve_routing


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


def tiered(seed: int, services: int = 6, clusters: int = 5, load: float = 0.55, gateways: bool = False) -> Problem:
    """A synthetic problem with applications of three tiers, fences, and where asked for gateways and links that
    bind.

    It stands on its optimum, so nobody is above capacity.
    """
    fleet, readings = synthetic(services, clusters, seed, load)
    rng = np.random.default_rng(seed)
    parent = np.array([s for s in range(services - 1) if s % 3 < 2])
    calls = Calls(ints(parent), ints(parent + 1), floats(rng.uniform(0.2, 1.0, len(parent))))
    exposed = bools((np.arange(services) % 3 == 0) | (rng.random(services) < 0.2))
    wanted = replace(fleet.services, exposed=exposed)
    limit, wires = np.full(clusters, np.inf), np.full(fleet.network.rtt_ms.shape, np.inf)
    if gateways:
        limit[rng.random(clusters) < 0.6] = float(readings.demand_rps.sum()) / clusters / 3
        size = float((fleet.services.request_bytes + fleet.services.response_bytes).mean())
        bound = np.random.default_rng(seed + 1).random(wires.shape) < 0.2
        wires[bound] = size * float(readings.demand_rps.sum()) / clusters**2 / 3
    flows = reachable_flows(wanted, calls, fleet.origins.cluster)
    fleet = replace(
        fleet, services=wanted, calls=calls, flows=flows, clusters=replace(fleet.clusters, gateway_rps=floats(limit)),
        network=replace(fleet.network, link_bytes=floats(wires)),
    )  # fmt: skip
    outside = exposed[flows.service] * rng.pareto(1.5, len(flows)) * float(readings.capacity_rps.mean()) / clusters / 2
    readings = replace(readings, demand_rps=floats(outside))
    base = formulate(fleet, snapshot_of(fleet, readings), Prices())
    return formulate(fleet, snapshot_of(fleet, readings, solve_routing(base).routing), Prices())
