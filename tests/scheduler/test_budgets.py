"""Budgets: spent of the month, burnt of the last day, and what the metrics say."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from scheduler.api.budgets import Budgets
from scheduler.ledger import Ledger
from scheduler.usage import HOUR_S
from scheduler.usage_ledger import UsageLedger
from tests.scheduler.reports.fleets import BEGIN_S, documents, drawn


async def test_budget_of_a_team_when_it_is_burnt_too_fast_is_exceeded_and_exported(tmp_path: Path) -> None:
    ledger, configuration = Ledger(f"sqlite:///{tmp_path}/l.db"), documents()
    await ledger.migrate()
    usage = UsageLedger(ledger)
    await usage.write([drawn(configuration, 1, hour) for hour in range(30)])
    budgets = Budgets(usage, configuration)
    registry = CollectorRegistry()
    budgets.measure(registry)

    await budgets.look(BEGIN_S + 30 * HOUR_S)

    rows = {row["budget"]: row for row in budgets.rows}
    shop = rows["shop"]
    assert shop["spent_usd"] > 0
    assert shop["left_usd"] == pytest.approx(5_000 - shop["spent_usd"])
    assert shop["burn_ratio"] == pytest.approx(shop["spent_usd"] / 30 * 730 / 5_000, rel=0.2)
    text = generate_latest(registry).decode()
    assert 'equipoise_budget_usd{budget="shop",service="",team="shop"} 5000.0' in text
    assert f'equipoise_budget_exceeded{{budget="shop",service="",team="shop"}} {float(shop["exceeded"])}' in text
    ledger.close()


async def test_budgets_of_a_month_without_data_are_0_spent_and_have_no_burn_ratio(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/l.db")
    await ledger.migrate()
    budgets = Budgets(UsageLedger(ledger), documents())

    await budgets.look(float(BEGIN_S))

    assert [(row["spent_usd"], row["burn_ratio"], row["exceeded"]) for row in budgets.rows] == [(0.0, None, False)] * 2
    ledger.close()
