"""Error budgets, from readings."""

from dataclasses import replace

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import bools, floats
from scheduler.error_budget import BudgetLimits, ErrorBudgets
from scheduler.loop import tick
from tests.scheduler.ports import Bench, bench

LIMITS = BudgetLimits(objective=0.99, window_s=600.0, left_min=0.5)
EVERY = bools([True, True])


async def passed(b: Bench, budgets: ErrorBudgets, seconds: float, errors: float) -> None:
    """A tick and a count every 5 s, with the same error ratio everywhere."""
    keys = tuple(tuple(b.fleet.backend_name(row).split("/")) for row in range(len(b.fleet.backends)))
    for _ in range(round(seconds / 5)):
        b.clock.at_s += 5.0
        b.measure()
        b.inbox.batches.append(
            Batch(Signal.ERROR_RATIO, "test", b.clock.at_s, keys, floats(np.full(len(keys), errors)))
        )
        b.state, _ = await tick(b.state, b.ports, b.policy)
        budgets.count(b.state, b.clock.at_s, LIMITS)


async def test_budget_of_a_service_that_fails_little_stays_whole_and_one_that_burns_is_spent_and_recovers() -> None:
    b, budgets = bench(), ErrorBudgets()
    await passed(b, budgets, 300.0, errors=0.0)
    assert budgets.left(LIMITS).tolist() == [1.0, 1.0]
    assert budgets.spent(EVERY, LIMITS) == ""

    await passed(b, budgets, 100.0, errors=0.1)
    words = budgets.spent(EVERY, LIMITS)
    assert "error budget left (99.000% over 10 min), 50% are asked" in words
    assert budgets.spent(bools([False, False]), LIMITS) == "", "nobody asks about others"
    assert budgets.spent(EVERY, replace(LIMITS, left_min=0.0)) == ""

    await passed(b, budgets, 2_400.0, errors=0.0)
    assert budgets.spent(EVERY, LIMITS) == "", "old failures fade with the window"


async def test_budget_of_requests_that_nobody_measures_is_not_spent() -> None:
    b, budgets = bench(), ErrorBudgets()
    await passed(b, budgets, 20.0, errors=0.5)
    for _ in range(20):
        b.clock.at_s += 5.0
        b.measure()
        b.state, _ = await tick(b.state, b.ports, b.policy)
        before = budgets.failed.copy()
        budgets.count(b.state, b.clock.at_s, LIMITS)

    assert (budgets.failed <= before).all(), "an old error ratio spends nothing"
