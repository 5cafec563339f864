"""Our side of the study: what a controller sees, what it decides with it, and what its data plane makes of that."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.policy_fleets.demand import Slots
from benchmarks.policy_fleets.fleets import Model
from placement.columns import Floats
from placement.forecast import Forecast, first_forecast, load_error, next_forecast
from placement.policies.spill import spill_rps, with_spill
from placement.problem import Prices, Problem
from placement.routing import Routing
from placement.solve.routing import solve_routing

PRICES = Prices(churn_ratio=0.0)
"""The defaults, except that the study does not charge for moving."""


def seen(slots: Slots, sigma: float, seed: int) -> Floats:
    """(N, A, O) what the controller saw: a minute old, each flow times a lognormal error."""
    noise = np.random.default_rng(seed).standard_normal(slots.seen_rps.shape)
    return np.asarray(slots.seen_rps * np.exp(sigma * noise), dtype=np.float64)


def decide(model: Model, seen_rps: Floats, standing: Routing, forecast: Forecast | None) -> tuple[Routing, Forecast]:
    """One tick: believe, price the doubt, solve."""
    rps = model.external_rps(seen_rps)
    believed = next_forecast(forecast, rps) if forecast else first_forecast(rps)
    users = model.fleet.origins.cluster[model.fleet.flows.origin] < 0
    demand = np.where(users, believed.rps, rps)
    error = load_error(model.fleet, demand, standing, np.where(users, believed.error, 0.0))
    priced = replace(model.problem(seen_rps, error, PRICES), external_rps=demand, standing=standing)
    return solve_routing(priced).routing, believed


def plan(model: Model, slots: Slots, sigma: float, seed: int) -> list[Routing]:
    """The weights of every slot. In the first minute of a surprise they are those made before it: old weights, or
    without the lost cluster the failover routing that was computed ahead.
    """
    forecast: Forecast | None = None
    standing = model.snapshot.routing
    routings: list[Routing] = []
    for look in seen(slots, sigma, seed):
        standing, forecast = decide(model, look, standing, forecast)
        routings.append(standing)
    return routings


def from_sight(
    model: Model, slots: Slots, sigma: float, seed: int, policy: Callable[[Problem], Routing]
) -> list[Routing]:
    """A policy in a controller without our lessons: it believes what it saw, and its data plane does not spill."""
    base = model.problem(slots.demand_rps[0], prices=PRICES)
    return [policy(_with_demand(base, model, rps)) for rps in seen(slots, sigma, seed)]


def spilled(model: Model, slots: Slots, routings: list[Routing]) -> list[Routing]:
    """What the data plane does with weights under the true demand: see placement/policies/spill.py."""
    base = model.problem(slots.demand_rps[0], prices=PRICES)
    limit = spill_rps(base)
    return [
        with_spill(_with_demand(base, model, rps), routing, limit)
        for rps, routing in zip(slots.demand_rps, routings, strict=True)
    ]


def at_once(model: Model, slots: Slots, policy: Callable[[Problem], Routing]) -> list[Routing]:
    """A policy in the data plane: it sees the true demand of every slot."""
    base = model.problem(slots.demand_rps[0], prices=PRICES)
    return [policy(_with_demand(base, model, rps)) for rps in slots.demand_rps]


def _with_demand(problem: Problem, model: Model, rps: Floats) -> Problem:
    return replace(problem, external_rps=model.external_rps(rps))
