"""What budgets have left: the month so far, and how fast the last day spent."""

from typing import Any

import numpy as np
import polars as pl

from config.budget import Budget
from config.configuration import Configuration
from placement.pricing.shares import UNITS_PER_USD
from scheduler.reports.allocation import allocate
from scheduler.reports.cost import HOURS_PER_MONTH, named
from scheduler.reports.gather import Gathered, folded
from scheduler.reports.sources import Reading, gathered
from scheduler.usage import HOUR_S

Json = dict[str, Any]


def budget_rows(documents: Configuration, month: Reading, day: Reading) -> list[Json]:
    """One row for each budget, from readings of the month so far and of the last day; nothing measured is 0 spent."""
    spent = _spent(gathered(month, documents)) if month.records else {}
    last = gathered(day, documents) if day.records else None
    hours = float(last.covered_s.sum()) / HOUR_S if last else 0.0
    lately = _spent(last) if last else {}
    return [_row(budget, spent, lately, hours) for budget in documents.budgets]


def _row(budget: Budget, spent: dict[str, int], lately: dict[str, int], hours: float) -> Json:
    spec = budget.spec
    key = f"team {spec.team}" if spec.team is not None else f"service {spec.service}"
    usd = spent.get(key, 0) / UNITS_PER_USD
    burn = None
    if hours > 0:
        burn = lately.get(key, 0) / UNITS_PER_USD / hours * HOURS_PER_MONTH / spec.usd_per_month
    over = usd > spec.usd_per_month or (burn is not None and burn > spec.burn_rate_max)
    return {
        "budget": budget.name,
        "team": spec.team or "",
        "service": spec.service or "",
        "usd_per_month": spec.usd_per_month,
        "spent_usd": usd,
        "left_usd": spec.usd_per_month - usd,
        "burn_ratio": burn,
        "burn_rate_max": spec.burn_rate_max,
        "exceeded": over,
    }


def _spent(found: Gathered) -> dict[str, int]:
    """Units by `team NAME` and by `service NAME`."""
    whole = folded(found, np.zeros(len(found.bill.periods), dtype=np.int64))
    cells = named(allocate(whole.rows, whole.names, whole.bill, ("service",)), found)
    totals: dict[str, int] = {}
    for by in ("team", "service"):
        for name, units in cells.group_by(by).agg(pl.col("units").sum()).rows():
            totals[f"{by} {name}"] = units
    return totals
