"""Ports in memory for the tests of the loop: real implementations of the small interfaces, nothing patched."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import bools, floats
from placement.fleet import Fleet, OriginId
from placement.weights import WeightTable
from scheduler.orders import Orders, Override, Return, in_time
from scheduler.policy import Policy
from scheduler.ports import Configuration, LedgerDown, Ports
from scheduler.state import Mode, State, initial_state
from scheduler.turn import Turn
from scheduler.watch import ProbeWatch
from simulator.mesh import SimulatedMesh
from simulator.run import POLICY, InlineSolver, in_place
from simulator.trio import declared, trio


@dataclass
class HandClock:
    """Time that the test moves."""

    at_s: float = 0.0

    def now_s(self) -> float:
        return self.at_s

    def wall_s(self) -> float:
        return self.at_s

    async def sleep_until(self, at_s: float) -> None:
        self.at_s = at_s
        await asyncio.sleep(0)


@dataclass
class Inbox:
    """Batches that the test posts."""

    batches: list[Batch] = field(default_factory=list)

    def drain(self) -> tuple[Batch, ...]:
        found, self.batches = tuple(self.batches), []
        return found


@dataclass
class Notebook:
    """A ledger that can be told to fail."""

    broken: bool = False
    intents: list[Mapping[OriginId, WeightTable]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    async def intend(self, turn: int, tables: Mapping[OriginId, WeightTable]) -> None:
        if self.broken:
            raise LedgerDown("disk full")
        self.intents.append(tables)

    async def record(self, turn: Turn) -> None:
        if self.broken:
            raise LedgerDown("disk full")
        self.turns.append(turn)


@dataclass
class Counter:
    """A desk whose switches the test flips."""

    current: Configuration
    now: Mode = Mode.AUTO
    ticks: int = 1
    word: bool = False
    """What an operator says next."""
    overrides: tuple[Override, ...] = ()
    back: Return | None = None

    def configuration(self) -> Configuration:
        return self.current

    def mode(self) -> Mode:
        return self.now

    def resumed(self) -> bool:
        said, self.word = self.word, False
        return said

    def orders(self, wall_s: float) -> Orders:
        found, self.back = Orders(in_time(self.overrides, wall_s), self.back), None
        return found

    def closing(self) -> bool:
        self.ticks -= 1
        return self.ticks < 0


@dataclass
class Bench:
    """A trio fleet with everything around it in the hands of the test."""

    fleet: Fleet
    clock: HandClock
    watch: ProbeWatch
    inbox: Inbox
    notebook: Notebook
    meshes: dict[OriginId, SimulatedMesh]
    desk: Counter
    ports: Ports
    state: State
    policy: Policy

    def measure(self, load: float = 1.0) -> None:
        """Fresh demand: what is declared, times `load`."""
        flows = [
            (self.fleet.services.ids[s], self.fleet.origins.ids[o])
            for s, o in zip(self.fleet.flows.service.tolist(), self.fleet.flows.origin.tolist(), strict=True)
        ]
        value = declared(self.fleet).demand_rps * load
        self.inbox.batches.append(Batch(Signal.DEMAND_RPS, "test", self.clock.at_s, tuple(flows), floats(value)))

    def probe(self, dead: str = "", rounds: int = 3) -> None:
        """Some rounds of probes in which one cluster does not answer."""
        cluster = np.array([self.fleet.clusters.ids[c] == dead for c in self.fleet.backends.cluster.tolist()])
        for _ in range(rounds):
            self.clock.at_s += 0.25
            self.watch.report(np.arange(len(cluster)), bools(~cluster), self.clock.at_s)


def bench(policy: Policy = POLICY, epoch: int = 1, tables: Mapping[OriginId, WeightTable] | None = None) -> Bench:
    """A new bench; `tables` is what the meshes already have from an earlier controller."""
    fleet = trio()
    expected = declared(fleet)
    meshes = {origin: SimulatedMesh(origin) for origin in fleet.origins.ids}
    for origin, table in (tables or {}).items():
        meshes[origin].table = table
    watch = ProbeWatch(len(fleet.backends), policy.rules)
    clock, inbox, notebook = HandClock(), Inbox(), Notebook()
    desk = Counter(Configuration(fleet, expected, policy))
    ports = Ports(clock, watch, inbox, meshes, InlineSolver(), notebook, desk, in_place)
    state = initial_state(fleet, expected, tables or {}, epoch, at_s=0.0)
    return Bench(fleet, clock, watch, inbox, notebook, meshes, desk, ports, state, policy)


def dearer(fleet: Fleet, cluster: str, factor: float) -> Fleet:
    """The fleet with the compute of one cluster at another price."""
    here = np.array([fleet.clusters.ids[c] == cluster for c in fleet.backends.cluster[fleet.sites.backend].tolist()])
    price = np.where(here, fleet.sites.usd_per_replica_hour * factor, fleet.sites.usd_per_replica_hour)
    return replace(fleet, sites=replace(fleet.sites, usd_per_replica_hour=floats(price)))
