"""`/api/v1/drills`: what was drilled, what is, and how to begin and end one."""

import asyncio
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from health.drill import Level
from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.drill_begin import NotNow
from scheduler.drill_ledger import DrillLedger
from scheduler.drill_paths import KINDS
from scheduler.drill_report import report
from scheduler.drills import Drills

TAG = "drills"
LEVELS = {str(level): level for level in Level}
SHOWN_MAX = 500


class Ask(Said):
    """A drill to begin."""

    level: str = "L2"
    loss: Annotated[str, Field(min_length=1, max_length=300)]
    """As the failover table calls it: `cluster eu-west`."""
    by: Annotated[str, Field(max_length=100)] = "operator"


class Abort(Said):
    """A drill to take back."""

    reason: Annotated[str, Field(max_length=300)] = ""


class Receiver(Shown):
    """A backend that takes over: utilization before, as foreseen, as measured."""

    backend: str
    before: float | None
    predicted: float | None
    measured: float | None
    latency_before_ms: float | None
    latency_ms: float | None
    p95_before_ms: float | None = None
    p95_ms: float | None = None


class Checked(Shown):
    """A check that moved nothing, with its result."""

    format_version: int
    level: str
    loss: str
    asked_by: str
    outcome: str
    reason: str


class Drill(Shown):
    """A drill; `outcome` is empty while it is under way."""

    id: str
    level: str
    level_name: str
    loss: str
    asked_by: str
    phase: str
    outcome: str
    reason: str
    step: int
    ratio: float
    ratio_max: float
    began_wall_s: float
    ended_wall_s: float | None
    epoch: int
    version: int
    origins: list[str]
    left_out: dict[str, str]
    rehearsed_requests: float
    rehearsed_failed: float
    regular_requests: float
    regular_failed: float
    rehearsed_ratio: float | None
    shifts_s: list[float]
    rto_s: float | None
    revert_s: float | None
    receivers: list[Receiver]


class Begun(Drill):
    """It has begun."""

    format_version: int


class DrillInFull(Begun):
    """With its timeline."""

    timeline: list[Json]
    flows: list[str] | None = None


class DrillsShown(Shown):
    """Newest first, and why the one that is due does not begin."""

    format_version: int
    drills: list[Drill]
    hindrance: str
    moving: bool


class Aborting(Shown):
    """It is back within a second or so."""

    id: str
    aborting: bool


class DrillRoutes:
    """Over the drills of one controller."""

    def __init__(self, drills: Drills, ledger: DrillLedger, wall_s: Callable[[], float]) -> None:
        self.drills, self.ledger, self.wall_s = drills, ledger, wall_s

    def routes(self) -> list[Route]:
        """What it answers."""
        viewer, operator = Role.VIEWER, Role.OPERATOR
        return [
            Route("GET", "/api/v1/drills", viewer, TAG, "Drills, newest first", self.listed,
                  answers={200: DrillsShown}),
            Route("POST", "/api/v1/drills", operator, TAG, "Begin one; 409 says every pre-condition that fails",
                  self.ask, body=Ask, answers={201: None}, problems=(409,), audited=True,
                  about="A check that moves nothing (L0, L1) has its result at once; any other has an id to follow."),
            Route("GET", "/api/v1/drills/report", viewer, TAG, "Coverage, foreseen against measured, recovery times",
                  self.report),
            Route("GET", "/api/v1/drills/{id}", viewer, TAG, "A drill with its timeline", self.shown,
                  answers={200: DrillInFull}),
            Route("POST", "/api/v1/drills/{id}/abort", operator, TAG, "Take one back", self.abort, body=Abort,
                  body_needed=False, answers={202: Aborting}, audited=True),
        ]  # fmt: skip

    async def listed(self, _: Call) -> Answer:
        """Without their timelines."""
        return Answer(await self.body())

    async def body(self) -> Json:
        """All of them; raises LedgerDown."""
        live = self.drills.live
        bodies = [shortened(entry.body) for entry in await self.ledger.newest(SHOWN_MAX)]
        if live is not None:
            bodies = [live.body(self.wall_s()), *(b for b in bodies if b["id"] != live.drill.id)]
        hindrance, moving = self.drills.hindrance, self.drills.moving
        return {"format_version": 1, "drills": bodies, "hindrance": hindrance, "moving": moving}

    async def shown(self, call: Call) -> Answer:
        """One of the newest."""
        return Answer(await self.in_full(call.path["id"]))

    async def in_full(self, wanted: str) -> Json:
        """A drill with its timeline; raises Failure and LedgerDown."""
        for entry in await self.ledger.newest(SHOWN_MAX):
            if entry.body["id"] == wanted:
                live = self.drills.live
                now = live.body(self.wall_s()) if live is not None and live.drill.id == wanted else entry.body
                return {"format_version": 1, **now, "timeline": list(entry.events)}
        raise Failure(404, f"no drill {wanted!r} is among the newest {SHOWN_MAX}", "Unknown drill")

    async def ask(self, call: Call) -> Answer:
        """It begins once it is written down."""
        body = call.sent(Ask)
        who = body.by if call.principal.how == "local" else call.principal.name
        begun = await self.begin(body.level, body.loss, who)
        call.noted = {"level": body.level, "loss": body.loss, "drill": begun.get("id")}
        return Answer({"format_version": 1, **begun}, 201)

    async def begin(self, level: str, loss: str, who: str) -> Json:
        """Begin one; raises Failure with every pre-condition that does not hold."""
        known = LEVELS.get(level)
        if known is None:
            raise Failure(422, f"{level!r} is none of {', '.join(LEVELS)}", "Bad level")
        try:
            return await self.drills.ask(known, loss, who)
        except NotNow as reason:
            raise Failure(409, str(reason), "Not now") from None

    async def abort(self, call: Call) -> Answer:
        """Everything goes its regular way again."""
        wanted, reason = call.path["id"], call.sent(Abort).reason
        call.noted = {"drill": wanted, "reason": reason}
        self.take_back(wanted, reason)
        return Answer(Aborting(id=wanted, aborting=True), 202)

    def take_back(self, wanted: str, reason: str) -> None:
        """Abort one; raises Failure."""
        if not self.drills.abort(wanted, reason):
            words = f"{wanted!r} is not under way; see GET /api/v1/drills"
            raise Failure(404, words, "No such drill under way")

    async def report(self, _: Call) -> Answer:
        """Over all that the ledger has."""
        entries = await self.ledger.newest(10 * SHOWN_MAX)
        ended = [entry.body for entry in entries if entry.body["outcome"]]
        kinds = self.drills.ports.policy().kinds or KINDS
        return Answer(await asyncio.to_thread(report, self.drills.book, ended, self.wall_s(), kinds))


def shortened(body: Json) -> Json:
    """A drill without the names of its flows."""
    return {name: value for name, value in body.items() if name != "flows"}
