"""The HTTP face of a controller: health, metrics, the plan, explanations, and the freeze switch.

Without credentials it belongs on loopback only; `serve` refuses to bind it elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from scheduler.account import account, flows_named, unknown_flow
from scheduler.api.metrics import CONTENT_TYPE, Metrics
from scheduler.board import Board
from scheduler.solver import ThreadSolver
from scheduler.state import Mode

BODY_MAX_BYTES = 64 * 1024


class Freeze(BaseModel):
    """Body of `POST /api/v1/freeze`."""

    model_config = ConfigDict(extra="forbid")
    scope: Mode = Mode.FROZEN
    reason: str = ""


SetMode = Callable[[Mode, str], Awaitable[None]]


class Api:
    """Handlers over a board; they read, and only the freeze switch changes anything."""

    def __init__(self, board: Board, metrics: Metrics, solver: ThreadSolver, set_mode: SetMode) -> None:
        self.board, self.metrics, self.solver, self.set_mode = board, metrics, solver, set_mode

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=BODY_MAX_BYTES)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.scrape)
        app.router.add_get("/api/v1/plan", self.plan)
        app.router.add_get("/api/v1/explain", self.explain)
        app.router.add_post("/api/v1/freeze", self.freeze)
        app.router.add_delete("/api/v1/freeze", self.unfreeze)
        return app

    async def healthz(self, _: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """A tick was completed and the ledger takes writes."""
        if self.board.turn is None:
            return web.json_response({"status": "starting", "detail": "no tick yet"}, status=503)
        if self.board.ledger_error:
            return web.json_response({"status": "degraded", "detail": self.board.ledger_error}, status=503)
        return web.json_response({"status": "ready", "turn": self.board.turn.number})

    async def scrape(self, _: web.Request) -> web.Response:
        """Prometheus exposition."""
        return web.Response(body=self.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def plan(self, _: web.Request) -> web.Response:
        """The newest turn: what stands, what it costs, why."""
        plan = await asyncio.to_thread(self.board.plan)
        if plan is None:
            return problem(503, "No plan yet", "The first tick is not done. Try again in a moment.")
        return web.json_response(plan)

    async def explain(self, request: web.Request) -> web.Response:
        """`?flow=service@origin`: why its shares are what they are."""
        state, turn = self.board.state, self.board.turn
        if state is None or turn is None or state.problem is None:
            return problem(503, "No plan yet", "The first tick is not done. Try again in a moment.")
        wanted = request.query.get("flow", "")
        chosen = flows_named(state.fleet, wanted)
        if not chosen:
            return problem(404, "Unknown flow", unknown_flow(state.fleet, wanted))
        prices = await self.solver.price(state.problem)
        if prices is None:
            return problem(
                503, "No prices now", "The problem of the last tick has no solution, so nothing has a price. Try again."
            )
        return web.json_response(await asyncio.to_thread(account, state.problem, turn.pushed, prices, chosen))

    async def freeze(self, request: web.Request) -> web.Response:
        """Stop the optimizer (scope `frozen`) or everything (scope `stopped`)."""
        try:
            body = Freeze.model_validate_json(await request.read() or b"{}")
        except ValidationError as error:
            return problem(422, "Bad request body", "; ".join(e["msg"] for e in error.errors()))
        if body.scope not in {Mode.FROZEN, Mode.STOPPED}:
            return problem(422, "Bad scope", "scope is frozen or stopped; DELETE /api/v1/freeze goes back to auto")
        await self.set_mode(body.scope, body.reason)
        return web.json_response({"mode": str(body.scope)})

    async def unfreeze(self, _: web.Request) -> web.Response:
        """Back to automatic."""
        await self.set_mode(Mode.AUTO, "")
        return web.json_response({"mode": str(Mode.AUTO)})


def problem(status: int, title: str, detail: str) -> web.Response:
    """An RFC 9457 problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
