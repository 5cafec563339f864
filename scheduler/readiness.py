"""Readiness: lose X -> where its load goes, how full that gets, how slow, at what cost, what is refused, and when that
was last shown to work. And what standing by costs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.configuration import Configuration as Documents
from placement.baseline import nearest
from placement.columns import bools, floats
from placement.cost import backend_loads, evaluate, loads
from placement.demand import displaced, total_demand
from placement.failover import FailoverTable, Row, shed_by_priority
from placement.patch import applied
from placement.plan import Plan
from placement.problem import Problem, formulate
from placement.readings import Snapshot
from placement.solve.failover import TableOrder, refreshed
from placement.solve.resilience import standby
from placement.solve.routing import solve_routing
from placement.standby import Standby
from scheduler.summary import Json, finite
from scheduler.translate import loop_configuration

PRIORITIES = {10.0: "high", 3.0: "normal", 1.0: "low"}
"""As documents name them."""
SHOWN_RPS = 0.05
TAKERS = 3
"""Clusters that are named of those that take over."""

Verified = Callable[[str], Json | None]
"""How and when all paths of a loss were last verified; None for never."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A table with the problem that it was made for."""

    problem: Problem
    table: FailoverTable
    at_s: float
    standby: Standby
    source: str


def declared_proof(documents: Documents) -> Proof:
    """The proof for declared demand on the optimal plan, every loss solved. Raises Unsolved."""
    configuration = loop_configuration(documents)
    fleet, policy = configuration.fleet, configuration.policy
    whole = np.ones(len(fleet.backends))
    snapshot = Snapshot(0.0, configuration.declared, nearest(fleet), bools(whole), floats(whole), bools(whole * 0))
    plan: Plan = solve_routing(formulate(fleet, snapshot, policy.prices))
    trust = policy.conduct.unmeasured_ratio
    stood = Snapshot(0.0, configuration.declared, plan.routing, bools(whole), floats(whole), bools(whole * 0))
    order = TableOrder(fleet, stood, plan.routing, policy.prices, trust=trust, work=np.inf)
    problem = formulate(fleet, stood, policy.prices)
    return Proof(problem, refreshed(order), 0.0, standby(problem), "documents")


def readiness(proof: Proof, verified: Verified) -> Json:
    """The shape of `GET /api/v1/readiness` and of `equipoise readiness -o json`."""
    problem, table = proof.problem, proof.table
    cost, now = evaluate(problem, problem.standing), loads(problem, problem.standing)
    before = np.array(shed_by_priority(problem, problem.standing, table.priorities))
    rows = [_row(proof, row, now.backend_rps, before, verified) for row in table.rows]
    unmet = [row for row in rows if row["unmet_rps"] >= SHOWN_RPS]
    checked = [row["verified"] for row in rows if row["kind"] != "pair"]
    return {
        "format_version": 1,
        "source": proof.source,
        "demand_rps": round(float(problem.external_rps.sum()), 3),
        "usd_per_hour": round(cost.billed_usd_per_hour, 6),
        "refused_now_rps": round(float(before.sum()), 3),
        "losses": rows,
        "summary": {
            "losses": len(rows),
            "losses_with_unmet_demand": len(unmet),
            "unmet_rps_max": max((row["unmet_rps"] for row in rows), default=0.0),
            "worst_utilization": max((row["worst_utilization"] or 0.0 for row in rows), default=0.0),
            "proof_age_s_max": max((row["proof_age_s"] for row in rows), default=0.0),
            "verified": sum(check is not None for check in checked),
            "never_verified": sum(check is None for check in checked),
        },
        "standby": standby_summary(proof.standby, problem),
    }


def standby_summary(cost: Standby, problem: Problem) -> Json:
    """$/h and ratios; the services whose last percent costs most, first."""
    fleet = problem.fleet
    dearest = np.argsort(-cost.by_service_usd_per_hour, kind="stable")[:10].tolist()
    return {
        "overhead_ratio": round(cost.overhead_ratio, 6),
        "overhead_n1_bound_ratio": round(cost.overhead_bound_ratio, 6),
        "paid_usd_per_hour": round(cost.paid_usd_per_hour, 6),
        "today_bound_usd_per_hour": round(cost.today_usd_per_hour, 6),
        "n1_bound_usd_per_hour": round(cost.n1_usd_per_hour, 6),
        "n2_bound_usd_per_hour": round(cost.n2_usd_per_hour, 6),
        "price_of_resilience_usd_per_hour": round(cost.resilience_usd_per_hour, 6),
        "second_loss_usd_per_hour": round(cost.second_usd_per_hour, 6),
        "last_percent_usd_per_hour": round(cost.last_percent_usd_per_hour, 6),
        "last_percent_by_service": {
            fleet.services.ids[s]: round(float(cost.by_service_usd_per_hour[s]), 6)
            for s in dearest
            if cost.by_service_usd_per_hour[s] > 0
        },
        "unsurvivable": list(cost.unsurvivable),
    }


def priority_name(priority: float) -> str:
    """As documents write it."""
    return PRIORITIES.get(priority, f"{priority:g}")


def _row(proof: Proof, row: Row, before_rps: np.ndarray, shed_before: np.ndarray, verified: Verified) -> Json:
    table = proof.table
    unmet = np.maximum(np.array(row.shed_by_priority) - shed_before, 0.0)
    named = zip(table.priorities, unmet.tolist(), strict=True)
    return {
        "loss": str(row.loss),
        "kind": row.loss.kind,
        "takes_over": _takers(proof, row, before_rps),
        "worst_backend": row.worst_backend,
        "worst_utilization": finite(row.worst_utilization),
        "p95_ms": None if math.isnan(row.p95_ms) else round(row.p95_ms, 3),
        "usd_per_hour": round(row.usd_per_hour, 6),
        "unmet_rps": round(float(unmet.sum()), 3),
        "unmet_rps_by_priority": {priority_name(p): round(rps, 3) for p, rps in named},
        "solved": row.solved,
        "proof_age_s": round(proof.at_s - row.made_at_s, 3),
        "verified": verified(str(row.loss)),
    }


def _takers(proof: Proof, row: Row, before_rps: np.ndarray) -> list[Json]:
    """The clusters that take most more than before."""
    fleet, routing = proof.problem.fleet, applied(proof.table.standing, row.change)
    external = displaced(fleet, proof.problem.external_rps, row.loss.clusters)  # routes, a million, play no part
    made = backend_loads(fleet, floats(total_demand(fleet, external, routing)), routing)
    gain = np.maximum(made - before_rps, 0.0)
    by_cluster = np.bincount(fleet.backends.cluster, weights=gain, minlength=len(fleet.clusters))
    order = np.argsort(-by_cluster, kind="stable")[:TAKERS].tolist()
    return [
        {"cluster": str(fleet.clusters.ids[c]), "rps": round(float(by_cluster[c]), 3)}
        for c in order
        if by_cluster[c] >= SHOWN_RPS
    ]


def never(_: str) -> Any:
    """Where nobody drills."""
    return None
