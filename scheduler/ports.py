"""Everything outside the process. Production, simulator and lab differ only in what they put here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from connectors.connector import Connector
from connectors.telemetry import Batch
from health.evidence import Evidence
from placement.failover import FailoverTable
from placement.fleet import Fleet, OriginId
from placement.plan import Plan
from placement.problem import Problem
from placement.readings import Readings
from placement.solve.failover import TableOrder
from placement.weights import WeightTable
from scheduler.orders import Orders
from scheduler.policy import Policy
from scheduler.state import Mode
from scheduler.turn import Turn

T = TypeVar("T")


class Clock(Protocol):
    """Time, and waiting for it."""

    def now_s(self) -> float:
        """Monotonic seconds."""

    def wall_s(self) -> float:
        """Seconds since 1970."""

    async def sleep_until(self, at_s: float) -> None:
        """Return at `at_s`, or at once when the watch raises its alarm or the configuration changed."""


class Watch(Protocol):
    """What the probers said."""

    def evidence(self) -> Evidence:
        """The newest counts. Never waits; lowers the alarm."""

    async def alarm(self) -> None:
        """Return when some backend was condemned since `evidence` was last asked."""


class Intake(Protocol):
    """What was measured."""

    def drain(self) -> tuple[Batch, ...]:
        """All that came in since the last call. Never waits: sources are collected by tasks of their own."""


class Solver(Protocol):
    """The optimizer, off the event loop."""

    async def solve(self, problem: Problem) -> Plan | None:
        """The best routing; None when there is none in time, or the alarm went off meanwhile."""

    async def tabulate(self, order: TableOrder) -> FailoverTable | None:
        """The failover tables of a plan, refreshed; None as above."""


class Ledger(Protocol):
    """The write-ahead record."""

    async def intend(self, turn: int, tables: Mapping[OriginId, WeightTable]) -> None:
        """Durable before any of them is written to a mesh. Raises LedgerDown."""

    async def record(self, turn: Turn) -> None:
        """The finished turn. Raises LedgerDown."""


class LedgerDown(Exception):  # noqa: N818  a state of the world
    """The ledger cannot be written. Nothing optional is pushed without it; an evacuation is."""


class Deposed(LedgerDown):
    """The ledger says that another controller leads. Nothing at all is pushed any more, and this one ends."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the documents say now. A new object means that they changed."""

    fleet: Fleet
    declared: Readings
    policy: Policy


class Desk(Protocol):
    """What people want: the documents and the switches."""

    def configuration(self) -> Configuration:
        """The newest that was valid."""

    def mode(self) -> Mode:
        """What the loop may do on its own."""

    def resumed(self) -> bool:
        """Whether an operator said since the last question that the loop may go on by itself."""

    def orders(self, wall_s: float) -> Orders:
        """Overrides that are in force, and a way back once."""

    def closing(self) -> bool:
        """Whether to end after this tick."""


class Compute(Protocol):
    """Where arithmetic runs: off the event loop in production, in place where time is virtual."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """The result of `work`, which touches nothing but its arguments."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Built once by scheduler.serve and once by simulator.run."""

    clock: Clock
    watch: Watch
    intake: Intake
    connectors: Mapping[OriginId, Connector]
    solver: Solver
    ledger: Ledger
    desk: Desk
    compute: Compute
