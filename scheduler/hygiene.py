"""Telemetry hygiene: what of the measurements may be believed, and how far.

Rules of this file:
1. Nothing here drains a backend. Missing telemetry keeps the last value, however old; a capacity of 0 is not believed,
   a lower one only step by step and never below a part of what was declared: taking a backend out is for probes and
   people.
2. Nothing here attracts without bound. Capacity rises to 1.25 of the declared one, whatever a cluster says of itself.
3. Everything that comes out is finite and not negative, whatever went in.
4. What is refused or cut is counted, by source, signal and reason, with an example for people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import Bools, Floats, Ints, floats
from placement.fleet import Fleet
from placement.readings import Readings

FIELDS = (Signal.DEMAND_RPS, Signal.CAPACITY_RPS, Signal.LATENCY_MS, Signal.ERROR_RATIO)
"""The signals that become Readings; each is the name of its field. SENT_RPS is for who verifies the split."""


class Reason(StrEnum):
    """Why a measurement was not taken as it came."""

    UNKNOWN = "unknown"
    """No flow or backend of the fleet has this key."""
    REPEATED = "repeated"
    """The key occurs twice in one batch: the query does not add it up. The first is taken."""
    NOT_A_NUMBER = "not_a_number"
    """NaN, infinite or negative."""
    IMPOSSIBLE = "impossible"
    """Above the physical maximum."""
    FUTURE = "future"
    STALE = "stale"
    OLD = "old"
    """Not newer than what the same source said before: a duplicate, or out of order."""
    JUMP = "jump"
    """Demand too far from the last; taken when the next one confirms it."""
    ZERO = "zero"
    """A capacity of 0 is for probes or operators to say."""
    BOUNDED = "bounded"
    """Taken, but cut to what is allowed."""


@dataclass(frozen=True, slots=True)
class HygieneLimits:
    """How far a measurement is believed."""

    future_max_s: float = 2.0
    """Clocks differ by less than this."""
    age_max_s: float = 30.0
    rps_max: float = 1e9
    """More than any service of this world gets or serves."""
    latency_max_ms: float = 60_000.0
    jump_ratio: float = 10.0
    """Demand that changes by more in one step has to be seen twice."""
    jump_floor_rps: float = 10.0
    """Demand below this counts as this, or every first request would be a jump."""
    capacity_fall_max: float = 0.5
    """Most part of its capacity a backend loses in one call."""
    capacity_min_ratio: float = 0.05
    """Least part of the declared capacity that telemetry can leave, however often it asks for less."""
    capacity_max_ratio: float = 1.25
    """Most, in parts of the declared capacity."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """How many measurements of one source and signal were refused (or cut) for one reason."""

    source: str
    signal: Signal
    reason: Reason
    count: int
    example: str
    """`service@origin = value`, or `service/cluster = value`; for an unknown key with the nearest known one."""

    def __str__(self) -> str:
        return f"{self.source}: {self.count} of {self.signal} {self.reason}, such as {self.example}"


@dataclass(frozen=True, slots=True)
class Rejections:
    """What one call refused."""

    rows: tuple[Rejection, ...] = ()

    def count(self, reason: Reason | None = None) -> int:
        """How many, for one reason or for all."""
        return sum(row.count for row in self.rows if reason in {None, row.reason})


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

    def of(self, signal: Signal) -> Mapping[tuple[str, ...], int]:
        """The rows that a signal is measured for."""
        return self.flows if signal is Signal.DEMAND_RPS else self.backends

    def rows(self, batch: Batch) -> Ints:
        """(N,) the row of each key, -1 where there is none."""
        known = self.of(batch.signal)
        return np.fromiter((known.get(key, -1) for key in batch.keys), dtype=np.int64, count=len(batch.keys))

    def nearest(self, signal: Signal, key: tuple[str, ...]) -> str:
        """The known key that looks most like this one, or an empty text."""
        seconds = self.fleet.origins.ids if signal is Signal.DEMAND_RPS else self.fleet.clusters.ids
        parts = [get_close_matches(part, ids, 1) for part, ids in zip(key, (self.fleet.services.ids, seconds))]
        return name_of(signal, tuple(part[0] for part in parts)) if all(parts) else ""


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


@dataclass(frozen=True, slots=True)
class Memory:
    """What hygiene remembers from one call to the next. Starts empty, and anew for every fleet."""

    index: Index | None = None
    said_at_s: Mapping[tuple[str, Signal], Floats] = field(default_factory=dict)
    """(rows,) per source and signal: when it last measured each row."""
    taken_at_s: Mapping[Signal, Floats] = field(default_factory=dict)
    """(rows,) per signal: when the value in the readings was measured, whoever said it."""
    pending_rps: Floats = field(default_factory=lambda: floats([]))
    """(F,) a jump of demand seen once; NaN where there is none."""

    @staticmethod
    def empty() -> "Memory":
        """Nothing was said yet."""
        return Memory()
