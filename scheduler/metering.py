"""What turns used, added up: the meter that feeds cost reports, in production and in the simulator alike."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from placement.columns import Floats, Ints, floats
from placement.fleet import Fleet
from placement.standing import standing_parts
from scheduler.state import State
from scheduler.turn import Turn
from scheduler.usage import HOUR_S, NONE, Usage, frame

if TYPE_CHECKING:  # see scheduler.usage
    import polars as pl

PARTS = ("used", "resilience", "idle")
GAP_S = 120.0
"""A turn speaks for the time since the one before it, but not for longer than this: beyond, nothing was measured."""


@dataclass(slots=True)
class Meter:
    """Filled turn by turn; hands out a record whenever an hour, a flush or a fleet ends."""

    flush_s: float = 300.0
    fleet: Fleet | None = None
    last_s: float = float("nan")
    """When the turn before was."""
    began_s: float = 0.0
    covered_s: float = 0.0
    keys: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """flow x (C + 1) + column, ascending ..."""
    requests: Floats = field(default_factory=lambda: np.zeros(0))
    """... and the requests that went there."""
    capacity: Floats = field(default_factory=lambda: np.zeros(0))
    """(B,) rps times seconds."""

    def hear(self, state: State, turn: Turn) -> list[Usage]:
        """Take a turn; returns the records that are complete with it."""
        closed = list(self._ended(state.fleet, turn.wall_s))
        before, self.last_s = self.last_s, turn.wall_s
        seconds = turn.wall_s - before
        if 0 < seconds <= GAP_S:
            self._add(turn, seconds)
        return closed

    def close(self) -> list[Usage]:
        """What is not handed out yet."""
        found = [self._record()] if self.fleet is not None and self.covered_s > 0 else []
        self.covered_s = 0.0
        return found

    def _ended(self, fleet: Fleet, wall_s: float) -> Iterator[Usage]:
        """The record so far, where the turn does not belong to it any more."""
        other_hour = int(wall_s // HOUR_S) != int(self.began_s // HOUR_S)
        if fleet is not self.fleet or other_hour or wall_s - self.began_s >= self.flush_s or wall_s < self.began_s:
            yield from self.close()
            self.fleet, self.began_s = fleet, wall_s
            self.keys, self.requests = np.zeros(0, dtype=np.int64), np.zeros(0)
            self.capacity = np.zeros(len(fleet.backends))

    def _add(self, turn: Turn, seconds: float) -> None:
        fleet, routing = self.fleet, turn.pushed
        assert fleet is not None, "a fleet comes with the first turn"
        demand = turn.snapshot.readings.demand_rps
        keys = routing.row * routing.columns + routing.column
        served = demand[routing.row] * routing.share * seconds
        if np.array_equal(keys, self.keys):
            self.requests = self.requests + served
        else:
            both = np.union1d(self.keys, keys)
            requests = np.zeros(len(both))
            requests[np.searchsorted(both, self.keys)] = self.requests
            requests[np.searchsorted(both, keys)] += served
            self.keys, self.requests = both, requests
        self.capacity = self.capacity + self._capacity(turn) * seconds
        self.covered_s += seconds

    def _capacity(self, turn: Turn) -> Floats:
        """(B,) rps of the replicas that stand; where they follow load, of those that it brings about."""
        capacity, current = turn.snapshot.readings.capacity_rps, self.fleet
        assert current is not None, "a fleet comes with the first turn"
        scaler = current.scaler
        if scaler is None or not scaler.follows.any():
            return capacity
        routing = turn.pushed
        backend = current.backend_of(routing.row, routing.column)
        there = backend >= 0
        rps = turn.snapshot.readings.demand_rps[routing.row] * routing.share
        load = np.bincount(backend[there], weights=rps[there], minlength=len(capacity))
        running = scaler.running(floats(load)[:, None])[:, 0] * scaler.rps_per_replica
        return np.where(scaler.follows, np.minimum(running, capacity), capacity)

    def _record(self) -> Usage:
        fleet = self.fleet
        assert fleet is not None, "only a fleet has a record"
        columns = len(fleet.clusters) + 1
        flow, column = self.keys // columns, self.keys % columns
        backend = fleet.backend_of(flow, column)
        starts_s = int(self.began_s // HOUR_S) * HOUR_S
        names: dict[str, tuple[str, ...]] = {
            "service": fleet.services.ids, "origin": fleet.origins.ids, "cluster": fleet.clusters.ids,
        }  # fmt: skip
        rows = _rows(fleet, flow, backend, self.requests, self.capacity / HOUR_S)
        return Usage(starts_s, HOUR_S, self.covered_s, names, rows)


def _rows(fleet: Fleet, flow: Ints, backend: Ints, requests: Floats, capacity_h: Floats) -> "pl.DataFrame":
    """Requests by route, and the replica-hours of every backend shared out to those whose requests it served."""
    service, origin = fleet.flows.service[flow], fleet.flows.origin[flow]
    there = backend >= 0
    load = np.bincount(backend[there], weights=requests[there], minlength=len(fleet.backends)) / HOUR_S
    parts = standing_parts(fleet, floats(load), floats(capacity_h))
    hours = replica_hours(fleet, capacity_h)
    row = backend[there]
    share = requests[there] / np.maximum(load[row] * HOUR_S, 1e-300)
    busy = {name: getattr(parts, name)[row] * hours[row] * share for name in PARTS}
    idle, shed = np.flatnonzero((load <= 0) & (hours > 0)), int((~there).sum())
    codes = {
        "service": np.concatenate([service[there], fleet.backends.service[idle], service[~there]]),
        "origin": np.concatenate([origin[there], np.full(len(idle), NONE), origin[~there]]),
        "cluster": np.concatenate([fleet.backends.cluster[np.concatenate([row, idle])], np.full(shed, NONE)]),
    }
    nothing = np.zeros(len(idle)), np.zeros(shed)
    quantities = {
        "requests": np.concatenate([requests[there], *nothing]),
        "refused": np.concatenate([np.zeros(len(row)), nothing[0], requests[~there]]),
    }
    for name in PARTS:
        still = (getattr(parts, name) * hours)[idle]
        quantities[f"{name}_h"] = np.concatenate([busy[name], still, nothing[1]])
    return frame(codes, quantities)


def replica_hours(fleet: Fleet, capacity_h: Floats) -> Floats:
    """(B,) replica-hours from (B,) rps-hours of capacity, at the mean throughput of the backend's sites."""
    mean = np.bincount(fleet.sites.backend, weights=fleet.sites.rps_per_replica, minlength=len(fleet.backends))
    count = np.bincount(fleet.sites.backend, minlength=len(fleet.backends))
    return np.asarray(capacity_h * count / np.maximum(mean, 1e-300), dtype=np.float64)
