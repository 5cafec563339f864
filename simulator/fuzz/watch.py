"""One program, played and watched: every turn against every rule, the end against liveness, all of it in one trace."""

import asyncio
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.desk import Unattended
from scheduler.ports import Configuration, Ports
from scheduler.state import Mode, State
from scheduler.translate import loop_configuration
from scheduler.turn import Turn
from simulator.diary import Diary
from simulator.fuzz.invariants import broken
from simulator.fuzz.liveness import unsettled
from simulator.fuzz.program import Program, Switch
from simulator.fuzz.seen import Ages, Scribe, Seen
from simulator.play import set_up, steer
from simulator.stage import Stage

KEPT = 5
"""Violations of a run that are told."""
RECENT = 5
"""Turns that the end of a run is judged by: less than half a minute."""


class Broken(Exception):  # noqa: N818  what it says ends a run
    """A rule did not hold: what comes after it would only be its consequence."""


class Violation(NamedTuple):
    """A rule that did not hold."""

    rule: str
    at_s: float
    words: str

    def __str__(self) -> str:
        return f"{self.rule}, at {self.at_s:.2f} s: {self.words}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one program."""

    program: Program
    violations: tuple[Violation, ...]
    trace: str
    """SHA-256 of every decision: two runs of one program have the same."""
    turns: int

    @property
    def clean(self) -> bool:
        """Whether everything held."""
        return not self.violations


@dataclass(slots=True)
class Watched:
    """Beside a stage: sees every turn, and what was true in between."""

    stage: Stage
    switches: tuple[Switch, ...]
    diary: Diary
    ages: Ages
    stood: Mapping[OriginId, WeightTable] = field(default_factory=dict)
    scribe: Scribe | None = None
    epoch: int = 0
    born_s: float = 0.0
    """When the controller of this epoch took its first turn."""
    turns: int = 0
    recent: deque[Seen] = field(default_factory=lambda: deque(maxlen=RECENT))
    violations: list[Violation] = field(default_factory=list)

    def show(self, state: State, turn: Turn) -> None:
        """A turn is done."""
        assert self.scribe is not None
        self.diary.write(turn)
        self.ages.look(self.stage)
        stands = {o: mesh.table for o, mesh in self.stage.world.meshes.items() if mesh.table is not None}
        configuration: Configuration = self.stage.configuration()
        self.born_s = self.born_s if turn.epoch == self.epoch else turn.at_s
        seen = Seen(
            policy=configuration.policy,
            declared=configuration.declared,
            wanted=mode_at(self.stage, self.switches, turn.at_s),
            turn=turn,
            after=state,
            stood=self.stood,
            stands=stands,
            intended=frozenset(self.scribe.intended),
            reborn=turn.epoch != self.epoch and turn.epoch > 1,
            truth=self.stage.truth,
            dead_s=self.ages.dead_s,
            sound_s=self.ages.sound_s,
            alive_s=self.ages.alive_s,
            looked_s=min(self.ages.looked_s, turn.at_s - self.born_s),
        )
        self.recent.append(seen)
        self.stood, self.epoch, self.turns = stands, turn.epoch, self.turns + 1
        self.violations += [Violation(name, turn.at_s, words) for name, words in broken(seen)]
        if self.violations:
            raise Broken

    def refit(self, ports: Ports) -> Ports:
        """The ports with a ledger that remembers, and an operator who flips switches."""
        self.scribe = Scribe(ports, self.scribe.intended if self.scribe else set())
        return replace(ports, ledger=self.scribe, desk=Operator(self.stage, self.switches))


@dataclass(frozen=True, slots=True)
class Operator(Unattended):
    """The desk of the stage, with somebody at the switch."""

    stage: Stage
    switches: tuple[Switch, ...]

    def configuration(self) -> Configuration:
        """The documents."""
        return self.stage.configuration()

    def mode(self) -> Mode:
        """As switched now."""
        return mode_at(self.stage, self.switches, self.stage.now_s())

    def closing(self) -> bool:
        """As the stage says."""
        return self.stage.closing()


def mode_at(stage: Stage, switches: tuple[Switch, ...], at_s: float) -> Mode:
    """What somebody switched, else what the stage wants."""
    return next((s.mode for s in switches if s.at_s <= at_s < s.until_s), stage.mode())


def watch(program: Program) -> Verdict:
    """Play a program. An exception anywhere in it is a violation too."""
    loaded = program.loaded()
    stage = set_up(loaded, loop_configuration(loaded.configuration), program.seed)
    nothing = np.zeros(len(stage.world.fleet.backends))
    watched = Watched(
        stage, program.switches, Diary(stage.scene.fleet), Ages(nothing, nothing, nothing, 0.0, stage.now_s())
    )
    stage.progress = lambda _: watched.ages.look(stage)
    try:
        asyncio.run(steer(stage, watched.show, watched.refit))
    except Broken:
        pass
    except Exception as error:  # whatever it is, it is what we look for
        where = traceback.extract_tb(error.__traceback__)[-1]
        words = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        watched.violations.insert(0, Violation("never raises", stage.now_s(), words))
    else:
        if watched.recent:
            ends = unsettled(watched.recent, stage.keeper.books(), program.hasty)
            watched.violations += [Violation(name, stage.now_s(), words) for name, words in ends]
    return Verdict(program, tuple(watched.violations[:KEPT]), watched.diary.trace, watched.turns)
