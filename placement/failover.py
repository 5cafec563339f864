"""Routings for losses, computed ahead, and the spill that covers what no table foresaw.

Nothing here solves: a decision from a table is a lookup plus array arithmetic, so it fits on the failover path.
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints, bools, floats
from placement.cost import loads
from placement.fleet import Fleet
from placement.problem import Problem
from placement.routing import Routing, from_triplets


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that may fail: a cluster, or all clusters of a region or provider."""

    kind: str
    name: str
    clusters: Bools
    """(C,) what is gone."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class FailoverTable:
    """For every single loss the routing to use and what it would do to those who take over."""

    losses: tuple[Loss, ...]
    routings: tuple[Routing, ...]
    worst_utilization: Floats
    """(L,) of the fullest surviving backend."""
    worst_backend: tuple[str, ...]
    shed_rps: Floats
    """(L,) requests/s that nobody can take."""
    objective_usd_per_hour: Floats
    """(L,)"""
    made_at_s: float


def losses(fleet: Fleet) -> tuple[Loss, ...]:
    """Every cluster, and every region and provider that is more than one cluster and not the whole fleet."""
    found = [Loss("cluster", c, bools(np.arange(len(fleet.clusters)) == i)) for i, c in enumerate(fleet.clusters.ids)]
    for kind, names in (("region", fleet.clusters.region), ("provider", fleet.clusters.provider)):
        for name in sorted(set(names)):
            members = np.array([n == name for n in names])
            if 1 < members.sum() < len(members) and not any(np.array_equal(members, x.clusters) for x in found):
                found.append(Loss(kind, name, bools(members)))
    return tuple(found)


def lost_clusters(fleet: Fleet, usable: Bools) -> Bools:
    """(C,) clusters that host something and of which nothing is usable."""
    hosted = np.bincount(fleet.backends.cluster, minlength=len(fleet.clusters))
    good = np.bincount(fleet.backends.cluster[usable], minlength=len(fleet.clusters))
    return np.asarray((hosted > 0) & (good == 0), dtype=np.bool_)


def failover_routing(
    problem: Problem, table: FailoverTable | None, standing: Routing, usable: Bools
) -> tuple[Routing, str]:
    """The routing to use at once when only `usable` (B,) is left, and which row of the table it came from.

    The table's row for exactly the lost clusters where there is one, else the standing routing; then whatever share
    is left on an unusable backend is spilled. Lawful and within capacity at every point, or shed.
    """
    lost = lost_clusters(problem.fleet, usable)
    base, source = standing, "spill"
    for loss, routing in zip(table.losses, table.routings, strict=True) if table and lost.any() else ():
        if np.array_equal(loss.clusters, lost):
            base, source = routing, str(loss)
            break
    return spill(problem, base, usable), source


def spill(problem: Problem, routing: Routing, usable: Bools) -> Routing:
    """Take every share off unusable or unlawful routes and fill it into the cheapest room that is left.

    Value-greedy ($ + value of latency) in rounds: in round k every flow offers what it still has to place to its k-th
    cheapest usable route, and a backend takes the same fraction of all offers. What fits nowhere is shed.
    """
    fleet, routes = problem.fleet, problem.routes
    demand = loads(problem, routing).demand_rps
    route = problem.route_of(routing.row, routing.column)
    stays = (route >= 0) & usable[routes.backend[np.maximum(route, 0)]] if len(routes) else route >= 0
    refused = routing.column == fleet.shed
    homeless = np.where(stays | refused, 0.0, routing.share)
    to_place = np.bincount(routing.row, weights=homeless, minlength=len(routing)).astype(np.float64)
    if not to_place.any():
        return routing
    rps = demand[routing.row] * routing.share
    taken = np.bincount(routes.backend[route[stays]], weights=rps[stays], minlength=len(fleet.backends))
    room = np.maximum(np.where(usable, problem.capacity_rps, 0.0) - taken, 0.0)
    flow, column, share, left = _fill(problem, usable, demand, to_place, room)
    keep = stays | refused
    rows = np.arange(len(routing))
    return from_triplets(
        np.concatenate([routing.row[keep], flow, rows]),
        np.concatenate([routing.column[keep], column, np.full(len(rows), fleet.shed)]),
        np.concatenate([routing.share[keep], share, left]),
        (len(routing), routing.columns),
    )


def _fill(
    problem: Problem, usable: Bools, demand: Floats, to_place: Floats, room: Floats
) -> tuple[Ints, Ints, Floats, Floats]:
    """Rounds of offers; returns (flow, column, share) triplets and the (F,) share that found no room."""
    routes = problem.routes
    good = np.flatnonzero(usable[routes.backend])
    good = good[np.lexsort((routes.usd[good], routes.flow[good]))]
    flow = routes.flow[good]
    rank = np.arange(len(good)) - np.searchsorted(flow, flow)
    placed, left, room = np.zeros(len(good)), to_place.copy(), room.copy()
    for k in range(int(rank.max(initial=-1)) + 1):
        entry = np.flatnonzero((rank == k) & (left[flow] > 0))
        backend, offer = routes.backend[good[entry]], left[flow[entry]] * demand[flow[entry]]
        offered = np.bincount(backend, weights=offer, minlength=len(room))
        fits = np.minimum(1.0, room / np.where(offered > 0, offered, 1.0))
        placed[entry] = left[flow[entry]] * fits[backend]
        left[flow[entry]] -= placed[entry]
        room -= offered * np.minimum(fits, 1.0)
    return flow, routes.cluster[good], placed, np.maximum(left, 0.0)


def summary(problem: Problem, routing: Routing) -> tuple[float, str, float]:
    """(worst utilization, the backend that has it, requests/s shed) of a routing."""
    made = loads(problem, routing)
    utilization = made.utilization(problem.capacity_rps)
    worst = int(utilization.argmax()) if len(utilization) else -1
    name = problem.fleet.backend_name(worst) if worst >= 0 else ""
    return float(utilization.max(initial=0.0)), name, float(made.shed_rps.sum())


def tabulate(made_at_s: float, entries: list[tuple[Loss, Routing, float, str, float, float]]) -> FailoverTable:
    """A table from (loss, routing, worst utilization, its backend, shed rps, objective $/h) rows."""
    columns = list(zip(*entries, strict=True)) if entries else [()] * 6
    return FailoverTable(
        losses=columns[0],
        routings=columns[1],
        worst_utilization=floats(columns[2]),
        worst_backend=columns[3],
        shed_rps=floats(columns[4]),
        objective_usd_per_hour=floats(columns[5]),
        made_at_s=made_at_s,
    )
