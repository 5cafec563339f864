"""Services and clusters as they stand: what is desired, what was pushed, what is observed, what it costs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from health.states import State as Verdict
from placement.cost import loads, objective_of_sets
from placement.fleet import RESOURCES, Fleet, OriginId
from placement.routing import Routing
from placement.weights import WeightTable
from scheduler.board import Board
from scheduler.observed import Observed
from scheduler.readiness import priority_name
from scheduler.state import State
from scheduler.summary import Json, finite
from scheduler.turn import Turn

DRIFT_SHOWN = 0.05
"""Share by which what is observed may differ from what was pushed: a few hundred requests say no more."""
USED_SHARE = 1e-4


def standing(board: Board) -> tuple[State, Turn] | None:
    """State and turn once there is a problem to speak of."""
    state, turn = board.state, board.turn
    return None if state is None or turn is None or state.problem is None else (state, turn)


def shares_of(fleet: Fleet, routing: Routing, flow: int) -> dict[str, float]:
    """Cluster (or SHED) -> share of one flow."""
    part = slice(routing.row_start[flow], routing.row_start[flow + 1])
    pairs = zip(routing.column[part].tolist(), routing.share[part].tolist(), strict=True)
    named = ((fleet.clusters.ids[c] if c != fleet.shed else "SHED", share) for c, share in pairs)
    return {str(name): round(share, 6) for name, share in named if share > USED_SHARE}


def pushed_shares(tables: Mapping[OriginId, WeightTable]) -> dict[tuple[str, str], dict[str, float]]:
    """(service, origin) -> cluster -> weight over unit, as the meshes have it."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for origin, table in tables.items():
        for service, targets, shed in table.items():
            shares = {str(t.cluster): round(t.weight / table.unit, 6) for t in targets if t.weight}
            found[str(service), str(origin)] = shares | ({"SHED": round(shed / table.unit, 6)} if shed else {})
    return found


def service_rows(state: State, turn: Turn) -> list[Json]:
    """Every service in short."""
    fleet, problem = state.fleet, state.problem
    assert problem is not None
    made = loads(problem, turn.pushed)
    size = len(fleet.services)
    demand = np.bincount(fleet.flows.service, weights=made.demand_rps, minlength=size)
    shed = np.bincount(fleet.flows.service, weights=made.shed_rps, minlength=size)
    usd = objective_of_sets(problem, turn.pushed, np.arange(size))
    full = np.zeros(size)
    used = made.utilization(problem.capacity_rps)
    np.maximum.at(full, fleet.backends.service, np.where(np.isfinite(used), used, 9.99))
    up = np.bincount(fleet.backends.service, weights=turn.snapshot.usable, minlength=size)
    all_of = np.bincount(fleet.backends.service, minlength=size)
    errors = _weighted(turn.snapshot.readings.error_ratio, made.backend_rps, fleet.backends.service, size)
    latency = _weighted(turn.snapshot.readings.latency_ms, made.backend_rps, fleet.backends.service, size)
    return [
        {
            "service": str(name),
            "priority": priority_name(float(fleet.services.priority[s])),
            "exposed": bool(fleet.services.exposed[s]),
            "demand_rps": round(float(demand[s]), 3),
            "refused_rps": round(float(shed[s]), 3),
            "latency_ms": finite(round(float(latency[s]), 3)),
            "error_ratio": finite(round(float(errors[s]), 6)),
            "worst_utilization": round(float(full[s]), 4),
            "usable_clusters": int(up[s]),
            "clusters": int(all_of[s]),
            "usd_per_hour": round(float(usd[s]), 6),
        }
        for s, name in enumerate(fleet.services.ids)
    ]


def service_body(board: Board, observed: Observed, service: str, now_s: float) -> Json | None:
    """One service with its flows and backends; None where there is none."""
    found = standing(board)
    if found is None or service not in found[0].fleet.services.ids:
        return None
    state, turn = found
    fleet, problem = state.fleet, state.problem
    assert problem is not None
    s = fleet.services.ids.index(service)
    made, pushed = loads(problem, turn.pushed), pushed_shares(state.tables)
    flows = []
    for flow in np.flatnonzero(fleet.flows.service == s).tolist():
        origin = str(fleet.origins.ids[fleet.flows.origin[flow]])
        seen, has = observed.shares(service, origin, now_s), pushed.get((service, origin))
        flows.append(
            {
                "origin": origin,
                "demand_rps": round(float(made.demand_rps[flow]), 3),
                "desired": shares_of(fleet, turn.plan.routing, flow),
                "pushed": has,
                "observed": None if seen is None else {c: round(v, 4) for c, v in seen.items()},
                "drift": drift(has, seen),
            }
        )
    short = service_rows(state, turn)[s]
    limit_ms = float(fleet.services.rtt_max_ms[s])
    calls = fleet.calls
    return short | {
        "format_version": 1,
        "rtt_max_ms": finite(limit_ms),
        "utilization_target": round(float(fleet.services.utilization_target[s]), 4),
        "calls": [str(fleet.services.ids[c]) for c in calls.child[calls.parent == s].tolist()],
        "called_by": [str(fleet.services.ids[p]) for p in calls.parent[calls.child == s].tolist()],
        "flows": flows,
        "backends": backend_bodies(state, turn, fleet.backends.service == s),
    }


