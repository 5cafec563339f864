"""Whether the process lives and is ready, its metrics, and the document of all that can be asked."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version

from scheduler.access.role import Role
from scheduler.api.metrics import CONTENT_TYPE, Metrics
from scheduler.api.openapi import document
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Shown
from scheduler.board import Board

TAG = "process"


class Alive(Shown):
    """The process answers."""

    status: str


class Ready(Shown):
    """Ticks are taken and written down."""

    status: str
    turn: int


class Version(Shown):
    """What runs."""

    version: str


class ProcessApi:
    """Nothing of it needs the ledger."""

    def __init__(self, board: Board, metrics: Metrics) -> None:
        self.board, self.metrics = board, metrics
        self.described: Json = {}
        self._etag = ""

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("GET", "/healthz", None, TAG, "The process answers", self.alive, answers={200: Alive}),
            Route("GET", "/livez", None, TAG, "The process answers", self.alive, answers={200: Alive}),
            Route("GET", "/readyz", None, TAG, "A tick was completed and the ledger takes writes", self.ready,
                  answers={200: Ready}),
            Route("GET", "/version", None, TAG, "Which version runs", self.version, answers={200: Version}),
            Route("GET", "/metrics", Role.VIEWER, TAG, "Prometheus exposition", self.scrape, media="text/plain"),
            Route("GET", "/openapi.json", None, TAG, "This document", self.describe, etag=True,
                  answers={200: None}),
        ]  # fmt: skip

    def describes(self, routes: Sequence[Route]) -> None:
        """Make the document of some routes."""
        self.described = document(routes)
        self._etag = f'"{hashlib.sha256(json.dumps(self.described, sort_keys=True).encode()).hexdigest()[:16]}"'

    async def alive(self, _: Call) -> Answer:
        """Always."""
        return Answer(Alive(status="ok"))

    async def ready(self, _: Call) -> Answer:
        """Whether to send people here."""
        if self.board.turn is None:
            raise Failure(503, "no tick yet", "Starting")
        if self.board.ledger_error:
            raise Failure(503, self.board.ledger_error, "Degraded")
        return Answer(Ready(status="ready", turn=self.board.turn.number))

    async def version(self, _: Call) -> Answer:
        """As installed."""
        return Answer(Version(version=version("equipoise")))

    async def scrape(self, _: Call) -> Answer:
        """All metrics."""
        text = await asyncio.to_thread(self.metrics.render)
        return Answer(text=text.decode(), headers={"Content-Type": CONTENT_TYPE})

    async def describe(self, _: Call) -> Answer:
        """OpenAPI 3.1."""
        return Answer(self.described, etag=self._etag)
