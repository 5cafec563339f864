"""Run a story: the production loop against the small world, in virtual time.

`python -m simulator.run` prints every story, the same bytes each time; with a folder it writes one file each.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from connectors.telemetry import Batch
from health.rules import Rules
from placement.columns import bools
from placement.failover import FailoverTable
from placement.fleet import OriginId
from placement.guard import Limits
from placement.pace import PaceLimits
from placement.plan import Plan
from placement.problem import Problem
from placement.solve.failover import TableOrder, refreshed
from placement.solve.linear import Unsolved
from placement.solve.routing import solve_routing
from placement.weights import WeightTable
from scheduler.conduct import ConductLimits
from scheduler.desk import Unattended
from scheduler.loop import run
from scheduler.policy import Policy
from scheduler.ports import Configuration, Ports
from scheduler.state import State, initial_state
from scheduler.turn import Turn
from scheduler.watch import ProbeWatch
from simulator.mesh import SimulatedMesh
from simulator.story import STORIES, Event, Story
from simulator.transcript import line
from simulator.trio import declared, trio
from simulator.world import Facts, Tally, World

T = TypeVar("T")

POLICY = Policy(
    period_s=5.0,
    readings_age_max_s=30.0,
    limits=Limits(step_max=0.25),
    rules=Rules(fall=3, rise=8, hold_down_s=5.0, ramp_s=20.0),
    conduct=ConductLimits(pace=PaceLimits(moved_per_minute=1.0, dwell_s=20.0), bake_s=0.0, unmeasured_ratio=1.0),
)
"""Brisker than in production, so that a story of two minutes has a return in it. Capacities are as declared."""


@dataclass(slots=True)
class VirtualClock:
    """Time that passes only when somebody waits for it; the world moves along."""

    world: World
    watch: ProbeWatch
    events: list[Event]

    def now_s(self) -> float:
        """Virtual seconds."""
        return self.world.now_s

    def wall_s(self) -> float:
        """Virtual seconds too: a transcript must not know the date."""
        return self.world.now_s

    async def sleep_until(self, at_s: float) -> None:
        """Let the world run until then, or until the watch raises its alarm."""
        everything = np.arange(len(self.world.fleet.backends))
        while self.world.now_s < at_s and not self.watch.alarmed:
            while self.events and self.events[0].at_s <= self.world.now_s:
                self.events.pop(0).happen(self.world)
            self.world.step()
            self.watch.report(everything, self.world.probe(), self.world.now_s)
        await asyncio.sleep(0)


@dataclass(slots=True)
class WorldIntake:
    """What the world measured."""

    world: World

    def drain(self) -> tuple[Batch, ...]:
        """All since the last call."""
        batches, self.world.batches = tuple(self.world.batches), []
        return batches


class InlineSolver:
    """The production solver without a thread: virtual time stands still while it works."""

    async def solve(self, problem: Problem) -> Plan | None:
        """The best routing, None when unsolved."""
        try:
            return solve_routing(problem)
        except Unsolved:
            return None

    async def tabulate(self, order: TableOrder) -> FailoverTable | None:
        """The failover tables."""
        return refreshed(order)


async def in_place(work: Callable[[], T], /) -> T:
    """Arithmetic without a thread."""
    return work()


@dataclass(slots=True)
class Memory:
    """A ledger that keeps everything in a list."""

    intents: list[tuple[int, Mapping[OriginId, WeightTable]]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    async def intend(self, turn: int, tables: Mapping[OriginId, WeightTable]) -> None:
        """Keep it."""
        self.intents.append((turn, tables))

    async def record(self, turn: Turn) -> None:
        """Keep it."""
        self.turns.append(turn)


@dataclass(slots=True)
class StoryDesk(Unattended):
    """The documents of a story, and its end."""

    clock: VirtualClock
    documents: Configuration
    until_s: float

    def configuration(self) -> Configuration:
        """Always the same."""
        return self.documents

    def closing(self) -> bool:
        """At the end of the story."""
        return self.clock.now_s() >= self.until_s


def play(story: Story) -> tuple[str, list[Turn]]:
    """The transcript of a story and its turns."""
    fleet = trio()
    expected = declared(fleet)
    meshes = {origin: SimulatedMesh(origin) for origin in fleet.origins.ids}
    world = World(fleet, expected, meshes, Facts(bools(np.ones(len(fleet.clusters), dtype=bool)), load=story.load))
    watch = ProbeWatch(len(fleet.backends), POLICY.rules)
    clock = VirtualClock(world, watch, list(story.events))
    lines: list[str] = []

    def tell(_: State, turn: Turn) -> None:
        tally, world.tally = world.tally, Tally()
        lines.append(line(fleet, turn, tally))

    desk = StoryDesk(clock, Configuration(fleet, expected, POLICY), story.until_s)
    ledger = Memory()
    ports = Ports(clock, watch, WorldIntake(world), meshes, InlineSolver(), ledger, desk, in_place)
    asyncio.run(run(initial_state(fleet, expected, {}, epoch=1, at_s=0.0), ports, tell))
    return "\n".join([f"== {story.name}: {story.about}", *lines]) + "\n", ledger.turns


def main(folder: str = "") -> None:
    """Print every story, or write each into a folder: how golden transcripts are renewed once they are understood."""
    for story in STORIES:
        text = play(story)[0]
        if folder:
            Path(folder, f"{story.name}.txt").write_text(text, encoding="utf-8")
        else:
            sys.stdout.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
