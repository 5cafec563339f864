"""The cost report: what every service in every cluster costs, by component, and how that came about."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from placement.pricing.shares import UNITS_PER_USD
from scheduler.reports.allocation import COMPONENTS, EGRESS, Cells, allocate
from scheduler.reports.gather import Gathered, folded
from scheduler.reports.window import WHOLE, stamp
from scheduler.usage import HOUR_S, NAMES, NONE

Json = dict[str, Any]
FORMAT = 1
HOURS_PER_MONTH = 730
MOVERS = 10
GRAMS_PER_KG = 1_000
NOBODY = "(nobody)"


def cost_report(found: Gathered) -> Json:
    """The body of `equipoise report cost -o json`. Every amount is a whole number of millionths of a dollar."""
    halves, later = in_halves(found)
    trend = allocate(found.rows, found.names, found.bill, ())
    rows = named(allocate(halves.rows, halves.names, halves.bill), found)
    hours = float(found.covered_s.sum()) / HOUR_S
    total, grams = int(rows["units"].sum()), int(rows["grams"].sum())
    assert total == found.bill.units, "the parts of a bill add up to it"
    return {
        "format_version": FORMAT,
        "report": "cost",
        **header(found),
        "total": {
            "usd": _usd(total),
            "usd_per_hour": round(total / UNITS_PER_USD / max(hours, 1e-9), 6),
            "usd_per_month": round(total / UNITS_PER_USD / max(hours, 1e-9) * HOURS_PER_MONTH, 2),
            "co2_kg": grams / GRAMS_PER_KG if found.bill.grams else None,
        },
        "by_component": _summed(rows, "component"),
        "by_cluster": _summed(rows, "cluster"),
        "by_service": _summed(rows, "service"),
        "by_team": _summed(rows, "team"),
        "by_origin": _summed(rows, "origin"),
        "egress_pairs": _pairs(found, rows),
        "trend": list(_trend(trend, found)),
        "movers": movers(found, rows, later),
        "allocations": _allocations(rows),
        "requests": {
            "served": round(float(found.rows["requests"].sum()), 3),
            "refused": round(float(found.rows["refused"].sum()), 3),
        },
    }


def header(found: Gathered, replayed: str = "") -> Json:
    """What every report says about its time, its prices, its assumptions, and how hours were chosen to be replayed."""
    words = [f"Replayed: {replayed}."] if replayed else []
    window, rates = found.window, found.rates
    hours = round((window.ends_s - window.starts_s) / HOUR_S, 3)
    return {
        "window": {
            "from": stamp(window.starts_s),
            "to": stamp(window.ends_s),
            "hours": hours,
            "measured_hours": round(float(found.covered_s.sum()) / HOUR_S, 3),
            "shown_by": "hour" if window.hourly else "day",
            "source": found.source,
        },
        "currency": rates.currency,
        "price_as_of": rates.as_of,
        "price_books": [{"name": n, "as_of": day, "source": source} for n, day, source in rates.books],
        "gaps": [
            {"from": stamp(g.starts_s), "to": stamp(g.ends_s), "missing_hours": round(g.missing_s / HOUR_S, 3)}
            for g in found.gaps
        ],
        "assumptions": [*words, *assumptions(found)],
    }


def assumptions(found: Gathered) -> Iterator[str]:
    """What a reader has to know to believe a number, in words."""
    rates = found.rates
    yield "List prices of the days above; discounts that no price book or commitment names are not in them."
    yield "Only measured time is billed and allocated: gaps are marked, never filled in."
    yield "Nodes, replicas' sizes and prices are those of the documents now, for the whole window."
    yield "Transfer is requests times the mean sizes that services declare."
    yield "A month is 730 hours where a price is per month; tiers of transfer count by calendar month, pair by pair."
    yield f"An hour of which less than {WHOLE:.0%} was measured is a gap."
    for words in rates.fallbacks:
        yield f"No document prices {words}: the default price book was used, as asked."
    dark = [name for name in rates.providers if name not in found.bill.grams]
    if dark:
        yield f"No carbon is counted where grid or power is unknown: {_some(dark)}."
    free = [name for name in rates.providers if name not in rates.balancers]
    if free:
        yield f"No load balancer is counted where no price book has one: {_some(free)}."
    bare = [f"{pool.cluster}/{pool.name}" for pool in rates.pools if pool.storage_gib > 0 and pool.storage_usd == 0]
    if bare:
        yield f"No disks are counted where no price book has them: {_some(bare)}."
    for name, usd in rates.unused:
        yield f"Commitment {name} is not used up: {usd:.4f} {rates.currency}/h are paid for nothing."


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def named(cells: Cells, found: Gathered) -> pl.DataFrame:
    """Cells with names in place of codes, and teams; what they were added up over is nobody's."""
    names = cells.names
    service, cluster = _lookup(names.service), _lookup(names.cluster)
    teams = {code: found.rates.teams.get(name, NOBODY) for code, name in enumerate(names.service)} | {NONE: NOBODY}
    absent = [pl.lit(NONE, dtype=pl.Int32).alias(name) for name in NAMES if name not in cells.rows.columns]
    return cells.rows.with_columns(absent).with_columns(
        pl.col("service").replace_strict(service, return_dtype=pl.String),
        pl.col("service").replace_strict(teams, return_dtype=pl.String).alias("team"),
        pl.col("origin").replace_strict(_lookup(names.origin), return_dtype=pl.String),
        pl.col("cluster").replace_strict(cluster, return_dtype=pl.String),
        pl.col("component").replace_strict(dict(enumerate(COMPONENTS)), return_dtype=pl.String),
    )


