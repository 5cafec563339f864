"""Part of a routing: the rows that differ from another one. What a failover table keeps of every loss."""

from dataclasses import dataclass

import numpy as np

from placement.columns import Floats, Ints, floats, ints
from placement.routing import Routing, moved_share

TINY_SHARE = 1e-9


@dataclass(frozen=True, slots=True)
class Patch:
    """New rows for some flows, compressed like a Routing."""

    flow: Ints
    """(n,) ascending."""
    row_start: Ints
    """(n + 1,)"""
    column: Ints
    share: Floats

    def __len__(self) -> int:
        return len(self.flow)


def patch(before: Routing, after: Routing) -> Patch:
    """What changes from one routing to another."""
    return rows_of(after, np.flatnonzero(moved_share(before, after) > TINY_SHARE))


def rows_of(routing: Routing, flow: Ints) -> Patch:
    """Some rows of a routing; `flow` ascends."""
    size = np.diff(routing.row_start)[flow]
    start = np.concatenate([[0], np.cumsum(size)])
    entry = np.arange(start[-1]) - np.repeat(start[:-1] - routing.row_start[flow], size)
    return Patch(ints(flow), ints(start), ints(routing.column[entry]), floats(routing.share[entry]))


def applied(routing: Routing, change: Patch) -> Routing:
    """A routing with new rows for the flows of a patch, the others as they stand."""
    if not len(change):
        return routing
    size = np.diff(routing.row_start).copy()
    size[change.flow] = np.diff(change.row_start)
    start = np.concatenate([[0], np.cumsum(size)])
    column, share = np.empty(start[-1], dtype=np.int64), np.empty(start[-1])
    new = np.zeros(len(routing), dtype=bool)
    new[change.flow] = True
    fresh = np.repeat(new, size)
    kept = ~new[routing.row]
    column[fresh], column[~fresh] = change.column, routing.column[kept]
    share[fresh], share[~fresh] = change.share, routing.share[kept]
    return Routing(ints(start), ints(column), floats(share), routing.columns)


def placed(change: Patch, flow: Ints) -> Patch:
    """The same rows under other flow numbers: row i was `i` of a portion and is `flow[i]` of the whole."""
    return Patch(ints(flow[change.flow]), change.row_start, change.column, change.share)
