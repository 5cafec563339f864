"""What the routing saved against policies that people run, on the hours as they were, and where the saving is from."""

from collections.abc import Callable
from typing import Any

import numpy as np

from placement.columns import Floats
from placement.cost import COMPONENTS, evaluate, loads
from placement.policies.loaded import cost_greedy, value_greedy, waterfall
from placement.policies.proximity import latency_greedy, local, locality_failover
from placement.problem import Problem
from placement.routing import Routing
from scheduler.reports.cost import FORMAT, header
from scheduler.reports.gather import Gathered
from scheduler.reports.replay import Hour, Replay

Json = dict[str, Any]
OURS = "equipoise"
BASELINES: dict[str, Callable[[Problem], Routing]] = {
    "nearest": local,
    "locality-failover": lambda problem: locality_failover(problem, np.where(problem.capacity_rps > 0, 1.0, 0.0)),
    "latency-greedy": latency_greedy,
    "waterfall": waterfall,
    "cost-greedy": cost_greedy,
    "value-greedy": value_greedy,
}
WEIGHED = tuple(name for name in COMPONENTS if name != "churn")
"""Moving to a policy would cost once; each is priced as if it had stood all along."""


def savings_report(found: Gathered, replay: Replay) -> Json:
    """$/h of each policy, mean over the replayed hours, and what ours saved of it by component."""
    made = {OURS: [_priced(hour, hour.routing) for hour in replay.hours]}
    for name, rule in BASELINES.items():
        made[name] = [_priced(hour, rule(hour.problem)) for hour in replay.hours]
    mean = {name: {k: float(np.mean([row[k] for row in rows])) for k in rows[0]} for name, rows in made.items()}
    ours = mean[OURS]
    best = min(BASELINES, key=lambda name: mean[name]["objective"])
    return {
        "format_version": FORMAT,
        "report": "savings",
        **header(found, replay.about),
        "replayed_hours": len(replay.hours),
        "unit": "USD/h, mean over the replayed hours; p95_ms is the round trip of requests",
        "policies": [{"policy": name} | {k: round(v, 6) for k, v in row.items()} for name, row in mean.items()],
        "saved": [_saved(name, ours, mean[name]) for name in BASELINES],
        "best_baseline": best,
        "saving_vs_best_ratio": round(1 - ours["objective"] / max(mean[best]["objective"], 1e-12), 6),
    }


def _saved(name: str, ours: dict[str, float], theirs: dict[str, float]) -> Json:
    """What ours saved against one policy."""
    parts = {part: round(theirs[part] - ours[part], 6) for part in WEIGHED if abs(theirs[part] - ours[part]) > 1e-9}
    billed = theirs["billed"] - ours["billed"]
    return {
        "policy": name,
        "billed_usd_per_hour": round(billed, 6),
        "billed_usd_per_month": round(billed * 730, 2),
        "objective_usd_per_hour": round(theirs["objective"] - ours["objective"], 6),
        "from": parts,
        "p95_ms_difference": round(theirs["p95_ms"] - ours["p95_ms"], 3),
        "refused_ratio_difference": round(theirs["refused_ratio"] - ours["refused_ratio"], 9),
    }


def _priced(hour: Hour, routing: Routing) -> dict[str, float]:
    """Dollars an hour of a routing, and what users saw of it."""
    problem = hour.problem
    cost, made = evaluate(problem, routing), loads(problem, routing)
    over = np.maximum(made.backend_rps - problem.pieces.served_rps, 0.0).sum()
    refused = float(made.shed_rps.sum() + over) / max(float(made.demand_rps.sum()), 1e-12)
    parts = {name: float(getattr(cost, name)) for name in WEIGHED}
    return parts | {
        "billed": cost.billed_usd_per_hour,
        "objective": cost.objective_usd_per_hour - cost.churn,
        "p95_ms": p95_ms(problem, routing),
        "refused_ratio": refused,
    }


def p95_ms(problem: Problem, routing: Routing) -> float:
    """Round trip that 95 % of the requests stay within, those that are refused left out; 0 where there are none."""
    fleet, demand = problem.fleet, loads(problem, routing).demand_rps
    sent = routing.column != fleet.shed
    origin = fleet.flows.origin[routing.row[sent]]
    rtt = fleet.network.rtt_ms[origin, routing.column[sent]]
    rps: Floats = (demand[routing.row] * routing.share)[sent]
    order = np.argsort(rtt, kind="stable")
    running = np.cumsum(rps[order])
    if not len(running) or running[-1] <= 0:
        return 0.0
    return float(rtt[order][np.searchsorted(running, 0.95 * running[-1])])
