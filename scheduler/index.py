"""The rows of a fleet by the names that telemetry uses for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import Bools, Floats, Ints, bools, ints
from placement.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Named:
    """The rows that N keys name: worked out once, for a source mostly names the same again."""

    row: Ints
    """(N,) of each key, -1 where there is none."""
    known: Ints
    """(n,) those that there are, ascending, each once."""
    repeated: Bools
    """(N,) keys that were named before in the same batch; of unknown ones all but the first count as such."""

    @property
    def whole(self) -> bool:
        """Whether every key is known and named once."""
        return len(self.known) == len(self.row)


def named(row: Ints) -> Named:
    """What (N,) rows are, -1 among them."""
    distinct, first = np.unique(row, return_index=True)
    repeated = np.ones(len(row), dtype=np.bool_)
    repeated[first] = False
    return Named(ints(row), ints(distinct[distinct >= 0]), bools(repeated))


@dataclass(frozen=True, slots=True)
class Index:
    """Rows of a fleet by the names that telemetry uses. Built once per fleet."""

    fleet: Fleet
    flows: Mapping[tuple[str, ...], int]
    """(service, origin) -> row."""
    backends: Mapping[tuple[str, ...], int]
    """(service, cluster) -> row."""
    capacity_declared_rps: Floats
    """(B,)"""
    found: dict[tuple[str, Signal], tuple[tuple[tuple[str, ...], ...], Named]] = field(default_factory=dict)
    """The keys that a source named last, and their rows: it mostly names the same again."""

    def of(self, signal: Signal) -> Mapping[tuple[str, ...], int]:
        """The rows that a signal is measured for."""
        return self.flows if signal is Signal.DEMAND_RPS else self.backends

    def rows(self, batch: Batch) -> Named:
        """The rows that the keys of a batch name."""
        last = self.found.get((batch.source, batch.signal))
        if last is None or (last[0] is not batch.keys and last[0] != batch.keys):
            last = self.found[batch.source, batch.signal] = batch.keys, self._looked_up(batch)
        return last[1]

    def _looked_up(self, batch: Batch) -> Named:
        known = self.of(batch.signal)
        return named(np.fromiter((known.get(key, -1) for key in batch.keys), dtype=np.int64, count=len(batch.keys)))

    def name(self, signal: Signal, key: tuple[str, ...]) -> str:
        """A key as people write it."""
        return ("@" if signal is Signal.DEMAND_RPS else "/").join(key)

    def nearest(self, signal: Signal, key: tuple[str, ...]) -> str:
        """The names most like the two of a key, as people write them; empty where nothing is like them."""
        ids = self.fleet.origins.ids if signal is Signal.DEMAND_RPS else self.fleet.clusters.ids
        near = tuple(closest(part, names) for part, names in zip(key, (self.fleet.services.ids, ids), strict=False))
        return self.name(signal, near) if len(near) == len(key) and all(near) else ""


@lru_cache(maxsize=1_024)
def closest(name: str, names: tuple[str, ...]) -> str:
    """The most similar of some names, empty for none. Kept, because a wrong label comes again with every scrape."""
    return next(iter(get_close_matches(name, names, 1)), "")


def index_fleet(fleet: Fleet, capacity_declared_rps: Floats) -> Index:
    """The index of a fleet and of what was declared for it."""
    services, clusters, origins = fleet.services.ids, fleet.clusters.ids, fleet.origins.ids
    flows = zip(fleet.flows.service.tolist(), fleet.flows.origin.tolist(), strict=True)
    backends = zip(fleet.backends.service.tolist(), fleet.backends.cluster.tolist(), strict=True)
    return Index(
        fleet=fleet,
        flows={(services[s], origins[o]): row for row, (s, o) in enumerate(flows)},
        backends={(services[s], clusters[c]): row for row, (s, c) in enumerate(backends)},
        capacity_declared_rps=capacity_declared_rps,
    )
