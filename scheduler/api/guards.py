"""What the guards know and the one thing that people tell them: go on."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scheduler.api.app import problem
from scheduler.board import Board
from scheduler.summary import conduct_summary

REASON_MAX = 1_000


class Resume(BaseModel):
    """Body of `POST /api/v1/resume`."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(default="", max_length=REASON_MAX)


class GuardsApi:
    """`GET /api/v1/guards` and `POST /api/v1/resume`."""

    def __init__(self, board: Board, resume: Callable[[str], Awaitable[None]]) -> None:
        self.board, self.resume = board, resume

    def add_to(self, application: web.Application) -> None:
        """The routes."""
        application.router.add_get("/api/v1/guards", self.guards)
        application.router.add_post("/api/v1/resume", self.go_on)

    async def guards(self, _: web.Request) -> web.Response:
        """SAFE mode and its reasons, what was moved lately, what is known good, what waits for a human."""
        state, turn = self.board.state, self.board.turn
        if state is None or turn is None:
            return problem(503, "No plan yet", "The first tick is not done. Try again in a moment.")
        return web.json_response(conduct_summary(state.conduct, state.fleet, turn.at_s))

    async def go_on(self, request: web.Request) -> web.Response:
        """Leave SAFE mode and renew the emergency budget: a human has looked."""
        try:
            body = Resume.model_validate_json(await request.read() or b"{}")
        except ValidationError as error:
            return problem(422, "Bad request body", "; ".join(e["msg"] for e in error.errors()))
        await self.resume(body.reason)
        return web.json_response({"resumed": True})
