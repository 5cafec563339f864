"""`GET /api/v1/readiness`: computed when somebody asks, off the event loop, and kept for a moment."""

import asyncio
import time
from dataclasses import replace

import numpy as np
from prometheus_client import CollectorRegistry, Gauge

from health.drill import Level
from health.drill_coverage import DAY_S, last_s
from placement.solve.linear import Unsolved
from placement.solve.resilience import standby
from placement.standby import Standby
from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Route, Shown
from scheduler.api.shapes import Number
from scheduler.board import Board
from scheduler.drill_book import PathBook
from scheduler.readiness import Proof, Verified, readiness, standby_summary
from scheduler.state import State
from scheduler.summary import Json

KEPT_S = 5.0
"""Who asks again sooner gets the same answer."""
STANDBY_KEPT_S = 60.0
"""What standing by costs changes with the demand of hours."""


class Taker(Shown):
    """A cluster that takes over."""

    cluster: str
    rps: float


class Check(Shown):
    """The highest level at which every path of a loss was verified within a day."""

    level: str
    age_s: float


class Loss(Shown):
    """One loss."""

    loss: str
    kind: str
    takes_over: list[Taker]
    worst_backend: str
    worst_utilization: Number
    p95_ms: Number
    usd_per_hour: float
    unmet_rps: float
    unmet_rps_by_priority: dict[str, float]
    solved: bool
    proof_age_s: float
    verified: Check | None


class Readiness(Shown):
    """The matrix, a summary, and what standing by costs."""

    format_version: int
    source: str
    demand_rps: float
    usd_per_hour: float
    refused_now_rps: float
    losses: list[Loss]
    summary: Json
    standby: Json


class ReadinessApi:
    """The matrix of the running controller."""

    def __init__(self, board: Board, book: PathBook, registry: CollectorRegistry) -> None:
        self.board, self.book = board, book
        self.usd = Gauge("equipoise_standby_usd_per_hour", "What standing by costs.", ["part"], registry=registry)
        self._asking = asyncio.Lock()
        self._last: tuple[float, Json] | None = None
        self._standby: tuple[float, State, Standby] | None = None

    def routes(self) -> list[Route]:
        """What it answers."""
        words = "Lose X: where, how full, how slow, at what cost, what is refused, and when that was last verified"
        return [
            Route("GET", "/api/v1/readiness", Role.VIEWER, "readiness", words, self.readiness,
                  answers={200: Readiness}, large=True),
        ]  # fmt: skip

    async def readiness(self, _: Call) -> Answer:
        """As it stands."""
        return Answer(await self.body())

    async def body(self) -> Json:
        """The matrix; raises Failure."""
        async with self._asking:
            now_s = time.monotonic()
            if self._last is None or now_s - self._last[0] > KEPT_S:
                state = self.board.state
                if state is None or state.problem is None or state.failover is None:
                    words = "The first tick is not done. Try again in a moment."
                    raise Failure(503, words, "No failover table yet")
                try:
                    body = await asyncio.to_thread(self._answer, state, now_s)
                except Unsolved as unsolved:
                    raise Failure(503, str(unsolved), "No answer now") from None
                self._last = (now_s, body)
            return self._last[1]

    def _answer(self, state: State, now_s: float) -> Json:
        assert state.problem is not None
        assert state.failover is not None
        table = state.failover
        whole = replace(state.problem, standing=table.standing)
        if self._standby is None or now_s - self._standby[0] > STANDBY_KEPT_S or self._standby[1].fleet != state.fleet:
            self._standby = (now_s, state, standby(whole))
        cost = self._standby[2]
        for part, usd in standby_summary(cost, whole).items():
            if part.endswith("_usd_per_hour"):
                self.usd.labels(part.removesuffix("_usd_per_hour")).set(usd)
        return readiness(Proof(whole, table, now_s, cost, "controller"), verified_by(self.book, time.time()))


def verified_by(book: PathBook, wall_s: float) -> Verified:
    """The highest level at which all paths of a loss were verified within a day, by requests and not only by proof."""
    flows = book.paths.flows if book.paths is not None else 0
    if not flows or not len(book.book):
        return lambda _: None
    loss = book.book.key // flows
    oldest = {}
    for level in Level:
        worst = np.full(int(loss.max()) + 1, np.inf)
        np.minimum.at(worst, loss, last_s(book.book, level))
        oldest[level] = worst

    def verified(name: str) -> Json | None:
        number = book.losses.get(name, -1)
        for level in sorted(Level, reverse=True):
            if level > Level.PROOF and 0 <= number < len(oldest[level]):
                age_s = wall_s - oldest[level][number]
                if 0 <= age_s <= DAY_S:
                    return {"level": level.name.lower(), "age_s": round(float(age_s), 3)}
        return None

    return verified
