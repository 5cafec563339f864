"""Turns and explanations as plain values, for the ledger, the API and `-o json`."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from health.states import State as Verdict
from placement.cost import COMPONENTS, Cost, loads
from placement.explain import Explanation
from placement.fleet import RESOURCES, Fleet, OriginId, ServiceId
from placement.pace import HOUR_S, MINUTE_S
from placement.problem import Problem
from placement.routing import Routing, moved_share
from placement.stages import STAGES
from placement.weights import WeightTable
from placement.worth import Worth
from scheduler.conduct import Conduct
from scheduler.turn import Turn

Json = dict[str, Any]
SHOWN_SHARE = 1e-4
"""Least change of a share that is shown: one unit of a weight table."""
SHOWN_RPS = 0.05
WORTH_USD = 1e-6
"""Shadow prices below this are rounding."""


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
        "safe": list(turn.safe),
        "overrides": list(turn.overrides),
        "cost_before_usd_per_hour": cost_summary(turn.standing_cost),
        "cost_usd_per_hour": cost_summary(turn.pushed_cost),
        "certified_gap": finite(turn.plan.gap),
        "moved_share_max": float(moved_share(turn.snapshot.routing, turn.pushed).max(initial=0.0)),
        "readings_age_s": finite(round(turn.snapshot.age_s(), 3)),
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


def conduct_summary(conduct: Conduct, fleet: Fleet, at_s: float) -> Json:
    """What bounds the next move; ages in seconds."""
    pace, safety, trial = conduct.pace, conduct.safety, conduct.trial
    recent = pace.reversed_at_s > at_s - HOUR_S
    restless = np.flatnonzero(recent.all(axis=1)).tolist()
    return {
        "format_version": 1,
        "safe": list(safety.reasons) if safety.on else [],
        "safe_for_s": round(at_s - safety.since_s, 3) if safety.on else None,
        "moved_last_minute": round(sum(part for when, part in pace.moved if at_s - when < MINUTE_S), 6),
        "oscillating": [fleet.backend_name(b) for b in restless],
        "reversals_last_hour": int(recent.sum()),
        "rollout": STAGES[conduct.rollout.stage] if conduct.rollout else None,
        "on_trial_for_s": round(at_s - trial.begun_at_s, 3) if trial else None,
        "known_good": sum(good.baked for good in conduct.ring),
        "rollbacks": len(conduct.rollbacks_at_s),
        "evacuated": [{"domain": e.domain, "age_s": round(at_s - e.at_s, 3)} for e in conduct.evacuated],
        "waits_for_a_human": [e.domain for e in conduct.refused],
    }


def vars_of_change(at_s: float, backend: str, before: str, after: str) -> Json:
    """A verdict change."""
    return {"at_s": at_s, "backend": backend, "from": before, "to": after}


def flow_rows(
    fleet: Fleet, problem: Problem, routing: Routing, tables: Mapping[OriginId, WeightTable]
) -> Iterator[Json]:
    """One row per flow: demand, shares, and the integer weights that its mesh has."""
    demand = np.round(loads(problem, routing).demand_rps, 3).tolist()
    columns = np.array([*fleet.clusters.ids, fleet.column_name(fleet.shed)], dtype=object)[routing.column].tolist()
    share, start = np.round(routing.share, 6).tolist(), routing.row_start.tolist()
    given = {origin: _weights_of(table) for origin, table in tables.items()}
    services, origins = fleet.services.ids, fleet.origins.ids
    for f, (s, o) in enumerate(zip(fleet.flows.service.tolist(), fleet.flows.origin.tolist(), strict=True)):
        part = slice(start[f], start[f + 1])
        yield {
            "service": services[s],
            "origin": origins[o],
            "demand_rps": demand[f],
            "shares": dict(zip(columns[part], share[part], strict=True)),
            "weights": given[origins[o]](services[s]) if origins[o] in given else {},
        }


def _weights_of(table: WeightTable) -> Callable[[ServiceId], dict[str, int]]:
    """Says the weights of a service, by cluster."""
    rows = dict(zip(table.services, pairwise(table.row_start.tolist()), strict=True))
    clusters, column, weight = table.clusters, table.column.tolist(), table.weight.tolist()

    def weights(service: ServiceId) -> dict[str, int]:
        begin, end = rows.get(service, (0, 0))
        return {str(clusters[c]): w for c, w in zip(column[begin:end], weight[begin:end], strict=True) if w}

    return weights


def load_rows(fleet: Fleet, problem: Problem, routing: Routing) -> list[Json]:
    """One row per backend: load, capacity, utilization."""
    made = loads(problem, routing)
    utilization = made.utilization(problem.capacity_rps)
    names = [fleet.backend_name(b).split("/") for b in range(len(fleet.backends))]
    return [
        {
            "service": service,
            "cluster": cluster,
            "load_rps": round(float(made.backend_rps[b]), 3),
            "capacity_rps": round(float(problem.capacity_rps[b]), 3),
            "utilization": finite(float(utilization[b])),
        }
        for b, (service, cluster) in enumerate(names)
    ]


def backend_rows(fleet: Fleet, problem: Problem, turn: Turn) -> list[Json]:
    """The same with the verdict and what was measured there."""
    readings = turn.snapshot.readings
    return [
        row
        | {
            "verdict": Verdict(int(turn.verdicts.state[b])).name,
            "latency_ms": round(float(readings.latency_ms[b]), 3),
            "error_ratio": round(float(readings.error_ratio[b]), 6),
        }
        for b, row in enumerate(load_rows(fleet, problem, turn.pushed))
    ]


def plan_changes(body: Mapping[str, Any]) -> list[Json]:
    """What differs between `flows_before` and `flows` of a plan: one row per flow and cluster, largest first."""
    changes = []
    for before, after in zip(body["flows_before"], body["flows"], strict=True):
        for cluster in sorted({*before["shares"], *after["shares"]}):
            was, is_now = before["shares"].get(cluster, 0.0), after["shares"].get(cluster, 0.0)
            if abs(was - is_now) >= SHOWN_SHARE:
                name = f"{after['service']}@{after['origin']}"
                row = {
                    "flow": name,
                    "demand_rps": after["demand_rps"],
                    "cluster": cluster,
                    "before": was,
                    "after": is_now,
                }
                changes.append(row)
    return sorted(changes, key=lambda c: (-abs(c["after"] - c["before"]) * c["demand_rps"], c["flow"], c["cluster"]))


def plan_headline(body: Mapping[str, Any]) -> str:
    """One line: how much changes, what it costs, what is refused, and how much room is left."""
    changes = plan_changes(body)
    moved = {str(c["flow"]) for c in changes}
    before, after = (body[key]["total"] for key in ("cost_before_usd_per_hour", "cost_usd_per_hour"))
    percent = f" ({after / before - 1:+.1%})" if before else ""
    fullest = max(
        (b for b in body["backends"] if b["utilization"] is not None), key=lambda b: b["utilization"], default=None
    )
    room = f"; fullest {fullest['service']}/{fullest['cluster']} at {fullest['utilization']:.0%}" if fullest else ""
    shed = sum(f["demand_rps"] * f["shares"].get("SHED", 0.0) for f in body["flows"])
    refused = f"; {shed:.1f} rps refused" if shed >= SHOWN_RPS else ""
    flows = f"Plan: {len(moved)} of {len(body['flows'])} flows change"
    return f"{flows}; {before:.4f} -> {after:.4f} $/h{percent}{room}{refused}"


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
        "usd_per_hour": {name: round(usd, 6) for name, usd in explanation.usd_per_hour},
        "runner_up": explanation.runner_up or None,
        "runner_up_usd_per_hour": finite(explanation.runner_up_usd_per_hour),
    }


def worth_summary(problem: Problem, worth: Worth) -> Json:
    """What one unit more of capacity would save in $/h, largest first; what would save nothing is left out."""
    fleet, pools = problem.fleet, problem.fleet.pools
    by_pool = [
        {
            "pool": f"{fleet.clusters.ids[pools.cluster[p]]}/{pools.node_type[p]}",
            "resource": RESOURCES[worth.pool_resource[p]],
            "service": fleet.services.ids[worth.pool_service[p]],
            "usd_per_unit_hour": round(float(worth.pool_usd[p]), 6),
        }
        for p in np.argsort(-worth.pool_usd, kind="stable").tolist()
        if worth.pool_usd[p] > WORTH_USD
    ]
    by_backend = [
        {
            "service": fleet.services.ids[fleet.backends.service[b]],
            "cluster": fleet.clusters.ids[fleet.backends.cluster[b]],
            "usd_per_100_rps_hour": round(100 * float(worth.backend_usd[b]), 6),
        }
        for b in np.argsort(-worth.backend_usd, kind="stable").tolist()
        if worth.backend_usd[b] > WORTH_USD
    ]
    return {"pools": by_pool, "backends": by_backend}


def finite(value: float) -> float | None:
    """JSON has no NaN and no infinity: null says that there is no number."""
    return float(np.round(value, 9)) + 0.0 if math.isfinite(value) else None
