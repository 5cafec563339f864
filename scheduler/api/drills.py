"""`/api/v1/drills`: what was drilled, what is, and how to begin and end one."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from health.drill import Level
from scheduler.api.app import problem
from scheduler.drill_begin import NotNow
from scheduler.drill_ledger import DrillLedger, Json
from scheduler.drill_paths import KINDS
from scheduler.drill_report import report
from scheduler.drills import Drills
from scheduler.ports import LedgerDown

LEVELS = {str(level): level for level in Level}
SHOWN_MAX = 500


class Ask(BaseModel):
    """Body of `POST /api/v1/drills`."""

    model_config = ConfigDict(extra="forbid")
    level: str = "L2"
    loss: str = Field(min_length=1, max_length=300)
    """As the failover table calls it: `cluster eu-west`."""
    by: str = Field(default="operator", max_length=100)


class Abort(BaseModel):
    """Body of `POST /api/v1/drills/{id}/abort`."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(default="", max_length=300)


class DrillRoutes:
    """Handlers over the drills of one controller."""

    def __init__(self, drills: Drills, ledger: DrillLedger, wall_s: Callable[[], float]) -> None:
        self.drills, self.ledger, self.wall_s = drills, ledger, wall_s

    def add(self, app: web.Application) -> None:
        """Put the routes into an application."""
        app.router.add_get("/api/v1/drills", self.listed)
        app.router.add_post("/api/v1/drills", self.ask)
        app.router.add_get("/api/v1/drills/report", self.report)
        app.router.add_get("/api/v1/drills/{id}", self.shown)
        app.router.add_post("/api/v1/drills/{id}/abort", self.abort)

    async def listed(self, _: web.Request) -> web.Response:
        """The newest first, without their timelines; and why the next one does not begin."""
        live = self.drills.live
        try:
            entries = await self.ledger.newest(SHOWN_MAX)
        except LedgerDown as down:
            return problem(503, "The ledger cannot be read", str(down))
        bodies = [shortened(entry.body) for entry in entries]
        if live is not None:
            bodies = [live.body(self.wall_s()), *(b for b in bodies if b["id"] != live.drill.id)]
        return web.json_response(
            {"format_version": 1, "drills": bodies, "hindrance": self.drills.hindrance, "moving": self.drills.moving}
        )

    async def shown(self, request: web.Request) -> web.Response:
        """One drill with its timeline."""
        wanted = request.match_info["id"]
        try:
            entries = await self.ledger.newest(SHOWN_MAX)
        except LedgerDown as down:
            return problem(503, "The ledger cannot be read", str(down))
        for entry in entries:
            if entry.body["id"] == wanted:
                live = self.drills.live
                now = live.body(self.wall_s()) if live is not None and live.drill.id == wanted else entry.body
                return web.json_response({"format_version": 1, **now, "timeline": list(entry.events)})
        return problem(404, "Unknown drill", f"no drill {wanted!r} is among the newest {SHOWN_MAX}")

    async def ask(self, request: web.Request) -> web.Response:
        """Begin one: 201; 409 with every pre-condition that does not hold."""
        try:
            body = Ask.model_validate_json(await request.read() or b"{}")
        except ValidationError as error:
            return problem(422, "Bad request body", "; ".join(f"{e['loc']}: {e['msg']}" for e in error.errors()))
        level = LEVELS.get(body.level)
        if level is None:
            return problem(422, "Bad level", f"{body.level!r} is none of {', '.join(LEVELS)}")
        try:
            begun = await self.drills.ask(level, body.loss, body.by)
        except NotNow as reason:
            return problem(409, "Not now", str(reason))
        return web.json_response({"format_version": 1, **begun}, status=201)

    async def abort(self, request: web.Request) -> web.Response:
        """Take one back: 202; it is back within a second or so."""
        try:
            body = Abort.model_validate_json(await request.read() or b"{}")
        except ValidationError as error:
            return problem(422, "Bad request body", "; ".join(e["msg"] for e in error.errors()))
        wanted = request.match_info["id"]
        if not self.drills.abort(wanted, body.reason):
            return problem(404, "No such drill under way", f"{wanted!r} is not under way; see GET /api/v1/drills")
        return web.json_response({"id": wanted, "aborting": True}, status=202)

    async def report(self, _: web.Request) -> web.Response:
        """Coverage, foreseen against measured, recovery times; over all that the ledger has."""
        try:
            entries = await self.ledger.newest(10 * SHOWN_MAX)
        except LedgerDown as down:
            return problem(503, "The ledger cannot be read", str(down))
        ended = [entry.body for entry in entries if entry.body["outcome"]]
        kinds = self.drills.ports.policy().kinds or KINDS
        found = await asyncio.to_thread(report, self.drills.book, ended, self.wall_s(), kinds)
        return web.json_response(found)


def shortened(body: Json) -> Json:
    """A drill without the names of its flows."""
    return {name: value for name, value in body.items() if name != "flows"}
