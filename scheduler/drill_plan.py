"""What a drill of one loss moves: the failover table's weights for the flows that it hits, and the load that makes.

A drill keeps the clients where they are. So a flow that enters at a mesh which the loss takes is given the row of the
mesh at which its clients would come in instead, the nearest that is left; what services there call moves with its
callers and is left alone. The load at the receivers is then the one that the table foresees.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from placement.columns import Bools, Floats, Ints, bools, lookup
from placement.cost import loads
from placement.evacuation import spill
from placement.failover import Row
from placement.fleet import Fleet, OriginId
from placement.losses import Loss
from placement.patch import applied, rows_of
from placement.problem import Problem
from placement.quantize import Rounding, weight_tables
from placement.routing import Routing, blend, moved_share
from placement.weights import WeightTable

TINY_SHARE = 1e-3
"""A flow that moves less than this is not rehearsed."""
TINY_RPS = 1e-6


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A loss, and where the load it hits would go."""

    loss: Loss
    base: Routing
    target: Routing
    """With all of it moved. Flows that are not rehearsed are as in `base`."""
    flows: Bools
    """(F,) which are rehearsed: those that the loss hits, and those that make room for them."""
    tables: Mapping[OriginId, WeightTable]
    """The failover's weights of the rehearsed services, for origins that have any."""

    def routing(self, ratio: float) -> Routing:
        """With a part of it moved."""
        return blend(self.base, self.target, ratio)

    def at(self, fleet: Fleet, origins: Collection[OriginId]) -> "Rehearsal":
        """What of it some origins alone rehearse; the flows of the others stay."""
        here = np.array([origin in origins for origin in fleet.origins.ids], dtype=bool)
        flows = self.flows & here[fleet.flows.origin]
        target = applied(self.base, rows_of(self.target, np.flatnonzero(flows)))
        tables = {origin: table for origin, table in self.tables.items() if origin in origins}
        return replace(self, target=target, flows=bools(flows), tables=tables)


def rehearsal(problem: Problem, base: Routing, row: Row, standing: Routing, rounding: Rounding) -> Rehearsal:
    """The drill of a row of the failover table, whose changes count from `standing`."""
    fleet, loss = problem.fleet, row.loss
    moved = with_heirs(fleet, applied(standing, row.change), loss)
    usable = bools((problem.capacity_rps > 0) & ~loss.dead(fleet))
    lawful = spill(replace(problem, standing=base), moved, usable)
    flows = (moved_share(base, lawful) > TINY_SHARE) & ~inner(fleet, loss)
    target = applied(base, rows_of(lawful, np.flatnonzero(flows)))
    whole = weight_tables(problem, target, rounding, {})
    tables = {origin: some for origin, table in whole.items() if (some := _part(fleet, table, flows)).services}
    return Rehearsal(loss, base, target, bools(flows), tables)


def hit_share(fleet: Fleet, routing: Routing, loss: Loss) -> Floats:
    """(F,) share of each flow that the loss takes."""
    gateways = np.zeros(len(fleet.clusters) + 1, dtype=bool)
    gateways[loss.gateways] = True
    row, column = routing.row, routing.column
    cluster = np.minimum(column, len(fleet.clusters) - 1)
    backend = fleet.backends.row(fleet.flows.service[row], cluster, len(fleet.clusters))
    dead = (column != fleet.shed) & (backend >= 0) & loss.dead(fleet)[np.maximum(backend, 0)]
    remote = gateways[column] & (fleet.origins.cluster[fleet.flows.origin[row]] != column)
    return np.bincount(row, weights=routing.share * (dead | remote), minlength=len(routing)).astype(np.float64)


def inner(fleet: Fleet, loss: Loss) -> Bools:
    """(F,) what services call at a mesh that the loss takes: with the callers gone there is nothing left of it."""
    return np.asarray(_from_lost(fleet, loss) & ~fleet.services.exposed[fleet.flows.service], dtype=np.bool_)


def entering(fleet: Fleet, loss: Loss) -> Floats:
    """(F,) 1 where clients enter at a mesh that the loss takes: they have to go elsewhere, whoever serves them."""
    return np.where(_from_lost(fleet, loss) & fleet.services.exposed[fleet.flows.service], 1.0, 0.0)


