"""Integer weights as one mesh is given them: a whole table, fenced by (epoch, version)."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, repeat
from typing import Any, NamedTuple

import numpy as np

from placement.columns import Ints
from placement.fleet import ClusterId, OriginId, ServiceId


class Target(NamedTuple):
    """One destination of one service, seen from one origin."""

    cluster: ClusterId
    weight: int
    """0 for a standby."""
    priority: int
    """0 takes traffic by weight; 1, 2, ... take over in this order when all before are gone."""


@dataclass(frozen=True, slots=True)
class WeightTable:
    """What one connector writes: for each service of one origin, integer weights over clusters.

    Row r is `services[r]`; its targets are `column/weight/priority[row_start[r]:row_start[r + 1]]`. The weights of a
    row and its `shed_weight` add up to `unit`. Standbys (weight 0, priority >= 1) are only ever clusters that the
    service may use, so that a data plane which fails over by itself stays lawful.
    """

    origin: OriginId
    epoch: int
    version: int
    unit: int
    clusters: tuple[ClusterId, ...]
    services: tuple[ServiceId, ...]
    row_start: Ints
    column: Ints
    weight: Ints
    priority: Ints
    shed_weight: Ints
    """(rows,) requests refused at the origin, out of `unit`."""
    row: Ints = field(init=False, repr=False, compare=False)
    """(N,) the row of each target."""
    known: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was worked out of the weights, by name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", np.repeat(np.arange(len(self.services)), np.diff(self.row_start)))
        sums = np.bincount(self.row, weights=self.weight, minlength=len(self.services)) + self.shed_weight
        assert (self.weight >= 0).all(), "a negative weight"
        whole = (sums == self.unit).all() and (self.shed_weight >= 0).all()
        assert whole, f"{self.origin}: the weights of a service do not add up to {self.unit}"
        assert ((self.weight > 0) == (self.priority == 0)).all(), "weight and priority disagree about a standby"

    @property
    def fence(self) -> tuple[int, int]:
        """(epoch, version): a mesh never accepts a lower one than it has."""
        return self.epoch, self.version

    def targets(self, row: int) -> tuple[Target, ...]:
        """The destinations of one row, as they stand."""
        part = slice(self.row_start[row], self.row_start[row + 1])
        columns = (self.column[part].tolist(), self.weight[part].tolist(), self.priority[part].tolist())
        return tuple(Target(self.clusters[c], w, p) for c, w, p in zip(*columns, strict=True))

    def items(self) -> Iterator[tuple[ServiceId, tuple[Target, ...], int]]:
        """(service, targets, shed weight) row by row, for translation into what a mesh speaks."""
        every = tuple(map(tuple.__new__, repeat(Target), self._columns()))
        for service, (begin, end), shed in zip(*self._rows(), strict=True):
            yield service, every[begin:end], shed

    def content(self) -> dict[str, object]:
        """All but the fence, as plain values in a fixed order."""
        every = list(map(list, self._columns()))
        rows = {
            s: {"shed": shed, "targets": every[begin:end]} for s, (begin, end), shed in zip(*self._rows(), strict=True)
        }
        return {"origin": self.origin, "unit": self.unit, "services": rows}

    def text(self) -> str:
        """The content as JSON, of which the digest is taken."""
        return json.dumps(self.content(), sort_keys=True)

    def digest(self, text: str | None = None) -> str:
        """SHA-256 of the content, which may be at hand as `text`: equal digests mean that there is nothing to write."""
        if "digest" not in self.known:
            self.known["digest"] = hashlib.sha256((text or self.text()).encode()).hexdigest()
        return str(self.known["digest"])

    def _columns(self) -> Iterator[tuple[ClusterId, int, int]]:
        """Cluster, weight and priority of all targets."""
        names = map(self.clusters.__getitem__, self.column.tolist())
        return zip(names, self.weight.tolist(), self.priority.tolist(), strict=True)

    def _rows(self) -> tuple[tuple[ServiceId, ...], Iterator[tuple[int, int]], list[int]]:
        """Services, where the targets of each stand, and what is refused of it."""
        return self.services, pairwise(self.row_start.tolist()), self.shed_weight.tolist()

    def same_weights(self, other: "WeightTable") -> bool:
        """Whether there is nothing to write: equal content, whatever the fence."""
        names = self.clusters == other.clusters and self.services == other.services
        if not (names and self.unit == other.unit):
            return self.digest() == other.digest()
        columns = ("row_start", "column", "weight", "priority", "shed_weight")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in columns)

    def fenced(self, epoch: int, version: int) -> "WeightTable":
        """The same weights under another fence."""
        same = object.__new__(WeightTable)  # what was checked is not checked again: these are a thousand a turn
        for name in self.__slots__:
            object.__setattr__(same, name, getattr(self, name))
        object.__setattr__(same, "epoch", epoch)
        object.__setattr__(same, "version", version)
        return same


def table_of(
    origin: str, unit: int, rows: dict[str, dict[str, tuple[int, int]]], fence: tuple[int, int] = (1, 1)
) -> WeightTable:
    """A table from `{service: {cluster: (weight, priority)}}`; what is missing to `unit` is shed. For edges, tests."""
    clusters = tuple(sorted({ClusterId(c) for targets in rows.values() for c in targets}))
    entries = [(clusters.index(ClusterId(c)), *pair) for targets in rows.values() for c, pair in targets.items()]
    flat = np.array(entries, dtype=np.int64).reshape(-1, 3)
    sizes = [len(targets) for targets in rows.values()]
    taken = [sum(weight for weight, _ in targets.values()) for targets in rows.values()]
    return WeightTable(
        origin=OriginId(origin), epoch=fence[0], version=fence[1], unit=unit, clusters=clusters,
        services=tuple(ServiceId(s) for s in rows), row_start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        column=flat[:, 0], weight=flat[:, 1], priority=flat[:, 2],
        shed_weight=np.array([unit - t for t in taken], dtype=np.int64),
    )  # fmt: skip


def table_from_content(content: dict[str, object], fence: tuple[int, int]) -> WeightTable:
    """The inverse of `content()`; raises KeyError, TypeError or ValueError for anything else."""
    services = content["services"]
    if not isinstance(services, dict):
        raise TypeError("services must be a mapping")
    rows = {s: {str(c): (int(w), int(p)) for c, w, p in row["targets"]} for s, row in services.items()}
    return table_of(str(content["origin"]), int(str(content["unit"])), rows, fence)
