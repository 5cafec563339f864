"""Turns and explanations as plain values, for the ledger, the API and `-o json`."""

import math
from collections.abc import Mapping

import numpy as np

from health.verdict import State as Verdict
from placement.cost import COMPONENTS, Cost, loads
from placement.explain import Explanation
from placement.fleet import Fleet, OriginId
from placement.problem import Problem
from placement.routing import Routing, RoutingView, moved_share
from placement.weights import WeightTable
from scheduler.turn import Turn

Json = dict[str, object]


def cost_summary(cost: Cost) -> Json:
    """$/h by component, with the total."""
    parts: Json = {name: round(getattr(cost, name), 6) for name in COMPONENTS}
    return parts | {
        "billed": round(cost.billed_usd_per_hour, 6),
        "total": round(cost.objective_usd_per_hour, 6),
    }


def turn_summary(turn: Turn) -> Json:
    """What the ledger keeps of a turn; the weights themselves are in its intents."""
    return {
        "turn": turn.number,
        "epoch": turn.epoch,
        "wall_s": turn.wall_s,
        "mode": str(turn.mode),
        "reason": str(turn.plan.reason),
        "detail": turn.plan.detail,
        "fraction": turn.fraction,
        "guards": list(turn.guards),
        "cost_before_usd_per_hour": cost_summary(turn.standing_cost),
        "cost_usd_per_hour": cost_summary(turn.pushed_cost),
        "certified_gap": finite(turn.plan.gap),
        "moved_share_max": float(moved_share(turn.snapshot.routing, turn.pushed).max(initial=0.0)),
        "readings_age_s": round(turn.snapshot.age_s(), 3),
        "panic": turn.verdicts.panic,
        "changes": [vars_of_change(c.at_s, c.backend, c.before, c.after) for c in turn.changes],
        "pushes": {
            str(origin): {
                "version": outcome.table.version,
                "digest": outcome.table.digest(),
                "stored": outcome.landed,
                "accepted": outcome.receipt.accepted if outcome.receipt else None,
                "detail": outcome.detail or (outcome.receipt.detail if outcome.receipt else ""),
            }
            for origin, outcome in turn.outcomes.items()
        },
        "duration_s": round(turn.duration_s, 6),
    }


def vars_of_change(at_s: float, backend: str, before: str, after: str) -> Json:
    """A verdict change."""
    return {"at_s": at_s, "backend": backend, "from": before, "to": after}


def flow_rows(fleet: Fleet, problem: Problem, routing: Routing, tables: Mapping[OriginId, WeightTable]) -> list[Json]:
    """One row per flow: demand, shares, and the integer weights that its mesh has."""
    view, demand = RoutingView(fleet, routing), loads(problem, routing).demand_rps
    weights = {
        f"{service}@{origin}": {str(t.cluster): t.weight for t in targets if t.weight}
        for origin, table in tables.items()
        for service, targets, _ in table.items()
    }
    rows: list[Json] = []
    for name, row in view.rows.items():
        service, origin = name.split("@")
        shares = {column: round(share, 6) for column, share in view[name].items()}
        rows.append(
            {
                "service": service,
                "origin": origin,
                "demand_rps": round(float(demand[row]), 3),
                "shares": shares,
                "weights": weights.get(name, {}),
            }
        )
    return rows


def backend_rows(fleet: Fleet, problem: Problem, turn: Turn) -> list[Json]:
    """One row per backend: verdict, load, capacity and what was measured there."""
    made = loads(problem, turn.pushed)
    utilization = made.utilization(problem.capacity_rps)
    readings = turn.snapshot.readings
    rows: list[Json] = []
    for b in range(len(fleet.backends)):
        service, cluster = fleet.backend_name(b).split("/")
        rows.append(
            {
                "service": service,
                "cluster": cluster,
                "verdict": Verdict(int(turn.verdicts.state[b])).name,
                "load_rps": round(float(made.backend_rps[b]), 3),
                "capacity_rps": round(float(problem.capacity_rps[b]), 3),
                "utilization": finite(float(utilization[b])),
                "latency_ms": round(float(readings.latency_ms[b]), 3),
                "error_ratio": round(float(readings.error_ratio[b]), 6),
            }
        )
    return rows


def explanation_summary(explanation: Explanation) -> Json:
    """An explanation; prices in $/h per rps."""
    return {
        "flow": explanation.flow,
        "demand_rps": explanation.demand_rps,
        "routes": [
            {name: getattr(r, name) for name in r.__slots__} | {"total_usd": r.total_usd} for r in explanation.routes
        ],
        "shed_share": explanation.shed_share,
        "shed_usd": explanation.shed_usd,
        "not_offered": [{"cluster": c, "reason": why} for c, why in explanation.not_offered],
        "binding": list(explanation.binding),
        "runner_up": explanation.runner_up or None,
        "runner_up_usd_per_hour": finite(explanation.runner_up_usd_per_hour),
    }


def finite(value: float) -> float | None:
    """JSON has no NaN and no infinity: null says that there is no number."""
    return float(np.round(value, 9)) if math.isfinite(value) else None
