"""Everything of a controller that is served, put together once: one list of routes behind one gate."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry

from scheduler.api.app import ErrorPage, Served
from scheduler.api.audit import AuditApi, auditing, revoked_in
from scheduler.api.deployments import DeploymentRoutes
from scheduler.api.doctor import DoctorApi
from scheduler.api.drills import DrillRoutes
from scheduler.api.fleet import FleetApi
from scheduler.api.floors import FloorRoutes
from scheduler.api.gate import Gate
from scheduler.api.guards import GuardsApi
from scheduler.api.meshes import MeshesApi
from scheduler.api.metrics import Metrics
from scheduler.api.otlp import OtlpApi
from scheduler.api.outlook import Outlook
from scheduler.api.overrides import OverridesApi
from scheduler.api.plan import PlanApi
from scheduler.api.process import ProcessApi
from scheduler.api.readiness import ReadinessApi
from scheduler.api.reports import ReportsApi
from scheduler.api.rollback import RollbackApi
from scheduler.api.route import Route
from scheduler.api.simulations import SimulationsApi
from scheduler.api.telemetry import TelemetryApi
from scheduler.api.turns import TurnsApi
from scheduler.api.vantages import VantageApi, agents_application
from scheduler.audit import AuditLedger
from scheduler.board import Board
from scheduler.clock import SystemClock
from scheduler.controller import Controller
from scheduler.costing import CostService
from scheduler.desk import Desk
from scheduler.drill_metrics import DrillMetrics
from scheduler.drill_service import DrillService
from scheduler.floors import Floors
from scheduler.jobs import Jobs
from scheduler.ledger import Ledger
from scheduler.observed import Observed
from scheduler.override_ledger import OverrideLedger
from scheduler.overriding import Overrides
from scheduler.placing_service import PlacingService
from scheduler.price_feed import PriceFeed
from scheduler.solver import ThreadSolver
from scheduler.splits import SplitMeter
from scheduler.switches import Switches
from scheduler.turn_ledger import TurnLedger


@dataclass(slots=True)
class Parts:
    """What the face of a controller looks at and acts upon."""

    board: Board
    metrics: Metrics
    ledger: Ledger
    desk: Desk
    clock: SystemClock
    drilling: DrillService
    controller: Controller
    solver: ThreadSolver
    observed: Observed
    jobs: Jobs
    gate: Gate
    costs: CostService
    placing: PlacingService
    prices: PriceFeed
    switches: Switches = field(init=False)
    overrides: Overrides = field(init=False)
    meshes: MeshesApi = field(init=False)
    floors: Floors = field(init=False)

    def __post_init__(self) -> None:
        """What people change it by."""
        self.switches = Switches(self.desk, self.clock, self.ledger)
        self.overrides = Overrides(self.desk, self.clock, OverrideLedger(self.ledger), self.board)
        self.floors = Floors(self.board, self.placing, self.ledger)
        self.meshes = MeshesApi(self.controller.connectors, SplitMeter(), self.metrics.registry)
        self.controller.collector.listeners.append(self.meshes.meter.hear)

    async def open(self) -> None:
        """Take up what people ordered of earlier controllers. Raises LedgerDown."""
        await self.overrides.open()
        self.gate.revoked |= await revoked_in(self.ledger)


class Front:
    """The API by noun; the pages of the dashboard ask the same objects."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        drills = parts.drilling.drills
        assert drills is not None, "drills are started before anything is served"
        self.gate = parts.gate
        turns, audit = TurnLedger(parts.ledger), AuditLedger(parts.ledger)
        self.audit_log = auditing(audit)
        self.process = ProcessApi(parts.board, parts.metrics)
        self.plan = PlanApi(parts.board, parts.solver)
        self.fleet = FleetApi(parts.board, parts.observed)
        self.turns = TurnsApi(parts.board, turns)
        self.guards = GuardsApi(parts.board, parts.switches.set_mode, parts.switches.resume, lambda: parts.desk.wanted)
        self.overrides = OverridesApi(parts.overrides)
        self.rollback = RollbackApi(parts.desk, parts.clock, turns, parts.switches.set_mode)
        self.readiness = ReadinessApi(parts.board, parts.drilling.book, parts.metrics.registry)
        self.drills = DrillRoutes(drills, parts.drilling.ledger, time.time)
        self.deployments = DeploymentRoutes(parts.drilling.deployments)
        self.telemetry = TelemetryApi(parts.controller.collector, parts.metrics)
        self.otlp = OtlpApi(parts.controller.otlp)
        self.doctor = DoctorApi(parts.board, parts.desk.current.policy.readings_age_max_s, parts.prices.lines)
        self.simulations = SimulationsApi(parts.jobs)
        self.reports = ReportsApi(turns)
        self.audit = AuditApi(parts.ledger, audit, self.gate)
        self.outlook = Outlook(parts.controller, parts.board)
        self.vantages = VantageApi(parts.controller.roster)
        self.floors = FloorRoutes(parts.floors, parts.metrics.registry)
        self.measure(parts.metrics.registry)

    def measure(self, registry: CollectorRegistry) -> None:
        """Metrics of who is only looked at."""
        drills = self.parts.drilling.drills
        assert drills is not None
        self.outlook.measure(registry)
        self.parts.costs.budgets.measure(registry)
        self.parts.placing.measure(registry)
        DrillMetrics(drills, self.parts.drilling.book, time.time, registry)

    def routes(self) -> list[Route]:
        """All of the API."""
        nouns = (
            self.process, self.plan, self.fleet, self.turns, self.guards, self.overrides, self.rollback,
            self.readiness, self.drills, self.deployments, self.telemetry, self.otlp, self.doctor, self.simulations,
            self.reports, self.audit, self.outlook, self.vantages, self.parts.costs.budgets, self.parts.meshes,
            self.parts.placing, self.floors,
        )  # fmt: skip
        found = [route for noun in nouns for route in noun.routes()]
        self.process.describes(found)
        return found

    def application(self, pages: Sequence[Route] = (), error_page: ErrorPage | None = None) -> web.Application:
        """For people and programs; with `pages` for browsers."""
        app = Served([*self.routes(), *pages], self.gate, self.audit_log, error_page).application()
        app.on_shutdown.append(self._let_go)
        return app

    def agents_application(self) -> web.Application:
        """For agents and vantages on other machines."""
        parts = self.parts
        gate = parts.gate
        return agents_application(self.routes(), parts.controller.roster, gate.access, self.audit_log, gate.revoked)

    async def _let_go(self, _: web.Application) -> None:
        """Readers of the stream would keep the process from ending."""
        self.turns.closing.set()
