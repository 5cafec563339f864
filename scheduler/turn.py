"""Everything one tick saw, decided, sent and got back: the ledger row, the transcript line, the answer of the API."""

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.connector import Receipt
from health.verdict import Verdicts
from placement.cost import Cost
from placement.fleet import OriginId
from placement.plan import Plan
from placement.readings import Snapshot
from placement.routing import Routing
from placement.weights import WeightTable
from scheduler.hygiene import Rejections
from scheduler.orders import ORDERED
from scheduler.state import Mode


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write. `receipt` is None when the mesh was unavailable or refused; `detail` has its words."""

    table: WeightTable
    sent_at_s: float
    """On the clock of the turn."""
    receipt: Receipt | None
    detail: str = ""

    @property
    def landed(self) -> bool:
        """The mesh has it, as far as it said."""
        return self.receipt is not None and self.receipt.stored


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """One backend whose state changed."""

    at_s: float
    backend: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Turn:
    """The record of one tick."""

    number: int
    epoch: int
    at_s: float
    """On the monotonic clock of the controller."""
    wall_s: float
    """Seconds since 1970, for people."""
    mode: Mode
    snapshot: Snapshot
    verdicts: Verdicts
    changes: tuple[VerdictChange, ...]
    plan: Plan
    standing_cost: Cost
    """Of the routing that stood when the tick began, under the same readings."""
    pushed: Routing
    """The step: what was written, or stood already."""
    pushed_cost: Cost
    fraction: float
    guards: tuple[str, ...]
    outcomes: Mapping[OriginId, Outcome]
    """Only origins that were written to."""
    rejections: Rejections
    duration_s: float
    safe: tuple[str, ...] = ()
    """Why the loop is in SAFE mode; empty while it is not."""
    good: Mapping[OriginId, WeightTable] | None = None
    """The weights that are newly known to be good, to go back to."""
    deeds: dict[str, object] | None = None
    """What binds the next controller, see scheduler.deeds; None while nothing new was done."""

    @property
    def overrides(self) -> tuple[str, ...]:
        """What people had ordered, in words: of the guards, those that are theirs."""
        return tuple(words for words in self.guards if words.startswith(ORDERED))
