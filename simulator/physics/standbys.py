"""What a mesh does by itself with a request that is refused: it sends it on to the next destination of its table."""

from dataclasses import dataclass, replace

import numpy as np

from placement.columns import Bools, Floats, Ints, index_of, lookup
from placement.fleet import Fleet, OriginId
from placement.weights import WeightTable
from simulator.physics.layout import Entries, Layout, entry_rows

BACK_OFF_MS = 5.0
"""From a refusal to the next attempt, beside the way there and back: what our Envoys are told."""
NOWHERE = np.iinfo(np.int64).max


def nobody(fleet: Fleet) -> Ints:
    """(F, C) the order in which meshes without a table try clusters: none."""
    return np.full((len(fleet.flows), len(fleet.clusters)), NOWHERE)


def ranked(fleet: Fleet, rank: Ints, origin: OriginId, table: WeightTable) -> Ints:
    """(F, C) the order with what a table of one origin says: its priorities."""
    services, clusters = index_of(fleet.services.ids), index_of(fleet.clusters.ids)
    service = np.array([services[s] for s in table.services], dtype=np.int64)
    column = np.array([clusters[c] for c in table.clusters], dtype=np.int64)
    keys = fleet.flows.service * len(fleet.origins) + fleet.flows.origin
    flow = lookup(keys, service * len(fleet.origins) + index_of(fleet.origins.ids)[origin])
    after = rank.copy()
    after[flow[flow >= 0]] = NOWHERE
    named = flow[table.row] >= 0
    after[flow[table.row][named], column[table.column][named]] = table.priority[named]
    return after


@dataclass(frozen=True, slots=True)
class Attempts:
    """Entries, the second attempts behind the first ones."""

    entries: Entries
    tried_ms: Floats
    """(N,) what the attempt before took; 0 for first ones."""


def with_second_attempts(layout: Layout, first: Entries, rank: Ints, refused: Bools, open_: Bools) -> Attempts:
    """The entries with another attempt of those that are `refused` (N,): once, at the cluster that the table names next
    among those which are `open_`, (F, C).
    """
    lost = np.flatnonzero(refused)
    order = np.where(open_[first.row[lost]], rank[first.row[lost]], NOWHERE)
    order[np.arange(len(lost)), first.cluster[lost]] = NOWHERE
    column = order.argmin(axis=1) if len(lost) else lost
    found = order[np.arange(len(lost)), column] < NOWHERE
    lost, column = lost[found], column[found]
    second = entry_rows(layout, first.row[lost], column, first.share[lost], first.shed)
    joined = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])
        for name in Entries.__slots__
        if name != "shed"
    }
    tried_ms = np.concatenate([np.zeros(len(first.row)), first.rtt_ms[lost] + BACK_OFF_MS])
    return Attempts(replace(first, **joined), tried_ms)