def drift(pushed: Mapping[str, float] | None, seen: Mapping[str, float] | None) -> float | None:
    """The largest difference between a share that was pushed and the one observed; None where one is not known.

    What is refused is sent nowhere, so shares are compared among what is sent.
    """
    if pushed is None or seen is None:
        return None
    sent = 1 - pushed.get("SHED", 0.0)
    if sent <= 0:
        return None
    clusters = (set(pushed) | set(seen)) - {"SHED"}
    return round(max((abs(pushed.get(c, 0.0) / sent - seen.get(c, 0.0)) for c in clusters), default=0.0), 4)


def cluster_rows(state: State, turn: Turn, routing: Routing | None = None) -> list[Json]:
    """Every cluster in short, under what a turn pushed or another routing."""
    fleet, problem = state.fleet, state.problem
    assert problem is not None
    made, size = loads(problem, turn.pushed if routing is None else routing), len(fleet.clusters)
    used = made.utilization(problem.capacity_rps)
    load = np.bincount(fleet.backends.cluster, weights=made.backend_rps, minlength=size)
    room = np.bincount(fleet.backends.cluster, weights=problem.capacity_rps, minlength=size)
    full = np.zeros(size)
    np.maximum.at(full, fleet.backends.cluster, np.where(np.isfinite(used), used, 9.99))
    hosted = np.bincount(fleet.backends.cluster, minlength=size)
    usable = np.bincount(fleet.backends.cluster, weights=turn.snapshot.usable, minlength=size)
    return [
        {
            "cluster": str(name),
            "provider": fleet.clusters.provider[c],
            "region": fleet.clusters.region[c],
            "jurisdiction": fleet.clusters.jurisdiction[c],
            "load_rps": round(float(load[c]), 3),
            "capacity_rps": round(float(room[c]), 3),
            "worst_utilization": round(float(full[c]), 4),
            "services": int(hosted[c]),
            "usable_services": int(usable[c]),
            "state": "down" if hosted[c] and not usable[c] else "part" if usable[c] < hosted[c] else "up",
        }
        for c, name in enumerate(fleet.clusters.ids)
    ]


def cluster_body(board: Board, cluster: str) -> Json | None:
    """One cluster with its pools, backends and mesh; None where there is none."""
    found = standing(board)
    if found is None or cluster not in found[0].fleet.clusters.ids:
        return None
    state, turn = found
    fleet = state.fleet
    c = fleet.clusters.ids.index(cluster)
    origins = [str(o) for o, home in zip(fleet.origins.ids, fleet.origins.cluster.tolist(), strict=True) if home == c]
    losses = board.failover(fleet)
    return cluster_rows(state, turn)[c] | {
        "format_version": 1,
        "gateway_rps": finite(float(fleet.clusters.gateway_rps[c])),
        "pools": _pools(fleet, c),
        "backends": backend_bodies(state, turn, fleet.backends.cluster == c),
        "meshes": [mesh_body(board, state, origin) for origin in origins],
        "if_lost": next((row for row in losses if row["loss"] == f"cluster {cluster}"), None),
    }


def mesh_body(board: Board, state: State, origin: str) -> Json:
    """What a mesh has, and what became of the last write."""
    table = state.tables.get(OriginId(origin))
    last: Json | None = next((push for push in reversed(board.pushes) if push["origin"] == origin), None)
    return {
        "origin": origin,
        "epoch": table.epoch if table else None,
        "version": table.version if table else None,
        "last_push": last,
    }


def backend_bodies(state: State, turn: Turn, chosen: Any) -> list[Json]:
    """(B,) `chosen` backends with load, room, verdict and what was measured."""
    fleet, problem, readings = state.fleet, state.problem, turn.snapshot.readings
    assert problem is not None
    made = loads(problem, turn.pushed)
    used = made.utilization(problem.capacity_rps)
    return [
        {
            "service": str(fleet.services.ids[fleet.backends.service[b]]),
            "cluster": str(fleet.clusters.ids[fleet.backends.cluster[b]]),
            "verdict": Verdict(int(turn.verdicts.state[b])).name,
            "load_rps": round(float(made.backend_rps[b]), 3),
            "capacity_rps": round(float(problem.capacity_rps[b]), 3),
            "utilization": finite(float(used[b])),
            "latency_ms": finite(round(float(readings.latency_ms[b]), 3)),
            "error_ratio": finite(round(float(readings.error_ratio[b]), 6)),
        }
        for b in np.flatnonzero(chosen).tolist()
    ]


def _pools(fleet: Fleet, cluster: int) -> list[Json]:
    pools = fleet.pools
    return [
        {
            "node_type": pools.node_type[p],
            "nodes": int(pools.nodes[p]),
            "usd_per_node_hour": round(float(pools.usd_per_node_hour[p]), 6),
            "capacity": {str(r): round(float(pools.capacity[p, i]), 3) for i, r in enumerate(RESOURCES)},
        }
        for p in np.flatnonzero(pools.cluster == cluster).tolist()
    ]


def _weighted(value: Any, weight: Any, label: Any, size: int) -> Any:
    total = np.bincount(label, weights=weight, minlength=size)
    part = np.bincount(label, weights=weight * value, minlength=size)
    return np.divide(part, total, out=np.full(size, np.nan), where=total > 0)
