"""Back to weights that were known good."""

import time
from typing import Annotated

from pydantic import Field

from scheduler.access.role import Role
from scheduler.api.guards import SetMode
from scheduler.api.problem import Failure
from scheduler.api.route import Answer, Call, Route, Said, Shown
from scheduler.clock import SystemClock
from scheduler.desk import Desk
from scheduler.orders import Return
from scheduler.state import Mode
from scheduler.turn_ledger import KnownGood, TurnLedger

TAG = "rollback"
ABOUT = (
    "The next tick goes back to the weights of that turn, without what is down and within what backends serve. While "
    "a drill moves traffic or everything is stopped it waits; after 15 s without a chance it is void. With `freeze` "
    "the optimizer then stays out of it; without, it rests for a minute first."
)


class GoodShown(Shown):
    """Weights that stood well for ten minutes."""

    id: int
    turn: int
    wall_s: float
    origins: list[str]


class GoodsShown(Shown):
    """Newest first."""

    items: list[GoodShown]


class RollbackAsked(Said):
    """Where to, and why."""

    good: Annotated[int, Field(ge=1, le=2**31, description="`id` of GET /api/v1/good.")]
    reason: Annotated[str, Field(min_length=1, max_length=300)]
    freeze: Annotated[bool, Field(description="Freeze the optimizer there.")] = True


class RollbackShown(Shown):
    """It was ordered; the stream of turns says when it is done."""

    turn: int
    frozen: bool


class RollbackApi:
    """Orders it of the loop."""

    def __init__(self, desk: Desk, clock: SystemClock, ledger: TurnLedger, set_mode: SetMode) -> None:
        self.desk, self.clock, self.ledger, self.set_mode = desk, clock, ledger, set_mode

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("GET", "/api/v1/good", Role.VIEWER, TAG, "Weights that are known good", self.listed,
                  answers={200: GoodsShown}),
            Route("POST", "/api/v1/rollback", Role.OPERATOR, TAG, "Go back to weights that were known good",
                  self.ordered, about=ABOUT, body=RollbackAsked, answers={202: RollbackShown}, problems=(404, 409),
                  audited=True),
        ]  # fmt: skip

    async def listed(self, _: Call) -> Answer:
        """All that are kept."""
        items = [
            {"id": g.id, "turn": g.turn, "wall_s": g.wall_s, "origins": sorted(map(str, g.tables))}
            for g in await self.ledger.good()
        ]
        return Answer({"items": items})

    async def ordered(self, call: Call) -> Answer:
        """Obeyed by the next tick, which comes at once."""
        asked = call.sent(RollbackAsked)
        good = await self.go_back(asked, call)
        return Answer(RollbackShown(turn=good.turn, frozen=asked.freeze), 202)

    async def go_back(self, asked: RollbackAsked, call: Call) -> KnownGood:
        """Order it; raises Failure."""
        found = next((g for g in await self.ledger.good() if g.id == asked.good), None)
        if found is None:
            raise Failure(404, f"nothing known good has id {asked.good}; GET /api/v1/good has them")
        if self.desk.mode() in {Mode.STOPPED, Mode.DRILLING}:
            raise Failure(409, f"mode is {self.desk.mode()}: end that first")
        call.noted = {"good": asked.good, "turn": found.turn, "reason": asked.reason, "freeze": asked.freeze}
        words = f"ordered by {call.principal.name}: {asked.reason}"
        self.desk.go_back(Return(found.tables, found.turn, words), time.time())
        if asked.freeze:
            await self.set_mode(Mode.FROZEN, f"after a rollback to turn {found.turn}: {asked.reason}")
        self.clock.nudge()
        return found