def with_heirs(fleet: Fleet, routing: Routing, loss: Loss) -> Routing:
    """The routing where flows from lost meshes have the rows of the nearest meshes that are left."""
    gone = _from_lost(fleet, loss)
    heir = heirs(fleet, loss.clusters)
    keys = fleet.flows.service * len(fleet.origins) + fleet.flows.origin
    row = lookup(keys, fleet.flows.service * len(fleet.origins) + heir[fleet.flows.origin])
    flow = np.flatnonzero(gone & (row >= 0))
    if not len(flow):
        return routing
    matrix = routing.matrix()[row[flow]]
    change = rows_of(routing, flow)
    entries = np.diff(matrix.indptr)
    start = np.concatenate([[0], np.cumsum(entries)]).astype(np.int64)
    columns, shares = matrix.indices.astype(np.int64), np.asarray(matrix.data, dtype=np.float64)
    return applied(routing, replace(change, row_start=start, column=columns, share=shares))


def heirs(fleet: Fleet, lost: Bools) -> Ints:
    """(O,) where the clients of each origin come in when the meshes of the lost clusters (C,) are gone."""
    mesh = fleet.origins.cluster
    gone = (mesh >= 0) & lost[np.maximum(mesh, 0)]
    heir, left = np.arange(len(mesh)), np.flatnonzero((mesh >= 0) & ~gone)
    if gone.any() and len(left):
        heir[gone] = left[fleet.network.rtt_ms[np.ix_(gone, mesh[left])].argmin(axis=1)]
    return heir


def utilization(problem: Problem, routing: Routing) -> Floats:
    """(B,) load over capacity."""
    return loads(problem, routing).utilization(problem.capacity_rps)


def receivers(problem: Problem, plan: Rehearsal, ratio: float) -> Ints:
    """Backends to which the drill brings load."""
    before, after = (loads(problem, routing).backend_rps for routing in (plan.base, plan.routing(ratio)))
    return np.flatnonzero(after > before * (1 + 1e-6) + TINY_RPS)


def overfull(problem: Problem, plan: Rehearsal, ratio: float, utilization_max: float) -> str:
    """Which receiver the farthest step would fill too much, or how much it would refuse; empty where all is well."""
    after = loads(problem, plan.routing(ratio))
    more = float(after.shed_rps.sum() - loads(problem, plan.base).shed_rps.sum())
    if more > TINY_RPS + 1e-4 * after.demand_rps.sum():
        return f"{more:.1f} rps would be refused"
    filled = after.utilization(problem.capacity_rps)
    taking = receivers(problem, plan, ratio)
    if not len(taking) or filled[taking].max() <= utilization_max:
        return ""
    worst = int(taking[filled[taking].argmax()])
    return f"{problem.fleet.backend_name(worst)} would be filled to {filled[worst]:.0%}, above {utilization_max:.0%}"


def moved_ratio(problem: Problem, plan: Rehearsal) -> float:
    """Part of all requests that the drill moves when it moves all it can."""
    demand = loads(problem, plan.base).demand_rps
    return float(moved_share(plan.base, plan.target) @ demand / max(demand.sum(), TINY_RPS))


def _from_lost(fleet: Fleet, loss: Loss) -> Bools:
    mesh = fleet.origins.cluster[fleet.flows.origin]
    return np.asarray((mesh >= 0) & loss.clusters[np.maximum(mesh, 0)], dtype=np.bool_)


def _part(fleet: Fleet, table: WeightTable, flows: Bools) -> WeightTable:
    """The rows of a table whose flows are rehearsed. Its rows are the flows of its origin, in order."""
    origin = fleet.origins.ids.index(table.origin)
    keep = flows[np.flatnonzero(fleet.flows.origin == origin)]
    taken = keep[table.row]
    size = np.diff(table.row_start)[keep]
    return replace(
        table,
        services=tuple(s for s, k in zip(table.services, keep.tolist(), strict=True) if k),
        row_start=np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
        column=table.column[taken],
        weight=table.weight[taken],
        priority=table.priority[taken],
        shed_weight=table.shed_weight[keep],
    )
