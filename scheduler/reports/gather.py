"""From usage records and rates to the rows and the bill of a window."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from placement.columns import Floats, Ints
from scheduler.reports.allocation import Names, priced, transfers
from scheduler.reports.bill import Bill, Period, bill_of, month_of, volumes_of
from scheduler.reports.rates import Rates
from scheduler.reports.window import Gap, Window, covered, gaps, stamp
from scheduler.usage import HOUR_S, NAMES, NONE, QUANTITIES, Usage, recoded

FOLD_ROWS = 200_000
Before = Mapping[tuple[str, str, str], float]
"""Gigabytes by (month, sending, receiving region)."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A window, measured and priced."""

    window: Window
    rates: Rates
    rows: pl.DataFrame
    """Usage by NAMES and `period`, with what it weighs; see allocation.priced."""
    names: Names
    bill: Bill
    covered_s: Floats
    """(hours,)"""
    gaps: list[Gap]
    source: str
    """Where the usage is from."""


def gather(records: list[Usage], rates: Rates, window: Window, source: str, before: Before | None = None) -> Gathered:
    """Raises ValueError for a window without data, and for usage of what no document has."""
    if not records:
        raise ValueError(f"no usage in {source} from {stamp(window.starts_s)} to {stamp(window.ends_s)}")
    codes: dict[str, dict[str, int]] = {name: {} for name in NAMES}
    for cluster in rates.providers:
        codes["cluster"][cluster] = len(codes["cluster"])
    parts = [
        recoded(record, codes).with_columns(
            pl.lit((record.starts_s - window.starts_s) // window.period_s, dtype=pl.Int32).alias("period")
        )
        for record in records
    ]
    names = _names(codes, rates)
    rows = priced(pl.concat(parts), names, rates)
    seconds = covered(records, window)
    periods = _periods(window, seconds)
    moved = transfers(rows, ("period",)).with_columns(
        pl.col("sender", "receiver").replace_strict(dict(enumerate(names.region)), return_dtype=pl.String)
    )
    bill = bill_of(rates, periods, volumes_of(moved, len(periods)), before or {})
    return Gathered(window, rates, rows, names, bill, seconds, gaps(seconds, window), source)


def folded(found: Gathered, bucket: Ints) -> Gathered:
    """The same window in fewer periods: period i becomes a part of `bucket[i]`. Every amount is a sum of whole ones.

    Only large windows are folded: where replicas ask for more than the nodes in some periods and not in others, what is
    idle differs a little from adding up the periods. Smaller ones come back as they are.
    """
    if found.rows.height <= FOLD_ROWS:
        return found
    count = int(bucket.max(initial=0)) + 1
    bill = found.bill
    rows = priced(_folded_rows(found.rows, found.names, bucket), found.names, found.rates)
    periods = []
    for i in range(count):
        mine = [period for period, b in zip(bill.periods, bucket.tolist(), strict=True) if b == i]
        hours = sum(period.hours for period in mine)
        periods.append(Period(mine[0].starts_s, sum(period.span_s for period in mine), hours))
    summed: dict[str, Any] = {
        part: {key: _by_bucket(amounts, bucket, count) for key, amounts in getattr(bill, part).items()}
        for part in ("nodes", "disks", "balancers", "transfers", "unused", "grams")
    }
    return replace(found, rows=rows, bill=Bill(tuple(periods), **summed))


def _folded_rows(rows: pl.DataFrame, names: Names, bucket: Ints) -> pl.DataFrame:
    """Rows by bucket and NAMES: one whole number as the key, which is several times faster than four columns."""
    sizes = (len(names.service) + 1, len(names.origin) + 1, len(names.cluster) + 1)
    key = np.take(bucket, rows["period"].to_numpy())
    for name, size in zip(NAMES, sizes, strict=True):
        key = key * size + (rows[name].to_numpy() - NONE)
    summed = rows.lazy().select(pl.Series("key", key), *QUANTITIES).group_by("key").agg(pl.col(*QUANTITIES).sum())
    found = summed.sort("key").collect()
    left, codes = found["key"].to_numpy(), []
    for name, size in zip(reversed(NAMES), reversed(sizes), strict=True):
        left, code = np.divmod(left, size)
        codes.append(pl.Series(name, (code + NONE).astype(np.int32)))
    return found.select(pl.Series("period", left.astype(np.int32)), *reversed(codes), *QUANTITIES)


def _by_bucket(amounts: Ints, bucket: Ints, count: int) -> Ints:
    out = np.zeros(count, dtype=np.int64)
    np.add.at(out, bucket, np.asarray(amounts, dtype=np.int64))
    return out


def earlier(records: list[Usage], rates: Rates) -> Before:
    """Gigabytes that were moved before a window, so that its month's brackets begin where they do."""
    found: dict[tuple[str, str, str], float] = {}
    for record in records:
        codes: dict[str, dict[str, int]] = {name: {} for name in NAMES}
        rows = recoded(record, codes).with_columns(pl.lit(0, dtype=pl.Int32).alias("period"))
        names = _names(codes, rates)
        for sender, receiver, gb in transfers(priced(rows, names, rates), ()).rows():
            key = (month_of(record.starts_s), names.region[sender], names.region[receiver])
            found[key] = found.get(key, 0.0) + gb
    return found


def _names(codes: Mapping[str, Mapping[str, int]], rates: Rates) -> Names:
    unknown = sorted(set(codes["cluster"]) - set(rates.providers)) + sorted(set(codes["origin"]) - set(rates.regions))
    if unknown:
        raise ValueError(f"the ledger has usage in or from what no document has: {', '.join(unknown[:5])}; add them")
    return Names(
        service=tuple(codes["service"]),
        origin=tuple(codes["origin"]),
        cluster=tuple(codes["cluster"]),
        region=tuple(sorted(set(rates.regions.values()))),
        commitment=tuple(name for name, _ in rates.unused),
    )


def _periods(window: Window, covered_s: Floats) -> tuple[Period, ...]:
    each = window.period_s // HOUR_S
    padded = np.append(covered_s, np.zeros(-len(covered_s) % each)).reshape(-1, each).sum(axis=1) / HOUR_S
    return tuple(
        Period(window.starts_s + i * window.period_s, window.period_s, float(hours)) for i, hours in enumerate(padded)
    )
