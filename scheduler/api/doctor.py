"""`GET /api/v1/doctor`: what a running controller knows of every cluster and signal, and what to do about the rest."""

import asyncio
import time
from collections.abc import Callable

from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Shown
from scheduler.board import Board
from scheduler.doctor import diagnosis, findings


class Diagnosis(Shown):
    """Signals by place, silent sources, and what was refused."""

    format_version: int
    healthy: bool
    signals: list[Json]
    prices: list[Json]
    """Of clusters with `prices: opencost`; `equipoise doctor DOCUMENTS` asks every OpenCost itself."""
    sources: list[dict[str, str]]
    rejections: list[str]
    hint: str


class DoctorApi:
    """Looks at the board."""

    def __init__(self, board: Board, age_max_s: float, prices: Callable[[], list[Json]]) -> None:
        self.board, self.age_max_s, self.prices = board, age_max_s, prices

    def routes(self) -> list[Route]:
        """What it answers."""
        words = "Whether each signal is there, how old it is, and what to do"
        return [
            Route("GET", "/api/v1/doctor", Role.VIEWER, "telemetry", words, self.show, answers={200: Diagnosis},
                  problems=(503,)),
        ]  # fmt: skip

    async def show(self, _: Call) -> Answer:
        """By what the loop's hygiene remembers."""
        state, turn = self.board.state, self.board.turn
        if state is None or turn is None:
            raise Failure(503, "the first tick is not done; try again in a moment")
        rows = await asyncio.to_thread(findings, state.fleet, state.memory, time.monotonic(), self.age_max_s)
        return Answer(diagnosis(rows, self.board.source_failures, turn.rejections.rows, self.prices()))
