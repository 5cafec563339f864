"""What one turn of a watched run looks like: what the loop believed and did, beside what is true."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from placement.columns import Bools, Floats
from placement.fleet import Fleet, OriginId
from placement.quantize import table_entries
from placement.readings import Readings
from placement.weights import WeightTable
from scheduler.policy import Policy
from scheduler.ports import Ports
from scheduler.state import Mode, State
from scheduler.turn import Turn
from simulator.physics.truth import Truth
from simulator.stage import Stage

FAILING = 0.4
"""What fails more than this is an outage to its clients, whatever it still answers."""
Fence = tuple[OriginId, int, int]
"""(origin, epoch, version)"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One turn. What stood before it is what the meshes had, whatever the loop believed."""

    policy: Policy
    declared: Readings
    wanted: Mode
    """What the switch said when the turn began."""
    turn: Turn
    after: State
    stood: Mapping[OriginId, WeightTable]
    """What the meshes had before the turn."""
    stands: Mapping[OriginId, WeightTable]
    """What they have now."""
    intended: frozenset[Fence]
    """What was written down before it was written to a mesh."""
    reborn: bool
    """The first turn of a controller that was started again."""
    truth: Truth
    dead_s: Floats
    """(B,) how long each backend has answered nothing, 0 where it answers."""
    sound_s: Floats
    """(B,) how long each backend has answered every probe well, 0 where it does not; nor where its requests wait for
    what is full of load that a mesh has not told of."""
    alive_s: Floats
    """(B,) how long each backend has answered who came in at its gateway, 0 where it does not."""
    looked_s: float
    """How long there have been a controller and enough vantages that look: two, where there are two."""

    @property
    def fleet(self) -> Fleet:
        """What exists."""
        return self.after.fleet

    def written(self) -> list[WeightTable]:
        """Tables that a mesh took in this turn."""
        return [outcome.table for outcome in self.turn.outcomes.values() if outcome.landed]

    def shares(self, tables: Mapping[OriginId, WeightTable]) -> Floats:
        """(F, C + 1) of some tables; rows of meshes without one are 0."""
        fleet, told = self.fleet, table_entries(self.fleet, tables)
        shares = np.zeros((len(fleet.flows), fleet.shed + 1))
        np.add.at(shares, (told.flow, told.column), told.weight / told.unit)
        return shares


@dataclass(slots=True)
class Scribe:
    """A ledger that remembers what was intended, in front of the one of the stage."""

    ports: Ports
    intended: set[Fence] = field(default_factory=set)

    async def intend(self, turn: int, tables: Mapping[OriginId, WeightTable]) -> None:
        """Remembered when the stage's ledger took it. Raises LedgerDown."""
        await self.ports.ledger.intend(turn, tables)
        self.intended |= {(origin, *table.fence) for origin, table in tables.items()}

    async def record(self, turn: Turn) -> None:
        """As the stage's. Raises LedgerDown."""
        await self.ports.ledger.record(turn)


@dataclass(slots=True)
class Ages:
    """For how long each backend was dead, sound or alive, and looked at, at the time of the last look."""

    dead_s: Floats
    sound_s: Floats
    alive_s: Floats
    looked_s: float
    at_s: float

    def look(self, stage: Stage) -> None:
        """Every step of the world: what is true held since the last look."""
        now_s = stage.now_s()
        step_s, truth = now_s - self.at_s, stage.truth
        dead = ~truth.answers(stage.world.fleet)
        sound = answers_every_probe(stage, truth) & ~kept_waiting(stage)
        self.dead_s = np.where(dead, self.dead_s + step_s, 0.0)
        self.sound_s = np.where(sound, self.sound_s + step_s, 0.0)
        self.alive_s = np.where(in_reach(stage.world.fleet, truth), self.alive_s + step_s, 0.0)
        looking = sum(not np.isnan(passes).any() for passes in stage.probing.passes)
        self.looked_s = self.looked_s + step_s if looking >= min(2, len(stage.probing.passes)) else 0.0
        self.at_s = now_s


def in_reach(fleet: Fleet, truth: Truth) -> Bools:
    """(B,) backends that answer, behind a gateway that does, and answer most of what they are asked."""
    answers = truth.answers(fleet) & (truth.error_ratio < FAILING)
    return np.asarray(answers & truth.gateway_up[fleet.backends.cluster], dtype=np.bool_)


def answers_every_probe(stage: Stage, truth: Truth) -> Bools:
    """(B,) backends with which nothing is wrong, for whoever looks from anywhere."""
    fleet = stage.world.fleet
    cluster = fleet.backends.cluster
    reached = truth.gateway_up & (truth.control_ok == 1.0) & (truth.path_ok == 1.0).all(axis=0)
    fine = (truth.probe_error_ratio == 0) & (truth.error_ratio == 0) & (truth.capacity == 1.0) & (truth.slow_ms == 0)
    return np.asarray(truth.answers(fleet) & fine & reached[cluster] & (truth.probe_loss == 0), dtype=np.bool_)


def kept_waiting(stage: Stage) -> Bools:
    """(B,) backends at which requests queue while some mesh cannot tell what it sends, and who calls them."""
    world, truth = stage.world, stage.truth
    silent = np.append(truth.cluster_up, True) & ~truth.tells()
    if not silent.any():
        return np.zeros(len(world.fleet.backends), dtype=bool)
    waits, layout, entries = world.backlog >= 1.0, world.layout, world.entries
    for _ in range(layout.depth):
        meets = np.zeros(len(world.fleet.flows), dtype=bool)
        meets[entries.row[waits[entries.backend]]] = True
        waits[layout.call_backend[meets[layout.call_flow]]] = True
    return np.asarray(waits[:-1], dtype=np.bool_)
