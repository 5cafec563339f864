"""Telemetry hygiene: what of the measurements may be believed, and how far.

Rules of this file:
1. Nothing here drains a backend. Missing telemetry keeps the last value, however old; a capacity of 0 is not believed,
   a lower one only step by step and never below a part of what was declared: taking a backend out is for probes and
   people.
2. Nothing here attracts without bound. Capacity rises to 1.25 of the declared one, whatever a cluster says of itself.
3. Everything that comes out is finite and not negative, whatever went in.
4. What is refused or cut is counted, by source, signal and reason, with an example for people.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import Bools, Floats, Ints, floats, frozen
from placement.fleet import Fleet
from placement.readings import Readings
from scheduler.index import Index, Named, index_fleet
from scheduler.said import NOTHING, Said

FIELDS = (Signal.DEMAND_RPS, Signal.CAPACITY_RPS, Signal.LATENCY_MS, Signal.ERROR_RATIO)
"""The signals that become Readings; each is the name of its field. SENT_RPS is for who verifies the split,
LATENCY_P95_MS for drills."""


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
    capacity_min_ratio: float = 0.1
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
class Memory:
    """What hygiene remembers from one call to the next. Starts empty, and anew for every fleet."""

    index: Index | None = None
    said: Mapping[tuple[str, Signal], Said] = field(default_factory=dict)
    """Per source and signal."""
    taken_at_s: Mapping[Signal, Floats] = field(default_factory=dict)
    """(rows,) per signal: when the value in the readings was measured, whoever said it."""
    pending_rps: Floats = field(default_factory=lambda: floats([]))
    """(F,) a jump of demand seen once; NaN where there is none."""

    @staticmethod
    def empty() -> "Memory":
        """Nothing was said yet."""
        return Memory()


def clean(
    last: Readings, memory: Memory, batches: Sequence[Batch], fleet: Fleet, at_s: float, limits: HygieneLimits
) -> tuple[Readings, Memory, Rejections]:
    """The readings at `at_s`: `last`, with every measurement that may be believed put in. The freshest source wins.

    With an empty memory, or one of another fleet, the capacities in `last` are taken for the declared ones.
    """
    index = memory.index
    if index is None or index.fleet is not fleet:
        index = index_fleet(fleet, last.capacity_rps)
        memory = Memory(index=index)
    bench = Bench(index, memory, last)
    known = [(batch, index.rows(batch)) for batch in batches if batch.signal in FIELDS and len(batch.keys)]
    bench.open(known)
    for batch, spoken in sorted(known, key=lambda known: known[0].at_s):
        take(bench, batch, spoken, at_s, limits)
    readings = Readings(bench.demand_at_s, **{signal.value: frozen(bench.value[signal]) for signal in FIELDS})
    return readings, bench.memory(), Rejections(tuple(bench.rejections.values()))


class Bench:
    """The working copies of one call of `clean`."""

    def __init__(self, index: Index, memory: Memory, last: Readings) -> None:
        self.index, self.last = index, last
        self.value: dict[Signal, Floats] = {signal: np.array(getattr(last, signal.value)) for signal in FIELDS}
        self.said = dict(memory.said)
        self.taken_at_s = {signal: self._taken_at_s(memory, signal) for signal in FIELDS}
        flows = len(last.demand_rps)
        self.pending_rps = np.array(memory.pending_rps) if len(memory.pending_rps) else np.full(flows, np.nan)
        self.demand_at_s = last.at_s
        self.rejections: dict[tuple[str, Signal, Reason], Rejection] = {}

    def open(self, known: Iterable[tuple[Batch, Named]]) -> None:
        """Make room for what sources are about to say: once for each, whose agents may be a thousand."""
        rows: dict[tuple[str, Signal], list[Named]] = {}
        for batch, spoken in known:
            rows.setdefault((batch.source, batch.signal), []).append(spoken)
        for key, of_one in rows.items():
            self.said[key] = self.said.get(key, NOTHING).open_to(of_one)

    def memory(self) -> Memory:
        """What to remember of it. Nothing is written on the bench after that."""
        taken = {signal: frozen(column) for signal, column in self.taken_at_s.items()}
        for one in self.said.values():
            frozen(one.at_s)
        return Memory(self.index, self.said, taken, frozen(self.pending_rps))

    def note(self, batch: Batch, where: Bools, reason: Reason) -> None:
        """Count the marked measurements of a batch, and keep the first of a kind as the example."""
        count = int(np.count_nonzero(where))
        if not count:
            return
        key = (batch.source, batch.signal, reason)
        if key in self.rejections:
            self.rejections[key] = replace(self.rejections[key], count=self.rejections[key].count + count)
            return
        first = int(np.argmax(where))
        example = f"{self.index.name(batch.signal, batch.keys[first])} = {batch.value[first]:g}"
        if reason is Reason.UNKNOWN and (near := self.index.nearest(batch.signal, batch.keys[first])):
            example += f"; the nearest known is {near}"
        self.rejections[key] = Rejection(*key, count, example)

    def _taken_at_s(self, memory: Memory, signal: Signal) -> Floats:
        taken_at_s = memory.taken_at_s.get(signal)
        return np.full(len(self.value[signal]), -np.inf) if taken_at_s is None else np.array(taken_at_s)


def take(bench: Bench, batch: Batch, spoken: Named, at_s: float, limits: HygieneLimits) -> None:
    """Put what is left of one batch, (N,) rows, after all rules on the bench."""
    assert len(batch.keys) == len(batch.value), f"{batch.source}: {len(batch.keys)} keys, {len(batch.value)} values"
    signal, row = batch.signal, spoken.row
    said = bench.said[batch.source, signal]
    left = np.ones(len(row), dtype=bool)
    for reason, holds in faults(batch, spoken, said.of(spoken), at_s, limits):
        if holds.any():
            bench.note(batch, left & holds, reason)
            left = left & ~holds
    if batch.at_s <= at_s + limits.future_max_s:
        said.hear(spoken, batch.at_s)

    left &= batch.at_s > bench.taken_at_s[signal][row]  # another source was fresher: nobody's fault
    if signal is Signal.DEMAND_RPS:
        left = left & ~unconfirmed(bench, batch, row, left, limits)
    if not left.any():
        return
    taken, value = (row, batch.value) if left.all() else (row[left], batch.value[left])
    bounded = within_bounds(bench, signal, taken, value, limits)
    if (bounded != value).any():
        cut = np.zeros(len(row), dtype=bool)
        cut[left] = bounded != value
        bench.note(batch, cut, Reason.BOUNDED)
    bench.value[signal][taken] = bounded
    bench.taken_at_s[signal][taken] = batch.at_s
    if signal is Signal.DEMAND_RPS:
        bench.demand_at_s = max(bench.demand_at_s, batch.at_s)


def faults(
    batch: Batch, spoken: Named, before_s: Floats, at_s: float, limits: HygieneLimits
) -> Iterator[tuple[Reason, Bools]]:
    """(N,) for every reason to refuse, the measurements it holds for. The first one that holds is the one to name.

    `before_s` (N,) is when the same source measured the same rows before.
    """
    value, row = batch.value, spoken.row
    if not spoken.whole:
        yield Reason.UNKNOWN, row < 0
        yield Reason.REPEATED, spoken.repeated
    if not batch.at_s <= at_s + limits.future_max_s:
        yield Reason.FUTURE, np.ones(len(row), dtype=bool)
    if not at_s - batch.at_s <= limits.age_max_s:
        yield Reason.STALE, np.ones(len(row), dtype=bool)
    yield Reason.OLD, batch.at_s <= before_s
    yield Reason.NOT_A_NUMBER, ~(np.isfinite(value) & (value >= 0))
    if batch.signal in {Signal.DEMAND_RPS, Signal.CAPACITY_RPS}:
        yield Reason.IMPOSSIBLE, value > limits.rps_max
    if batch.signal is Signal.CAPACITY_RPS:
        yield Reason.ZERO, value == 0


def unconfirmed(bench: Bench, batch: Batch, row: Ints, left: Bools, limits: HygieneLimits) -> Bools:
    """(N,) demands that are far from the last and from what was pending; they are pending from now on."""

    def apart(a: Floats, b: Floats) -> Bools:
        ratio = np.maximum(a, limits.jump_floor_rps) / np.maximum(b, limits.jump_floor_rps)
        return np.asarray((ratio > limits.jump_ratio) | (ratio < 1 / limits.jump_ratio))

    value, flow = batch.value[left], row[left]
    pending = bench.pending_rps[flow]
    jumps = np.zeros(len(row), dtype=bool)
    jumps[left] = apart(value, bench.value[Signal.DEMAND_RPS][flow]) & (np.isnan(pending) | apart(value, pending))
    bench.pending_rps[flow] = np.where(jumps[left], value, np.nan)
    bench.note(batch, jumps, Reason.JUMP)
    return jumps


def within_bounds(bench: Bench, signal: Signal, row: Ints, value: Floats, limits: HygieneLimits) -> Floats:
    """(n,) the values as far as they are believed."""
    match signal:
        case Signal.CAPACITY_RPS:
            declared = bench.index.capacity_declared_rps[row]
            fallen = (1 - limits.capacity_fall_max) * bench.last.capacity_rps[row]
            least = np.maximum(fallen, limits.capacity_min_ratio * declared)
            return np.asarray(np.minimum(np.maximum(value, least), limits.capacity_max_ratio * declared))
        case Signal.LATENCY_MS:
            return np.minimum(value, limits.latency_max_ms)
        case Signal.ERROR_RATIO:
            return np.minimum(value, 1.0)
        case _:
            return value
