"""The slow cadence beside the loop: looks at the newest turn, keeps the assignment current, and shows it.

What follows it is scheduler.floors.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from config.configuration import Configuration as Documents
from config.workloads import workloads_of
from placement.columns import Bools
from placement.fleet import Fleet
from placement.losses import lost_clusters
from placement.solve.linear import Unsolved
from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Route, Shown
from scheduler.assigned import Siting, Spread, placing_prices, pool_names
from scheduler.board import Board
from scheduler.placing_apart import Placing
from scheduler.turn import Turn

LOOK_EVERY_S = 0.25
"""How often the newest turn is looked at: a loss does not wait for the period."""
ON_RAY = {"auto": None, "always": True, "never": False}

log = structlog.get_logger()


class Site(Shown):
    """Replicas of a service in a pool."""

    service: str
    pool: str
    before: int
    after: float
    usd_per_hour: float


class Worth(Shown):
    """What one more unit of a resource is worth."""

    pool: str
    resource: str
    usd_per_unit_hour: float


class Refused(Shown):
    """What is refused of a service, and why."""

    service: str
    rps: float
    of_rps: float
    why: str


class Assigned(Shown):
    """Where workloads should run."""

    format_version: int
    objective_usd_per_hour: float
    bound_usd_per_hour: float
    bound_kind: str
    certified_gap: float | None
    sites: list[Site]
    shadow_prices: list[Worth]
    refused: list[Refused]
    how: str
    where: str
    shards: int
    restarts: int
    seconds: float
    lost_clusters: list[str]
    losses_ready: int
    losses: int
    trouble: str


class PlacingService(Collector):
    """`GET /api/v1/assignment` and metrics."""

    def __init__(self, board: Board, process_lost: Callable[[str], None] = lambda _: None) -> None:
        self.board, self.process_lost = board, process_lost
        self.siting: Siting | None = None
        self.trouble = ""
        """Why there is no newer answer; empty while all is well."""
        self.documents: Documents | None = None
        """In force."""
        self.news = asyncio.Event()
        """Set by the next look at the fleet, and then another one."""
        self._fleet: Fleet | None = None
        self._placer: Placing | None = None
        self._names: tuple[str, ...] = ()
        self._thread = ThreadPoolExecutor(1, "placing")

    def apply(self, documents: Documents, fleet: Fleet) -> None:
        """Follow new documents; taken up at the next look."""
        self.documents, self._fleet = documents, fleet

    def routes(self) -> list[Route]:
        """What it answers."""
        words = "Where workloads should run: replicas running and wanted, certified, and what capacity is worth"
        shapes = {200: Assigned}
        return [
            Route("GET", "/api/v1/assignment", Role.VIEWER, "plan", words, self.show, answers=shapes, large=True),
        ]  # fmt: skip

    def measure(self, registry: CollectorRegistry) -> None:
        """The same as metrics."""
        registry.register(self)

    async def run(self) -> None:
        """Look at the fleet once a period, and at once after a loss, until cancelled."""
        due_s, last_lost = 0.0, b""
        while True:
            turn = self.board.turn
            if turn is not None and self._fleet is not None and self.documents is not None:
                lost = self._lost(turn)
                period_s = self.documents.policy.placement.period_seconds
                news = lost is not None and lost.tobytes() != last_lost
                if lost is not None and period_s and (news or time.monotonic() >= due_s):
                    due_s, last_lost = time.monotonic() + period_s, lost.tobytes()
                    await asyncio.get_running_loop().run_in_executor(self._thread, self._follow, turn, lost)
                    self.news.set()
                    self.news = asyncio.Event()
            await asyncio.sleep(LOOK_EVERY_S)

    def close(self) -> None:
        """Let go of shards, threads and processes."""
        if self._placer is not None:
            self._placer.end()
        self._thread.submit(self._drop)
        self._thread.shutdown(wait=True)

    async def show(self, _: Call) -> Answer:
        """The newest answer, and how it was found."""
        siting = self.siting
        if siting is None:
            raise Failure(503, self.trouble or "The first look at the fleet is not done. Try again in a moment.")
        return Answer(await asyncio.to_thread(siting.summary, self._names, self.trouble))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics."""
        siting = self.siting
        gap = GaugeMetricFamily("equipoise_assignment_gap_ratio", "Certified gap of the assignment.")
        usd = GaugeMetricFamily("equipoise_assignment_usd_per_hour", "What the assignment costs.")
        took = GaugeMetricFamily("equipoise_assignment_seconds", "What the newest answer took.", labels=["how"])
        ready = GaugeMetricFamily("equipoise_assignment_losses_ready", "Losses that a plan is ready for.")
        price = GaugeMetricFamily(
            "equipoise_pool_price_usd_per_unit_hour", "What one more unit is worth.", labels=["pool", "resource"]
        )
        if siting is not None:
            answer = siting.assignment
            gap.add_metric([], answer.gap if answer.lower_bound_usd_per_hour > 0 else 0.0)
            usd.add_metric([], answer.objective_usd_per_hour)
            took.add_metric([siting.how], siting.seconds)
            ready.add_metric([], siting.losses_ready)
            for pool, resource, worth_usd in siting.worth():
                price.add_metric([self._names[pool], resource], worth_usd)
        yield from (gap, usd, took, ready, price)

    def _lost(self, turn: Turn) -> Bools | None:
        """(C,) clusters of which nothing is left; None while the turn is of another fleet."""
        fleet = self._fleet
        if fleet is None or len(turn.snapshot.usable) != len(fleet.backends):
            return None
        return lost_clusters(fleet, turn.snapshot.usable)

    def _follow(self, turn: Turn, lost: Bools) -> None:
        """On the thread."""
        try:
            self.siting, self.trouble = self._current().follow(turn.snapshot, lost), ""
        except (Unsolved, ValueError) as error:
            self.trouble = str(error)
            log.warning("no assignment", error=str(error))

    def _current(self) -> Placing:
        """Of the newest documents. Raises ValueError where they ask the impossible."""
        fleet, documents = self._fleet, self.documents
        assert fleet is not None
        assert documents is not None
        if self._placer is None or self._placer.fleet is not fleet:
            self._drop()
            spec = documents.policy.placement
            spread = Spread(spec.shards, ON_RAY[spec.ray], spec.ray_address)
            workloads, prices = workloads_of(documents, fleet), placing_prices(documents)
            self._placer = Placing(fleet, workloads, prices, spread, self.process_lost)
            self._names = pool_names(documents)
        return self._placer

    def _drop(self) -> None:
        if self._placer is not None:
            self._placer.close()
            self._placer = None
