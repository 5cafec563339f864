"""What the loop did, turn by turn: as a list, one by one with the weights before and after, and as it happens."""

import asyncio
import contextlib
import json
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from scheduler.access.role import Role
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.api.shapes import CostParts, Number
from scheduler.board import Board
from scheduler.decision_view import weight_changes
from scheduler.turn_ledger import TurnLedger

TAG = "turns"
KEY = r"[0-9]{1,9}\.[0-9]{1,9}"
HEARTBEAT_S = 15.0
BEHIND_MAX = 200
"""Turns that a slow reader may be behind; then it is cut off, and resumes where it was."""
READERS_MAX = 500
RESUMED_MAX = 1_000


class Push(Shown):
    """What a mesh said."""

    version: int
    digest: str
    stored: bool
    accepted: bool | None
    detail: str


class TurnShown(Shown):
    """A turn as the ledger has it; `key` is epoch.turn."""

    key: str
    turn: int
    epoch: int
    wall_s: float
    mode: str
    reason: str
    detail: str
    fraction: float
    guards: list[str]
    safe: list[str]
    overrides: list[str]
    cost_before_usd_per_hour: CostParts
    cost_usd_per_hour: CostParts
    certified_gap: Number
    moved_share_max: float
    readings_age_s: Number
    panic: bool
    changes: list[Json]
    pushes: dict[str, Push]
    duration_s: float


class WeightChange(Shown):
    """A share that changed, by the integer weights that were written."""

    flow: str
    cluster: str
    before: float
    after: float
    delta: float


class TurnInFull(TurnShown):
    """With what was written to the meshes; `first` where there were no weights before."""

    weights: list[WeightChange]
    first: list[str]


class TurnsAsked(Said):
    """Which part of the turns."""

    limit: Annotated[int, Field(ge=1, le=500, description="Most turns.")] = 50
    cursor: Annotated[str, Field(pattern=r"^[0-9]{0,18}$", description="`next` of the part before.")] = ""
    moved: Annotated[bool, Field(description="Only those that wrote to a mesh.")] = False


class TurnsShown(Shown):
    """Newest first; `next` is None at the end."""

    items: list[TurnShown]
    next: str | None


class TurnsApi:
    """Over the ledger, and the board for what happens now."""

    def __init__(self, board: Board, ledger: TurnLedger) -> None:
        self.board, self.ledger = board, ledger
        self.readers = 0
        self.closing = asyncio.Event()

    def routes(self) -> list[Route]:
        """What it answers."""
        events = "Server-sent events: one `turn` each, its id is epoch.turn; send it as Last-Event-ID to resume."
        return [
            Route("GET", "/api/v1/turns", Role.VIEWER, TAG, "Turns, newest first", self.listed, query=TurnsAsked,
                  answers={200: TurnsShown}, large=True),
            Route("GET", "/api/v1/turns/stream", Role.VIEWER, TAG, "Turns as they happen", self.stream, about=events,
                  media="text/event-stream"),
            Route("GET", "/api/v1/turns/{turn}", Role.VIEWER, TAG, "A turn with its weights before and after",
                  self.shown, answers={200: TurnInFull}, patterns={"turn": KEY}, large=True),
        ]  # fmt: skip

    async def listed(self, call: Call) -> Answer:
        """A part of them."""
        asked = call.asked(TurnsAsked)
        before = int(asked.cursor) if asked.cursor else None
        found = await self.ledger.page(asked.limit + 1, before, moved=asked.moved)
        more = len(found) > asked.limit
        items = [keyed(kept.body) for kept in found[: asked.limit]]
        return Answer({"items": items, "next": str(found[asked.limit - 1].row) if more else None})

    async def shown(self, call: Call) -> Answer:
        """One of them."""
        return Answer(await self.in_full(call.path["turn"]))

    async def in_full(self, key: str) -> Json:
        """A turn with its weights; raises Failure."""
        epoch, turn = (int(part) for part in key.split("."))
        kept = await self.ledger.one(epoch, turn)
        if kept is None:
            raise Failure(404, f"no turn {key} is in the ledger; GET /api/v1/turns has them")
        before, after = await self.ledger.weights(epoch, turn)
        changes = await asyncio.to_thread(weight_changes, before, after)
        first = sorted(str(origin) for origin in after.keys() - before.keys())
        return keyed(kept.body) | {"weights": changes, "first": first}

    async def stream(self, call: Call) -> web.StreamResponse:
        """Until the reader goes away, or the controller ends."""
        if self.readers >= READERS_MAX:
            raise Failure(503, f"{READERS_MAX} readers are being told already; poll GET /api/v1/turns")
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
            }
        )
        queue: asyncio.Queue[Json | None] = asyncio.Queue()

        def hear(body: Json) -> None:
            if queue.qsize() <= BEHIND_MAX:
                queue.put_nowait(body if queue.qsize() < BEHIND_MAX else None)

        self.readers += 1
        self.board.listeners.append(hear)
        try:
            missed = await self._missed(call.request.headers.get("Last-Event-ID", ""))
            with contextlib.suppress(ConnectionError):  # the reader went away, as readers do
                await response.prepare(call.request)
                await self._tell(response, queue, missed)
        finally:
            self.board.listeners.remove(hear)
            self.readers -= 1
        return response

    async def _tell(
        self, response: web.StreamResponse, queue: "asyncio.Queue[Json | None]", missed: list[Json]
    ) -> None:
        told = ""
        await response.write(b"retry: 1000\n\n")
        for body in missed:
            told = keyed(body)["key"]
            await response.write(_event(body))
        ending = asyncio.ensure_future(self.closing.wait())
        try:
            while not ending.done():
                waiting = asyncio.ensure_future(queue.get())
                done, _ = await asyncio.wait(
                    {waiting, ending}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED
                )
                if waiting not in done:
                    waiting.cancel()
                    await response.write(b": still here\n\n")
                    continue
                heard = waiting.result()
                if heard is None:
                    return
                if _later(told, heard):
                    await response.write(_event(heard))
        finally:
            ending.cancel()
            with contextlib.suppress(ConnectionError):
                await response.write_eof()

    async def _missed(self, seen: str) -> list[Json]:
        """What followed the turn that a reader saw last; the newest one for who saw none."""
        parts = seen.split(".")
        if len(parts) == 2 and all(part.isdecimal() and len(part) < 10 for part in parts):
            return [kept.body for kept in await self.ledger.after(int(parts[0]), int(parts[1]), RESUMED_MAX)]
        return [self.board.summaries[-1]] if self.board.summaries else []


def keyed(body: Json) -> Json:
    """A turn with its key."""
    return {"key": f"{body['epoch']}.{body['turn']}", "overrides": [], **body}


def _later(told: str, body: Json) -> bool:
    if not told:
        return True
    epoch, turn = (int(part) for part in told.split("."))
    return bool((body["epoch"], body["turn"]) > (epoch, turn))


def _event(body: Json) -> bytes:
    whole: dict[str, Any] = keyed(body)
    return f"id: {whole['key']}\nevent: turn\ndata: {json.dumps(whole, separators=(',', ':'))}\n\n".encode()
