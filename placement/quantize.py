"""Shares -> integer weights that add up, do not churn, and drain to exactly zero."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from placement.columns import Bools, Ints, index_of, ints, lookup
from placement.cost import loads
from placement.fleet import Fleet, OriginId, ServiceId
from placement.problem import Problem
from placement.rounding import diffused, largest_remainder
from placement.routing import Routing, from_triplets
from placement.weights import WeightTable

BACKUPS_MAX = 8
"""Most standbys behind the weighted clusters of one flow; a data plane tries them in order of price."""
COARSE = 1_000
"""Units up to which rounding one row without the others would be felt at a backend."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """What to round to. Taken from a mesh's limits and the policy."""

    unit: int = 10_000
    sticky_band: float = 0.02
    """A row none of whose weights wants to move by more than this part of `unit` keeps its weights."""
    standby: bool = True


def weight_tables(
    problem: Problem, routing: Routing, rounding: Rounding, standing: Mapping[OriginId, WeightTable]
) -> dict[OriginId, WeightTable]:
    """One table per origin, under fence (0, 0); the loop sets the fence when it decides to write.

    Each row is the largest-remainder rounding of its shares (Hamilton's method: sums are exact), or the standing row
    where that is within the sticky band and drains nothing. Where weights are coarse, errors are diffused over the rows
    that change, so that backends get what they should. Standbys are the offered routes without weight, cheapest
    first, so a data plane that fails over by itself stays lawful.
    """
    weights = largest_remainder(routing, rounding.unit)
    same_unit = {origin: table for origin, table in standing.items() if table.unit == rounding.unit}
    last = table_entries(problem.fleet, same_unit)
    weights, kept = _sticky(routing, weights, last, rounding)
    if rounding.unit <= COARSE:
        demand = loads(problem, routing).demand_rps
        weights = diffused(problem.fleet, routing, demand, weights, kept, rounding.unit)
    return _tables(problem, routing, weights, rounding)


class TableEntries(NamedTuple):
    """The weighted entries of some tables in the fleet's own numbers; SHED is an entry like any other."""

    flow: Ints
    column: Ints
    weight: Ints
    unit: Ints


