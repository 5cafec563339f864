"""Budgets: what teams and services spent this month and how fast, as metrics and at `/api/v1/reports/budgets`."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from config.configuration import Configuration as Documents
from scheduler.access.role import Role
from scheduler.api.route import Answer, Call, Route, Shown
from scheduler.ports import LedgerDown
from scheduler.reports.window import Window, month_starts
from scheduler.usage import DAY_S, HOUR_S, Usage
from scheduler.usage_ledger import UsageLedger

log = structlog.get_logger()
Json = dict[str, Any]
EVERY_S = 300.0
LABELS = ("budget", "team", "service")
METRICS = {
    "equipoise_budget_usd": ("usd_per_month", "What may be spent in a calendar month."),
    "equipoise_budget_spent_usd": ("spent_usd", "What was spent of it this month (UTC), as far as it was measured."),
    "equipoise_budget_burn_ratio": ("burn_ratio", "A month like the last measured day, over the budget."),
    "equipoise_budget_burn_max_ratio": ("burn_rate_max", "The burn ratio to alert above."),
    "equipoise_budget_exceeded": ("exceeded", "1 while more is spent, or burnt, than the budget allows."),
}


class BudgetShown(Shown):
    """A budget of a team or a service."""

    budget: str
    team: str
    service: str
    usd_per_month: float
    spent_usd: float
    left_usd: float
    burn_ratio: float | None
    """A month like the last measured day, over the budget; null without a measured day."""
    burn_rate_max: float
    exceeded: bool


class BudgetsShown(Shown):
    """All of them, as looked at some minutes ago at most."""

    format_version: int
    budgets: list[BudgetShown]
    error: str
    """Why they are old; empty while they are not."""


class Budgets(Collector):
    """Looked at every few minutes, off the event loop; collecting only reads the last answer."""

    def __init__(self, ledger: UsageLedger, documents: Documents) -> None:
        self.ledger, self.documents = ledger, documents
        """Replaced when the documents change."""
        self.rows: list[Json] = []
        self.error = ""

    def measure(self, registry: CollectorRegistry) -> None:
        """The metrics."""
        registry.register(self)

    def routes(self) -> list[Route]:
        """What it answers."""
        words = "Budgets, what was spent of them this month and how fast"
        return [
            Route(
                "GET", "/api/v1/reports/budgets", Role.VIEWER, "reports", words, self.show, answers={200: BudgetsShown}
            )
        ]

    async def show(self, _: Call) -> Answer:
        """Every budget with what was spent of it."""
        return Answer({"format_version": 1, "budgets": self.rows, "error": self.error})

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look(time.time())
            await asyncio.sleep(EVERY_S)

    async def look(self, now_s: float) -> None:
        """Price the month so far, and the last day, which may reach into the month before."""
        documents = self.documents
        if not documents.budgets:
            self.rows, self.error = [], ""
            return
        end = -(-int(now_s) // HOUR_S) * HOUR_S
        month, day = Window(month_starts(now_s), end), Window(end - DAY_S, end)
        try:
            read = [(w, await self.ledger.read(w.starts_s, w.ends_s, days=not w.hourly)) for w in (month, day)]
            self.rows = await asyncio.to_thread(_rows, documents, read)
            self.error = ""
        except (LedgerDown, ValueError) as error:
            if not self.error:
                log.warning("budgets not computed", error=str(error))
            self.error = str(error)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics; a budget without a measured day has no burn ratio."""
        for name, (key, about) in METRICS.items():
            family = GaugeMetricFamily(name, about, labels=LABELS)
            for row in self.rows:
                if row[key] is not None:
                    family.add_metric([row[label] for label in LABELS], float(row[key]))
            yield family


def _rows(documents: Documents, read: list[tuple[Window, list[Usage]]]) -> list[Json]:
    """On a thread: reports take a second of a processor to import, and who has no budgets never does."""
    from scheduler.reports.budgets import budget_rows  # noqa: PLC0415
    from scheduler.reports.sources import Reading  # noqa: PLC0415

    month, day = (Reading(window, records, [], "the ledger") for window, records in read)
    return budget_rows(documents, month, day)
