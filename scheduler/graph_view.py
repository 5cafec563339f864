"""Who calls whom across clusters: traffic, errors and the segments of the time of every edge, largest first."""

import numpy as np

from placement.cost import loads
from placement.demand import called_rps
from scheduler.state import State
from scheduler.summary import Json
from scheduler.turn import Turn

TINY_RPS = 1e-3
OUTSIDE = "clients"


def graph_body(state: State, turn: Turn, limit: int) -> Json:
    """Edges (caller, called, from, to) with requests/s; from outside the caller is `clients`.

    Traffic into a mesh is of its callers there in proportion to what each of them asks.
    """
    problem, fleet = state.problem, state.fleet
    assert problem is not None
    demand = loads(problem, turn.pushed).demand_rps
    called = called_rps(fleet, demand, turn.pushed)
    routing, errors = turn.pushed, turn.snapshot.readings.error_ratio
    rps = demand[routing.row] * routing.share
    backend = fleet.backend_of(routing.row, routing.column)
    served = _served(state, turn, demand)
    edges: list[Json] = []
    for i in np.flatnonzero((rps > TINY_RPS) & (backend >= 0)).tolist():
        flow, column = int(routing.row[i]), int(routing.column[i])
        service, origin = int(fleet.flows.service[flow]), int(fleet.flows.origin[flow])
        there = str(fleet.clusters.ids[column])
        outside = max(0.0, float(demand[flow] - called[flow])) / max(float(demand[flow]), TINY_RPS)
        for caller, part in _callers(state, served, service, int(fleet.origins.cluster[origin]), outside):
            edges.append(
                {
                    "caller": caller,
                    "called": str(fleet.services.ids[service]),
                    "origin": str(fleet.origins.ids[origin]),
                    "cluster": there,
                    "rps": round(float(rps[i]) * part, 3),
                    "error_ratio": round(float(errors[backend[i]]), 6),
                    "network_ms": round(float(fleet.network.rtt_ms[origin, column]), 3),
                    "backend_ms": round(float(turn.snapshot.readings.latency_ms[backend[i]]), 3),
                    "crosses": int(fleet.origins.cluster[origin]) != column,
                }
            )
    edges = sorted((e for e in edges if e["rps"] > TINY_RPS), key=lambda e: -e["rps"])
    return {
        "format_version": 1,
        "services": [str(name) for name in fleet.services.ids],
        "edges": edges[:limit],
        "left_out": max(0, len(edges) - limit),
        "rps": round(sum(e["rps"] for e in edges), 3),
        "crossing_rps": round(sum(e["rps"] for e in edges if e["crosses"]), 3),
    }


def _served(state: State, turn: Turn, demand: np.ndarray) -> np.ndarray:
    """(S, C) requests/s that each service serves in each cluster."""
    fleet, routing = state.fleet, turn.pushed
    size = (len(fleet.services), len(fleet.clusters) + 1)
    key = fleet.flows.service[routing.row] * size[1] + routing.column
    rps = np.bincount(key, weights=demand[routing.row] * routing.share, minlength=size[0] * size[1])
    return np.asarray(rps.reshape(size)[:, :-1])


def _callers(state: State, served: np.ndarray, service: int, home: int, outside: float) -> list[tuple[str, float]]:
    """(caller, part of the traffic of a flow)."""
    calls = state.fleet.calls
    rows = np.flatnonzero(calls.child == service).tolist() if home >= 0 else []
    asks = [(calls.parent[k], float(calls.per_request[k] * served[calls.parent[k], home])) for k in rows]
    total = sum(rps for _, rps in asks)
    found = [(str(state.fleet.services.ids[p]), (1 - outside) * rps / total) for p, rps in asks if total > 0]
    return [*found, (OUTSIDE, outside if total > 0 else 1.0)]
