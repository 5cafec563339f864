"""Virtual time: it passes only when the loop waits for it, and the world, the probes and the instruments move along."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from connectors.telemetry import Batch
from placement.columns import floats
from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.desk import Unattended
from scheduler.ports import Configuration, LedgerDown
from scheduler.turn import Turn
from scheduler.watch import ProbeWatch
from simulator.physics.books import Keeper
from simulator.physics.layout import layout_of
from simulator.physics.probing import Probing, watch_of
from simulator.physics.strikes import Scene, boundaries, truth_at
from simulator.physics.telemetry import Instruments
from simulator.physics.truth import Truth
from simulator.physics.world import Happening, World
from simulator.scenario.faults import Event
from simulator.solver import Solver

T = TypeVar("T")
EPSILON_S = 1e-6


@dataclass(slots=True)
class Stage(Unattended):
    """The clock and the desk of a run: what moves the world, and what people want."""

    world: World
    probing: Probing
    instruments: Instruments
    keeper: Keeper
    solver: Solver
    events: tuple[Event, ...]
    scene: Scene
    configured: Configuration
    until_s: float
    step_s: float
    progress: Callable[[float], None] = lambda _: None
    boundaries_s: list[float] = field(default_factory=list)
    priced: Configuration | None = None
    ahead_s: float = 0.0
    """What the clock of those who watch is ahead of the world's."""

    def __post_init__(self) -> None:
        self.boundaries_s = sorted({t for event in self.events for t in boundaries(event, self.until_s)})
        self.priced = self.configured
        self._alter()

    def now_s(self) -> float:
        """Virtual seconds."""
        return self.world.now_s

    def wall_s(self) -> float:
        """Virtual seconds too: a run must not know the date."""
        return self.world.now_s

    @property
    def truth(self) -> Truth:
        """What is true now."""
        return self.world.truth

    @property
    def over(self) -> bool:
        """Whether the scenario has ended."""
        return self.world.now_s >= self.until_s - EPSILON_S

    async def sleep_until(self, at_s: float) -> None:
        """Let the world run until then, or until the watch raises its alarm, or the controller dies."""
        while not self.over and self.now_s() < at_s - EPSILON_S and self.truth.controls:
            if self.probing.watch.alarmed:
                break
            self.pass_time(at_s)
        await asyncio.sleep(0)

    def pass_time(self, at_s: float) -> None:
        """One step towards a time, no farther than the next event or the next thing worth a look."""
        now_s = self.now_s()
        step_s = self.step_s if self.probing.quiet else min(self.step_s, self.probing.interval_s)
        ends = [at_s, now_s + step_s, self.until_s]
        if self.boundaries_s:
            ends.append(self.boundaries_s[0])
        end_s = max(min(ends), now_s + EPSILON_S)
        self.keeper.add(self.world.layout, self.advance(end_s))
        self.probing.round(self.now_s())
        self.progress(self.now_s())

    def advance(self, end_s: float) -> Happening:
        """Move the world to a time, and tell instruments, clients and events of it."""
        happening = self.world.step(end_s - self.now_s())
        self.instruments.see(self.world, happening)
        told = replace(happening, at_s=happening.at_s + self.ahead_s)
        self.probing.witness(self.truth, told)
        if self.boundaries_s and self.boundaries_s[0] <= self.now_s() + EPSILON_S:
            self._alter()
        return happening

    def new_controller(self) -> ProbeWatch:
        """A watch without memory, for a controller that was started anew."""
        fleet = self.world.fleet
        watch = self.probing.watch
        self.probing.watch = watch_of(fleet, watch.rules, len(self.probing.home))
        self.probing.alike = 0
        return self.probing.watch

    def configuration(self) -> Configuration:
        """The documents, with the prices of now."""
        assert self.priced is not None
        return self.priced

    def closing(self) -> bool:
        """At the end, and when the controller dies."""
        return self.over or not self.truth.controls

    def _alter(self) -> None:
        while self.boundaries_s and self.boundaries_s[0] <= self.now_s() + EPSILON_S:
            self.boundaries_s.pop(0)
        truth = truth_at(self.events, replace(self.scene, now_s=self.now_s() + EPSILON_S))
        if not np.array_equal(truth.price, self.truth.price):
            self._reprice(truth)
        self.world.alter(truth)
        self.probing.alter(truth)
        self.solver.working = truth.solves

    def _reprice(self, truth: Truth) -> None:
        """The price book says something else: the loop is given another fleet, as when a document changes."""
        fleet, layout = self.configured.fleet, self.world.layout
        sites, pools = fleet.sites, fleet.pools
        usd = sites.usd_per_replica_hour * truth.price[pools.cluster[sites.pool]]
        node = pools.usd_per_node_hour * truth.price[pools.cluster]
        priced = replace(
            fleet,
            sites=replace(sites, usd_per_replica_hour=floats(usd)),
            pools=replace(pools, usd_per_node_hour=floats(node)),
        )
        self.priced = replace(self.configured, fleet=priced)
        made = layout_of(priced, np.zeros(len(priced.services)), np.ones(len(priced.services)))
        times = {name: getattr(layout, name) for name in ("service_ms", "slots", "variability")}
        self.world.reprice(replace(made, **times))


@dataclass(slots=True)
class StageIntake:
    """What the instruments report."""

    instruments: Instruments

    def drain(self) -> tuple[Batch, ...]:
        """All since the last call."""
        return self.instruments.drain()


@dataclass(slots=True)
class StageLedger:
    """A ledger that keeps turns in a list while it can."""

    stage: Stage

    async def intend(self, turn: int, tables: Mapping[OriginId, WeightTable]) -> None:
        """Durable at once. Raises LedgerDown."""
        del turn, tables
        self._writable()

    async def record(self, turn: Turn) -> None:
        """Keep it. Raises LedgerDown."""
        del turn
        self._writable()

    def _writable(self) -> None:
        if not self.stage.truth.records:
            raise LedgerDown("no space left on device")


async def in_place(work: Callable[[], T], /) -> T:
    """Arithmetic without a thread."""
    return work()
