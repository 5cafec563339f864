"""Demand of the past by the day, per service and origin: from the ledger, or from a table."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from placement.columns import Floats, floats
from placement.growth import WEEK_DAYS, error_ratio, fitted, seasonal_naive
from scheduler.reports.window import WHOLE
from scheduler.usage import DAY_S, NONE, Usage, added

Key = tuple[str, str]
"""(service, origin or region)"""
COLUMNS = ("day", "service", "rps")
PLACES = ("origin", "region")
BACKTESTS = 6
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class History:
    """(T, N) mean requests/s of each day; NaN where too little was measured."""

    first: date
    keys: tuple[Key, ...]
    rps: Floats

    @property
    def gaps(self) -> int:
        """Days that were not measured."""
        return int((~np.isfinite(self.rps)).all(axis=1).sum())


def history_of(records: Iterable[Usage]) -> History:
    """Daily demand from usage; what was refused was asked for too. Raises ValueError without any."""
    days: dict[int, list[Usage]] = {}
    for record in records:
        days.setdefault(record.starts_s // DAY_S, []).append(record)
    if not days:
        raise ValueError("the ledger has no usage to learn growth from; give --growth or --history")
    cells: dict[Key, dict[int, float]] = {}
    for day, parts in days.items():
        whole = added(parts, day * DAY_S, DAY_S)
        if whole.covered_s < WHOLE * DAY_S:
            continue
        for service, origin, requests in _asked(whole):
            cells.setdefault((service, origin), {})[day] = requests / whole.covered_s
    first, last = min(days), max(days)
    return _table(cells, first, last)


def read_history(text: str) -> History:
    """Daily demand from CSV with day, service, origin or region, and rps. Raises ValueError with the line."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = reader.fieldnames or ()
    place = next((name for name in PLACES if name in names), "")
    missing = [name for name in COLUMNS if name not in names] + ([] if place else ["origin or region"])
    if missing:
        raise ValueError(
            f"the history has no column {', '.join(missing)}; it needs day, service, origin or region, rps"
        )
    cells: dict[Key, dict[int, float]] = {}
    for line, row in enumerate(reader, 2):
        try:
            day, rps = (date.fromisoformat(row["day"]) - EPOCH).days, float(row["rps"])
        except ValueError as error:
            raise ValueError(f"line {line} of the history: {error}") from None
        if not np.isfinite(rps) or rps < 0:
            raise ValueError(f"line {line} of the history: rps must be a finite number of 0 or more, not {rps:g}")
        cells.setdefault((row["service"], row[place]), {})[day] = rps
    if not cells:
        raise ValueError("the history has no rows")
    days = [day for found in cells.values() for day in found]
    return _table(cells, min(days), max(days))


def backtest(history: History, ahead: int) -> dict[str, float | int] | None:
    """Errors of the model and of seasonal-naive on windows of the past that they did not see; None if too short.

    Seasonal-naive repeats the last week or the same days of a year ago, whichever is better over all windows.
    """
    days = len(history.rps)
    origins = [days - ahead * (i + 1) for i in range(BACKTESTS)]
    origins = [at for at in origins if at >= max(8 * WEEK_DAYS, ahead)]
    if not origins:
        return None
    model: list[float] = []
    naive: dict[int, list[float]] = {WEEK_DAYS: [], 52 * WEEK_DAYS: []}
    for at in origins:
        seen, after = history.rps[:at], history.rps[at : at + ahead]
        model.append(error_ratio(after, fitted(seen).mean(ahead)))
        for season, errors in naive.items():
            if len(seen) >= season:
                errors.append(error_ratio(after, seasonal_naive(seen, ahead, season)))
    best = min(float(np.mean(errors)) for errors in naive.values() if len(errors) == len(origins))
    return {
        "windows": len(origins),
        "days_ahead": ahead,
        "error_ratio": round(float(np.mean(model)), 6),
        "seasonal_naive_error_ratio": round(best, 6),
    }


def _asked(record: Usage) -> Iterable[tuple[str, str, float]]:
    grouped = record.rows.group_by("service", "origin").sum()
    for service, origin, served, refused in grouped.select("service", "origin", "requests", "refused").rows():
        if origin != NONE and served + refused > 0:
            yield record.names["service"][service], record.names["origin"][origin], served + refused


def _table(cells: dict[Key, dict[int, float]], first: int, last: int) -> History:
    rps = np.full((last - first + 1, len(cells)), np.nan)
    keys = tuple(sorted(cells))
    for column, key in enumerate(keys):
        for day, value in cells[key].items():
            rps[day - first, column] = value
    return History(EPOCH + timedelta(days=first), keys, floats(rps))
