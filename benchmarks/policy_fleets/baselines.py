"""The baselines of the study in every configuration, and its lower bound."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.policy_fleets.demand import Slots
from benchmarks.policy_fleets.fleets import Model
from benchmarks.policy_fleets.instances import Instance
from placement.callgraph import call_depth
from placement.columns import Floats, bools, floats
from placement.demand import total_demand
from placement.fleet import Calls
from placement.policies.loaded import cost_greedy, proportional, value_greedy, waterfall
from placement.policies.proximity import latency_greedy, local
from placement.problem import DEMAND_FLOOR_RPS, Prices, Problem
from placement.routing import Routing, from_dense
from placement.solve.routing import build, optimum, solve_routing

LIMITS = (0.7, 0.8, 0.9)
RTT_LIMIT_MS = {"web": 150.0, "api": 100.0, "llm": np.inf}
STATIC_QUANTILE = 0.9

Policy = Callable[[Problem], Routing]


def in_the_data_plane(instance: Instance) -> dict[str, Policy]:
    """Every configuration that sees the true demand at once."""
    far = floats([RTT_LIMIT_MS[kind] for kind in instance.kind])
    near = bools(instance.same_continent)
    policies: dict[str, Policy] = {
        "local": local,
        "latency-greedy": latency_greedy,
        "proportional(world)": proportional,
        "proportional(continent)": partial(proportional, within=near),
    }
    for limit in LIMITS:
        policies[f"waterfall({limit})"] = partial(waterfall, limit=limit)
        policies[f"cost-greedy({limit})"] = partial(cost_greedy, limit=limit, rtt_limit_ms=far)
        policies[f"value-greedy({limit})"] = partial(value_greedy, limit=limit)
    return policies


def static(model: Model, day_rps: Floats, quantile: float | None) -> Routing:
    """One routing for all of a (T, A, O) day: the optimiser's at the mean, or at every flow's quantile."""
    rps = day_rps.mean(axis=0) if quantile is None else np.quantile(day_rps, quantile, axis=0)
    return hull_optimum(model.problem(rps, prices=Prices(churn_ratio=0.0)))


def surviving(routing: Routing, survivors: Model) -> Routing:
    """A routing without the backends that are gone, renormalised over the others; SHED where there are none."""
    there = survivors.instance.replicas_max[survivors.fleet.flows.service] > 0
    dense = routing.dense().copy()
    dense[:, :-1] *= there
    dense[dense.sum(axis=1) <= 0, -1] = 1.0
    return from_dense(dense / dense.sum(axis=1, keepdims=True))


def hull_optimum(problem: Problem) -> Routing:
    """The LP with the call graph: optimal on the hulls of site costs, not refined."""
    return solve_routing(replace(problem, curve=None)).routing


def blind_optimum(problem: Problem) -> Routing:
    """The LP without the call graph: service by service from the root down, each blind to its children."""
    fleet = problem.fleet
    depth = call_depth(len(fleet.services), fleet.calls)
    none = Calls(fleet.calls.parent[:0], fleet.calls.child[:0], fleet.calls.per_request[:0])
    apart = replace(fleet, calls=none)
    routing = problem.standing
    for _ in range(int(depth.max(initial=0)) + 1):
        demand = np.maximum(total_demand(fleet, problem.external_rps, routing), DEMAND_FLOOR_RPS)
        routing = hull_optimum(replace(problem, fleet=apart, external_rps=floats(demand)))
    return routing


def bound(model: Model, slots: Slots) -> float:
    """$/day that no policy undercuts: the hulls' optimum at true demand, plus what idle replicas cost.

    Hulls are of chords between the grid of placement/sitecost.py, which exceed a convex piece by less than 0.1 %.
    """
    base = model.problem(slots.demand_rps[0], prices=Prices(churn_ratio=0.0))
    instance = model.instance
    idle = float((instance.replica_usd * np.minimum(1.0, instance.replicas_max)).sum())
    least = []
    for rps in slots.demand_rps:
        convex = replace(base, external_rps=model.external_rps(rps), curve=None)
        least.append(optimum(convex, build(convex)).objective)
    return 24 * (float(slots.weight @ np.array(least)) + idle)
