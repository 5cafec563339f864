"""The plan in force and why it is so."""

import asyncio
import hashlib
from typing import Annotated

from pydantic import Field

from scheduler.access.role import Role
from scheduler.account import account, flows_named, unknown_flow
from scheduler.api.encoding import encoded
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.api.shapes import Backend, CostParts, LossRow, Number, PushOutcome, Shares
from scheduler.board import Board
from scheduler.solver import ThreadSolver

TAG = "plan"
NOT_YET = "The first tick is not done. Try again in a moment."
EXPLAINED_MAX = 500


class PlanFlow(Shown):
    """A flow with its shares, and the integer weights that its mesh has."""

    service: str
    origin: str
    demand_rps: float
    shares: Shares
    weights: dict[str, int]


class Plan(Shown):
    """The newest turn: what stands, what it costs, why."""

    format_version: int
    turn: int
    epoch: int
    at: str
    at_s: float
    mode: str
    reason: str
    detail: str
    fraction: float
    guards: list[str]
    safe: list[str]
    overrides: list[str]
    certified_gap: Number
    readings_age_s: Number
    panic: bool
    gateways_lost: list[str]
    cost_before_usd_per_hour: CostParts
    cost_usd_per_hour: CostParts
    flows: list[PlanFlow]
    flows_before: list[PlanFlow]
    backends: list[Backend]
    failover: list[LossRow]
    verdict_changes: list[Json]
    pushes: list[PushOutcome]
    reload_error: str
    source_failures: dict[str, str]
    rejections: list[str]


class Wanted(Said):
    """Which flow to explain."""

    flow: Annotated[str, Field(min_length=1, max_length=200, description="service@origin, or a service.")]


class Explanation(Shown):
    """Prices in $/h per rps."""

    format_version: int
    flows: list[Json]
    objective_usd_per_hour: CostParts
    worth: Json


class PlanApi:
    """Reads the board, and asks the solver for prices."""

    def __init__(self, board: Board, solver: ThreadSolver) -> None:
        self.board, self.solver = board, solver
        self._made: tuple[object, asyncio.Task[Answer]] | None = None

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("GET", "/api/v1/plan", Role.VIEWER, TAG, "What stands, what it costs, and why", self.plan,
                  answers={200: Plan}, large=True, etag=True),
            Route("GET", "/api/v1/explain", Role.VIEWER, TAG, "Why the shares of a flow are what they are",
                  self.explain, query=Wanted, answers={200: Explanation}, problems=(404,), large=True),
        ]  # fmt: skip

    async def plan(self, _: Call) -> Answer:
        """Of the newest turn: made once, however many ask."""
        board, turn = self.board, self.board.turn
        if turn is None or board.state is None or board.state.problem is None:
            raise Failure(503, NOT_YET, "No plan yet")
        key = turn.epoch, turn.number, board.reload_error, dict(board.source_failures)
        if self._made is None or self._made[0] != key or (self._made[1].done() and self._made[1].exception()):
            self._made = key, asyncio.create_task(asyncio.to_thread(self._encoded))
        return await asyncio.shield(self._made[1])

    def _encoded(self) -> Answer:
        body = self.board.plan(flows=iter)
        assert body is not None, "a plan was there before"
        return Answer(data=encoded(body), etag=f'"{body["epoch"]}.{body["turn"]}"')

    async def explain(self, call: Call) -> Answer:
        """One flow, or all of a service."""
        wanted = call.asked(Wanted).flow
        return Answer(await self.explained(wanted))

    async def explained(self, wanted: str) -> Json:
        """The account of a flow or of all flows of a service; raises Failure."""
        state, turn = self.board.state, self.board.turn
        if state is None or turn is None or state.problem is None:
            raise Failure(503, NOT_YET, "No plan yet")
        chosen = flows_named(state.fleet, wanted)[:EXPLAINED_MAX]
        if not chosen:
            raise Failure(404, unknown_flow(state.fleet, wanted), "Unknown flow")
        prices = await self.solver.price(state.problem)
        if prices is None:
            words = "The problem of the last tick has no solution, so nothing has a price. Try again."
            raise Failure(503, words, "No prices now")
        return await asyncio.to_thread(account, state.problem, turn.pushed, prices, chosen)


def etag_of(*parts: object) -> str:
    """A strong ETag of some values."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}"'