def _lookup(names: tuple[str, ...]) -> dict[int, str]:
    return {NONE: NOBODY} | dict(enumerate(names))


def _usd(units: int) -> float:
    """Dollars from whole units: the shortest decimal that says it exactly."""
    return units / UNITS_PER_USD


def _summed(rows: pl.DataFrame, by: str) -> list[Json]:
    """Dollars and carbon by a dimension, dearest first."""
    found = rows.group_by(by).agg(pl.col("units", "grams").sum()).sort(["units", by], descending=[True, False])
    whole = max(int(found["units"].sum()), 1)
    return [
        {by: name, "usd": _usd(units), "share": round(units / whole, 6), "co2_kg": grams / GRAMS_PER_KG}
        for name, units, grams in found.select(by, "units", "grams").rows()
    ]


def _pairs(found: Gathered, rows: pl.DataFrame) -> list[Json]:
    """Transfer from origins to clusters and back: what no invoice breaks down."""
    paid = rows.filter(pl.col("component") == COMPONENTS[EGRESS])
    both = paid.group_by("origin", "cluster").agg(pl.col("units").sum(), pl.col("quantity").sum().alias("gb"))
    moved = both.sort(["units", "origin", "cluster"], descending=[True, False, False])
    return [
        {"origin": origin, "cluster": cluster, "gb": round(gb, 6), "usd": _usd(units)}
        for origin, cluster, units, gb in moved.rows()
    ]


def _trend(cells: Cells, found: Gathered) -> Iterator[Json]:
    """Dollars by period and component; periods that were not measured have null."""
    rows = cells.rows.group_by("period", "component").agg(pl.col("units", "grams").sum())
    units = np.zeros((len(found.bill.periods), len(COMPONENTS)), dtype=np.int64)
    units[rows["period"].to_numpy(), rows["component"].to_numpy()] = rows["units"].to_numpy()
    for period, amounts in zip(found.bill.periods, units.tolist(), strict=True):
        measured = period.hours > 0
        parts = {name: _usd(amount) for name, amount in zip(COMPONENTS, amounts, strict=True) if amount}
        yield {
            "from": stamp(period.starts_s),
            "hours": round(period.hours, 3),
            "usd": _usd(sum(amounts)) if measured else None,
            "by_component": parts if measured else None,
        }


def in_halves(found: Gathered) -> tuple[Gathered, int]:
    """A large window as two periods, a smaller one as it is; and its first period of the second half."""
    half = len(found.bill.periods) // 2
    halves = folded(found, (np.arange(len(found.bill.periods)) >= max(half, 1)).astype(np.int64))
    return halves, half if halves is found else 1


def movers(found: Gathered, named_cells: pl.DataFrame, later: int) -> list[Json]:
    """Services in clusters whose cost an hour changed most from the first half of the window to the second."""
    periods = found.bill.periods
    half = len(periods) // 2
    hours = [sum(p.hours for p in part) for part in (periods[:half], periods[half:])]
    if half == 0 or min(hours) <= 0:
        return []
    rows = named_cells.filter(pl.col("service") != NOBODY)
    late = pl.col("period") >= later
    both = rows.group_by("service", "cluster").agg(
        (pl.col("units").filter(~late).sum() / (hours[0] * UNITS_PER_USD)).alias("before"),
        (pl.col("units").filter(late).sum() / (hours[1] * UNITS_PER_USD)).alias("after"),
    )
    change = both.with_columns((pl.col("after") - pl.col("before")).alias("change"))
    top = change.sort([pl.col("change").abs(), "service", "cluster"], descending=[True, False, False]).head(MOVERS)
    return [
        {"service": s, "cluster": c, "usd_per_hour_before": round(b, 6), "usd_per_hour_after": round(a, 6)}
        for s, c, b, a, _ in top.rows()
        if abs(a - b) > 1e-9
    ]


def _allocations(rows: pl.DataFrame) -> list[Json]:
    """One row for every cluster, service, origin, team and component."""
    keys = ("cluster", "service", "origin", "team", "component")
    found = rows.group_by(keys).agg(pl.col("units", "grams").sum()).sort(keys)
    divided = (("usd", "units", UNITS_PER_USD), ("co2_kg", "grams", GRAMS_PER_KG))
    amounts = [pl.Series(name, found[of].to_numpy() / by) for name, of, by in divided]  # NumPy's quotients are exact
    return found.select(*keys, *amounts).to_dicts()
