"""Drills on simulated meshes, in the hands of a test."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from connectors.connector import Receipt
from connectors.rehearsal import Tally
from health.drill import Phase
from health.probe import ProbeTarget
from placement.columns import ints
from placement.weights import WeightTable
from scheduler.drill_begin import DrillPorts
from scheduler.drill_book import PathBook
from scheduler.drill_calendar import DrillPolicy
from scheduler.drill_ledger import Json
from scheduler.drill_meter import SentMeter
from scheduler.drill_probes import Legs, PathProbes
from scheduler.drill_sight import Look
from scheduler.drills import Drills
from scheduler.loop import tick
from scheduler.ports import LedgerDown
from scheduler.turn import Turn
from simulator.run import in_place
from tests.scheduler.ports import Bench, bench

LOSS = "cluster fra"
POLICY_OF_DRILLS = DrillPolicy(step_s=6.0, hold_s=8.0, lease_s=5.0, kinds=())
LOOK_S = 0.5


@dataclass
class Store:
    """A drill store that can be told to fail."""

    broken: bool = False
    opened: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    closed: list[Json] = field(default_factory=list)

    async def open(self, body: Json) -> None:
        if self.broken:
            raise LedgerDown("disk full")
        self.opened.append(body)

    async def note(self, drill: str, event: Json) -> None:
        self.events.append(event)

    async def close(self, body: Json) -> None:
        self.closed.append(body)


@dataclass
class Plain:
    """A mesh that takes weights and cannot rehearse."""

    origin: str
    ratio: float = 0.0
    counts: Tally = field(default_factory=Tally)

    async def read(self) -> None:
        return None

    async def write(self, table: WeightTable) -> Receipt:
        return Receipt(table.origin, table.epoch, table.version, stored=True)


@dataclass
class Stage:
    """A bench with a loop that was ticked, and drills beside it."""

    bench: Bench
    store: Store
    drills: Drills
    probes: PathProbes
    policy: DrillPolicy
    turn: Turn | None = None

    async def tick(self) -> Turn:
        self.bench.measure(0.5)
        self.bench.state, self.turn = await tick(self.bench.state, self.bench.ports, self.bench.policy)
        return self.turn

    async def pass_s(self, seconds: float, answer: bool = True) -> None:
        """Time goes by: a tick a second, a look every half, and requests that all end well."""
        end_s = self.bench.clock.at_s + seconds
        while self.bench.clock.at_s < end_s:
            self.bench.clock.at_s += LOOK_S
            self.bench.watch.report(np.arange(6), np.ones(6, dtype=bool), self.bench.clock.at_s)
            if answer:
                self.count(rehearsed_failed=0)
            if self.bench.clock.at_s % 1 == 0:
                await self.tick()
            await self.drills.look()

    def count(self, rehearsed_failed: int) -> None:
        """A hundred requests on every mesh."""
        for mesh in self.bench.meshes.values():
            ours = round(100 * mesh.ratio)
            mesh.counts += Tally(ours, min(rehearsed_failed, ours), 100 - ours, 0)

    @property
    def ratios(self) -> set[float]:
        """What the meshes route the failover's way."""
        return {mesh.ratio for mesh in self.bench.meshes.values()}

    @property
    def ended(self) -> Json:
        """The one drill that is over."""
        assert self.drills.live is None
        return self.drills.ended[-1]

    async def until(self, phase: Phase) -> None:
        for _ in range(400):
            if self.drills.live is not None and self.drills.live.drill.phase is phase:
                return
            await self.pass_s(LOOK_S)
        raise AssertionError(f"never {phase}")


async def stage(policy: DrillPolicy = POLICY_OF_DRILLS) -> Stage:
    b = bench()
    for mesh in b.meshes.values():
        mesh._now_s = b.clock.now_s
    b.clock.at_s = 100.0
    probes = PathProbes(b.clock.wall_s)
    keys = len(b.fleet.flows) * len(b.fleet.clusters)
    targets = tuple(ProbeTarget("tcp", "192.0.2.1", port) for port in range(1, keys + 1))
    probes.replace(Legs(ints(range(keys)), ints(range(keys + 1)), ints(range(keys)), targets), 60.0)
    probes.good_at_s[:] = 1e9
    store = Store()
    made: Stage

    def look() -> Look | None:
        if made.turn is None:
            return None
        return Look(b.clock.at_s, b.clock.at_s, b.state, made.turn, silence_max_s=15.0)

    ports = DrillPorts(b.clock, b.watch, b.meshes, store, in_place, look, lambda: made.policy)
    made = Stage(b, store, Drills(ports, PathBook(probes), SentMeter()), probes, policy)
    await made.tick()
    await made.tick()
    await made.drills._follow(look() or pytest.fail("no look"))
    return made