def table_entries(fleet: Fleet, tables: Mapping[OriginId, WeightTable]) -> TableEntries:
    """Read tables back. Rows of an unknown service, origin or cluster are left out whole."""
    parts = [TableEntries(*(np.zeros(0, dtype=np.int64),) * 4)]
    parts += [_entries(fleet, origin, table) for origin, table in tables.items()]
    return TableEntries(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _entries(fleet: Fleet, origin: OriginId, table: WeightTable) -> TableEntries:
    """Those of one table, read once: most of what stands stood in the tick before."""
    read = table.known.get("entries")
    if read is None or read[0] is not fleet or read[1] != origin:
        read = table.known["entries"] = fleet, origin, _read(fleet, origin, table)
    found: TableEntries = read[2]
    return found


def _read(fleet: Fleet, origin: OriginId, table: WeightTable) -> TableEntries:
    origin_row = fleet.once("origin_rows", lambda f: index_of(f.origins.ids))
    flow_keys = fleet.once("flow_keys", lambda f: ints(f.flows.service * len(f.origins) + f.flows.origin))
    service, cluster = _rows(fleet.services.ids, table.services), _rows(fleet.clusters.ids, table.clusters)
    known = (service >= 0) & (origin in origin_row)
    flow = np.where(known, lookup(flow_keys, service * len(fleet.origins) + origin_row.get(origin, 0)), -1)
    row, column = table.row, cluster[table.column] if len(table.column) else table.column
    flow[row[column < 0]] = -1
    row = np.concatenate([row, np.arange(len(service))])
    column = np.concatenate([column, np.full(len(service), fleet.shed)])
    weight = np.concatenate([table.weight, table.shed_weight])
    real = (flow[row] >= 0) & (weight > 0)
    return TableEntries(flow[row][real], column[real], weight[real], np.full(int(real.sum()), table.unit))


@lru_cache(maxsize=4_096)
def _rows(names: tuple[str, ...], wanted: tuple[str, ...]) -> Ints:
    """(wanted,) the row of each among `names`, -1 where there is none. Kept: meshes name the same things every tick."""
    known = index_of(names)
    return ints([known.get(name, -1) for name in wanted])


def routing_of(fleet: Fleet, tables: Mapping[OriginId, WeightTable], otherwise: Routing) -> Routing:
    """The routing that some tables make; flows that they do not speak of keep `otherwise`."""
    given = tuple(tables.items())
    held = fleet.known.get("routing")  # nothing was written since the last tick: that is most ticks
    if held is None or not _same(held[0], given) or (held[1] is not None and held[1] is not otherwise):
        routing, whole = _routing_of(fleet, tables, otherwise)
        held = fleet.known["routing"] = given, None if whole else otherwise, routing
    found: Routing = held[2]
    return found


def _same(last: tuple[tuple[str, object], ...], given: tuple[tuple[str, object], ...]) -> bool:
    return len(last) == len(given) and all(a == b and x is y for (a, x), (b, y) in zip(last, given, strict=True))


def _routing_of(fleet: Fleet, tables: Mapping[OriginId, WeightTable], otherwise: Routing) -> tuple[Routing, bool]:
    """The routing, and whether the tables speak of every flow."""
    entries = table_entries(fleet, tables)
    known = np.zeros(len(fleet.flows), dtype=bool)
    known[entries.flow] = True
    rest = ~known[otherwise.row]
    routing = from_triplets(
        np.concatenate([entries.flow, otherwise.row[rest]]),
        np.concatenate([entries.column, otherwise.column[rest]]),
        np.concatenate([entries.weight / entries.unit, otherwise.share[rest]]),
        (len(fleet.flows), fleet.shed + 1),
    )
    return routing, bool(known.all())


def _sticky(routing: Routing, weights: Ints, last: TableEntries, rounding: Rounding) -> tuple[Ints, Bools]:
    """`weights`, and (F,) whether a row keeps its last ones: where its clusters stay and every weight is in the band.

    A share that rounds to nothing is no entry: it neither keeps a row nor changes it.
    """
    order = np.argsort(last.flow * routing.columns + last.column)
    keys, last_weight = (last.flow * routing.columns + last.column)[order], last.weight[order]
    place = lookup(keys, routing.row * routing.columns + routing.column)
    previous = np.where(place >= 0, last_weight[place], 0) if len(keys) else np.zeros_like(weights)
    used = weights > 0
    moves = used & (
        (previous == 0) | (np.abs(previous - routing.share * rounding.unit) > rounding.sticky_band * rounding.unit)
    )
    moved, size, last_size = (
        np.bincount(rows, minlength=len(routing)) for rows in (routing.row[moves], routing.row[used], last.flow)
    )
    keep = (moved == 0) & (size == last_size)
    return np.where(keep[routing.row], previous, weights), keep


def _tables(problem: Problem, routing: Routing, weight: Ints, rounding: Rounding) -> dict[OriginId, WeightTable]:
    """Cut the rows up by origin and put the standbys behind."""
    fleet, shed = problem.fleet, problem.fleet.shed
    refused = routing.column == shed
    shed_weight = np.bincount(routing.row[refused], weights=weight[refused], minlength=len(routing)).astype(np.int64)
    used = ~refused & (weight > 0)
    row, column, priority = routing.row[used], routing.column[used], np.zeros(int(used.sum()), dtype=np.int64)
    weights = weight[used]
    if rounding.standby:
        flow, cluster, rank = _standbys(problem, row, column)
        row, column = np.concatenate([row, flow]), np.concatenate([column, cluster])
        weights, priority = np.concatenate([weights, np.zeros_like(flow)]), np.concatenate([priority, rank])
    # By origin, then row; within a row weights stand before standbys, each in the order they have: sorts are stable.
    order = np.argsort(fleet.flows.origin[row] * len(routing) + row, kind="stable")
    row, column, weights, priority = (a[order] for a in (row, column, weights, priority))
    part_ends = np.searchsorted(fleet.flows.origin[row], np.arange(len(fleet.origins) + 1))
    targets = np.bincount(row, minlength=len(routing))
    tables = {}
    for index, (origin, (flows, names)) in enumerate(fleet.once("flows_by_origin", _flows_by_origin).items()):
        part = slice(part_ends[index], part_ends[index + 1])
        tables[origin] = WeightTable(
            origin=origin,
            epoch=0,
            version=0,
            unit=rounding.unit,
            clusters=fleet.clusters.ids,
            services=names,
            row_start=np.concatenate([[0], np.cumsum(targets[flows])]).astype(np.int64),
            column=column[part],
            weight=weights[part],
            priority=priority[part],
            shed_weight=shed_weight[flows],
        )
    return tables


def _flows_by_origin(fleet: Fleet) -> dict[OriginId, tuple[Ints, tuple[ServiceId, ...]]]:
    """The flows of each origin, by service, and the names of these."""
    by_origin = np.argsort(fleet.flows.origin, kind="stable")
    ends = np.searchsorted(fleet.flows.origin[by_origin], np.arange(len(fleet.origins) + 1))
    parts = [by_origin[begin:end] for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
    names = [tuple(fleet.services.ids[s] for s in fleet.flows.service[flows].tolist()) for flows in parts]
    return dict(zip(fleet.origins.ids, zip(parts, names, strict=True), strict=True))


def _standbys(problem: Problem, row: Ints, column: Ints) -> tuple[Ints, Ints, Ints]:
    """(flow, cluster, priority from 1) of offered routes that carry no weight, cheapest first."""
    routes, columns = problem.routes, problem.fleet.shed + 1
    place = lookup(routes.flow * columns + routes.cluster, row * columns + column)
    free = np.ones(len(routes), dtype=bool)
    free[place[place >= 0]] = False
    spare = np.flatnonzero(free)
    spare = spare[np.argsort(routes.usd[spare], kind="stable")]  # routes stand flow by flow, clusters ascending
    spare = spare[np.argsort(routes.flow[spare], kind="stable")]
    flow = routes.flow[spare]
    rank = np.arange(len(spare)) - np.searchsorted(flow, flow)
    near = rank < BACKUPS_MAX
    weightless = np.bincount(row, minlength=len(problem.fleet.flows))[flow] == 0
    return flow[near & ~weightless], routes.cluster[spare][near & ~weightless], rank[near & ~weightless] + 1
