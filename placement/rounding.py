"""Shares to integers: each row by itself, or with what earlier sources of a service were given too much or too little.

Rows are rounded by the method of Hamilton: floors, then one each to the largest remainders, so that sums are exact.
With coarse weights the errors of many sources may fall on the same backend. Error diffusion (after Floyd and Steinberg
1976, who did it to pixels) lets the next source make up for them: sources of a service in turn, the busiest first, each
with its shares corrected by what is owed, by one weight at most so that no source strays far from its own plan.
"""

import numpy as np

from placement.columns import Bools, Floats, Ints
from placement.fleet import Fleet
from placement.routing import Routing


def largest_remainder(routing: Routing, unit: int) -> Ints:
    """(N,) integers whose sum over each row is exactly `unit`."""
    return _hamilton(routing.row, routing.column, routing.share * unit, unit)


def diffused(fleet: Fleet, routing: Routing, demand_rps: Floats, weights: Ints, settled: Bools, unit: int) -> Ints:
    """(N,) weights with the error of (F,) demand diffused over the sources of each service.

    Rows that are `settled`, (F,), keep their `weights`, and their errors are made up for too.
    """
    row, share = routing.row, routing.share
    backend = fleet.flows.service[row] * routing.columns + routing.column
    rps = demand_rps[row]
    out = weights.copy()
    owed = np.zeros(len(fleet.services) * routing.columns)
    fixed = settled[row]
    np.add.at(owed, backend[fixed], ((out / unit - share) * rps)[fixed])
    turn = np.where(settled, -1, _turns(fleet.flows.service, np.where(settled, -1.0, demand_rps)))[row]
    order = np.argsort(turn, kind="stable")
    ends = np.searchsorted(turn[order], np.arange(int(turn.max(initial=-1)) + 2))
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        part = order[begin:end]
        per_unit = np.maximum(rps[part], 1e-12) / unit
        want = np.maximum(share[part] * unit - np.clip(owed[backend[part]] / per_unit, -1.0, 1.0), 0.0)
        _, local = np.unique(row[part], return_inverse=True)
        want *= (unit / np.bincount(local, weights=want))[local]
        out[part] = _hamilton(local, routing.column[part], want, unit)
        owed[backend[part]] += (out[part] / unit - share[part]) * rps[part]
    return out


def _hamilton(row: Ints, column: Ints, want: Floats, unit: int) -> Ints:
    """(N,) integers for (N,) `want` in ascending rows 0, 1, ... that each sum to `unit`."""
    floor = np.floor(want + 1e-9)
    count = np.bincount(row)
    missing = unit - np.bincount(row, weights=floor).astype(np.int64)
    order = np.lexsort((column, -(want - floor), row))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    return np.asarray(floor, dtype=np.int64) + (rank < missing[row])


def _turns(service: Ints, demand_rps: Floats) -> Ints:
    """(F,) position of a flow among those of its service, the busiest first."""
    order = np.lexsort((-demand_rps, service))
    turn = np.empty(len(service), dtype=np.int64)
    turn[order] = np.arange(len(service)) - np.searchsorted(service[order], service[order])
    return turn
