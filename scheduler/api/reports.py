"""Reports over what the ledger has."""

import asyncio
import time
from typing import Annotated

from pydantic import Field

from scheduler.access.role import Role
from scheduler.api.route import Answer, Call, Json, Route, Said, Shown
from scheduler.api.shapes import CostParts
from scheduler.cost_view import cost_body
from scheduler.turn_ledger import TurnLedger

POINTS = 500
HOUR_S = 3_600.0


class CostAsked(Said):
    """Over which time."""

    hours: Annotated[float, Field(gt=0, le=24 * 400, description="Until now.")] = 24.0


class CostPoint(Shown):
    """$/h of a turn."""

    wall_s: float
    billed: float
    total: float
    compute: float
    egress: float
    latency: float
    quality: float
    headroom: float
    shed: float
    churn: float
    overload: float


class Cost(Shown):
    """What the decisions of a time cost, as the loop priced them; of at most some hundred turns, evenly chosen."""

    format_version: int
    from_wall_s: float | None
    until_wall_s: float
    covered_hours: float
    usd: CostParts
    usd_per_hour_mean: CostParts
    usd_per_hour_now: CostParts
    series: list[CostPoint]


class ReportsApi:
    """Over the ledger."""

    def __init__(self, ledger: TurnLedger) -> None:
        self.ledger = ledger

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("GET", "/api/v1/reports/cost", Role.VIEWER, "reports", "Cost by component over time", self.cost,
                  query=CostAsked, answers={200: Cost}, large=True),
        ]  # fmt: skip

    async def cost(self, call: Call) -> Answer:
        """Until now."""
        return Answer(await self.cost_of(call.asked(CostAsked).hours))

    async def cost_of(self, hours: float) -> Json:
        """Of the last hours; raises LedgerDown."""
        now_s = time.time()
        turns = await self.ledger.since(now_s - HOUR_S * hours, POINTS)
        return await asyncio.to_thread(cost_body, turns, now_s)
