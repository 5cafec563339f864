"""Drills put together for a running controller: what they see, whom they order, and where they are asked for."""

import time
from collections.abc import Mapping

import numpy as np

from config.configuration import Configuration as Documents
from connectors.connector import Connector
from health.destinations import Destinations
from placement.columns import bools, floats
from placement.fleet import Fleet, OriginId
from scheduler.board import Board
from scheduler.deployments import Deployments
from scheduler.drill_begin import DrillPorts
from scheduler.drill_book import PathBook
from scheduler.drill_calendar import DrillPolicy
from scheduler.drill_ledger import DrillLedger
from scheduler.drill_meter import SentMeter
from scheduler.drill_plan import Rehearsal
from scheduler.drill_policy import drill_policy
from scheduler.drill_probes import PathProbes, legs_of
from scheduler.drill_sight import Look
from scheduler.drill_tails import TailMeter
from scheduler.drills import Drills
from scheduler.error_budget import ErrorBudgets
from scheduler.ledger import Ledger
from scheduler.ports import Clock, Watch
from scheduler.solver import Arithmetic

SILENCE_PERIODS = 3.0
"""Telemetry that is older than this many ticks is dark."""


class DrillService:
    """Made once per controller; `apply` follows the documents, `open` reads what earlier controllers left."""

    def __init__(self, ledger: Ledger, board: Board, probes: PathProbes | None = None) -> None:
        self.board, self.ledger = board, DrillLedger(ledger)
        self.policy, self.period_s = DrillPolicy(), 5.0
        self.meter, self.probes = SentMeter(), probes or PathProbes(time.time)
        self.book = PathBook(self.probes)
        self.arithmetic = Arithmetic()
        """Not the loop's: an evacuation must not queue behind the paths of a large fleet."""
        self.drills: Drills | None = None
        self.budgets, self.deployments = ErrorBudgets(), Deployments(ledger, time.time)
        self.tails = TailMeter(lambda: floats([]))

    async def open(self) -> None:
        """Interrupt what was left open, and remember what was verified. Raises LedgerDown."""
        await self.ledger.interrupt_open(time.time())
        await self.deployments.open()
        self.book.restore(await self.ledger.newest())

    async def start(self, clock: Clock, watch: Watch, connectors: Mapping[OriginId, Connector]) -> Drills:
        """The drills of a controller that is about to run. Raises LedgerDown."""
        ports = DrillPorts(
            clock, watch, connectors, self.ledger, self.arithmetic, self.look, lambda: self.policy, self.caution,
            lambda look: self.tails.ms(look.state.fleet, look.at_s),
        )  # fmt: skip
        self.drills = Drills(ports, self.book, self.meter)
        self.drills.past = await self.ledger.past()
        return self.drills

    def apply(self, documents: Documents, fleet: Fleet) -> None:
        """Follow new documents."""
        self.policy = drill_policy(documents.policy.drills)
        self.period_s = documents.policy.tick.period_seconds
        allowed = Destinations.of(documents.policy.probes.allow)
        self.probes.replace(legs_of(documents, fleet), self.policy.probe_every_s, allowed)

    def caution(self, look: Look, plan: Rehearsal) -> str:
        """What speaks against moving the requests of a drill now: a spent error budget, or a deployment under way."""
        fleet = look.state.fleet
        if len(plan.flows) != len(fleet.flows):
            return ""
        services = np.zeros(len(fleet.services), dtype=bool)
        services[fleet.flows.service[plan.flows]] = True
        names = {fleet.services.ids[s] for s in np.flatnonzero(services).tolist()}
        return self.deployments.words(names) or self.budgets.spent(bools(services), self.policy.budget)

    def look(self) -> Look | None:
        """The loop as the board shows it; what it fails meanwhile counts against the error budgets."""
        state, turn = self.board.state, self.board.turn
        if state is None or turn is None:
            return None
        self.budgets.count(state, time.monotonic(), self.policy.budget)
        return Look(time.monotonic(), time.time(), state, turn, SILENCE_PERIODS * self.period_s)

    def close(self) -> None:
        """Let its thread end."""
        self.arithmetic.close()

    def moving(self) -> bool:
        """Whether the optimizer has to wait."""
        return self.drills is not None and self.drills.moving
