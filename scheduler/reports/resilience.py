"""What outliving losses costs: what is paid for standing by, by service, against the least that would do."""

from typing import Any

import numpy as np
import polars as pl

from placement.pricing.shares import UNITS_PER_USD
from placement.solve.resilience import standby
from scheduler.reports.allocation import COMPONENTS, RESILIENCE, allocate
from scheduler.reports.cost import FORMAT, header, named
from scheduler.reports.gather import Gathered, folded
from scheduler.reports.replay import Replay, peak_of
from scheduler.reports.window import stamp

Json = dict[str, Any]


def resilience_report(found: Gathered, replay: Replay) -> Json:
    """The resilience share by service and cluster, and the price of surviving none, one and two losses at the peak."""
    whole = folded(found, np.zeros(len(found.bill.periods), dtype=np.int64))
    cells = named(allocate(whole.rows, whole.names, whole.bill, ("service", "cluster")), found)
    paid = cells.filter(cells["component"] == COMPONENTS[RESILIENCE])
    measured = max(sum(period.hours for period in found.bill.periods), 1e-9)
    total = max(int(cells["units"].sum()), 1)
    peak = peak_of(replay.hours)
    least = standby(peak.problem)
    by_service = (
        paid.group_by("service").agg(pl.col("units").sum()).sort(["units", "service"], descending=[True, False])
    )
    return {
        "format_version": FORMAT,
        "report": "resilience",
        **header(found, replay.about),
        "resilience": {
            "usd": int(paid["units"].sum()) / UNITS_PER_USD,
            "usd_per_hour": round(int(paid["units"].sum()) / UNITS_PER_USD / measured, 6),
            "share_of_cost": round(int(paid["units"].sum()) / total, 6),
        },
        "by_service": [
            {"service": service, "usd_per_hour": round(units / UNITS_PER_USD / measured, 6)}
            for service, units in by_service.rows()
        ],
        "peak_hour": stamp(peak.starts_s),
        "at_peak_usd_per_hour": {
            "paid": round(least.paid_usd_per_hour, 6),
            "no_loss": round(least.today_usd_per_hour, 6),
            "any_single_loss": round(least.n1_usd_per_hour, 6),
            "any_two_losses": round(least.n2_usd_per_hour, 6),
            "price_of_resilience": round(least.resilience_usd_per_hour, 6),
            "last_percent_of_demand": round(least.last_percent_usd_per_hour, 6),
        },
        "overhead_ratio": round(least.overhead_ratio, 6),
        "overhead_bound_ratio": round(least.overhead_bound_ratio, 6),
        "unsurvivable": list(least.unsurvivable),
    }
