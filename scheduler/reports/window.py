"""Which time a report is about, as people write it, and how much of it was measured."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from placement.columns import Floats
from scheduler.usage import DAY_S, HOUR_S, Usage

UNITS = {"h": HOUR_S, "d": DAY_S, "w": 7 * DAY_S}
WHOLE = 0.98
"""Part of an hour that has to be measured for it to count as measured."""
HOURLY_MAX_S = 2 * DAY_S
"""Windows up to this long are shown by the hour, longer ones by the day."""
HELP = "7d, 36h, 2w, month (the calendar month to date, UTC), 2026-07, 2026-07-01..2026-07-15, or all"


@dataclass(frozen=True, slots=True)
class Window:
    """From `starts_s`, a whole hour, up to `ends_s`; seconds since 1970."""

    starts_s: int
    ends_s: int

    def __str__(self) -> str:
        return f"{stamp(self.starts_s)} to {stamp(self.ends_s)}"

    @property
    def hourly(self) -> bool:
        """Whether it is shown by the hour."""
        return self.ends_s - self.starts_s <= HOURLY_MAX_S

    @property
    def period_s(self) -> int:
        """Of what is shown by itself."""
        return HOUR_S if self.hourly else DAY_S


@dataclass(frozen=True, slots=True)
class Gap:
    """Hours in a row of which too little was measured."""

    starts_s: int
    ends_s: int
    missing_s: float

    def __str__(self) -> str:
        return f"{stamp(self.starts_s)} to {stamp(self.ends_s)}: {self.missing_s / HOUR_S:.1f} h not measured"


def window_of(text: str, now_s: float, extent: tuple[int, int] | None) -> Window:
    """A window in words. Raises ValueError for what is none."""
    end = -(-int(now_s) // HOUR_S) * HOUR_S
    if text == "all":
        if extent is None:
            raise ValueError("the ledger has no usage yet: a controller writes it every few minutes while it runs")
        return Window(*extent)
    if text == "month":
        return Window(month_starts(now_s), end)
    if found := re.fullmatch(r"(\d+)([hdw])", text):
        span_s = int(found[1]) * UNITS[found[2]]
        if 0 < span_s <= HOURLY_MAX_S:
            return Window(end - span_s, end)
        if 0 < span_s <= 10 * 366 * DAY_S:  # whole days, today so far among them
            return Window(-(-end // DAY_S) * DAY_S - span_s // DAY_S * DAY_S, end)
    return _dates(text)


def _dates(text: str) -> Window:
    try:
        if re.fullmatch(r"\d{4}-\d{2}", text):
            begin = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
            return Window(_at(begin), _at((begin + timedelta(days=32)).replace(day=1)))
        first, _, last = text.partition("..")
        begin, end = (datetime.fromisoformat(part).replace(tzinfo=UTC) for part in (first, last or first))
    except ValueError:
        raise ValueError(f"no window {text!r}; give {HELP}") from None
    window = Window(_at(begin), _at(end + timedelta(days=1)))
    if window.ends_s <= window.starts_s:
        raise ValueError(f"the window {text!r} ends before it begins")
    return window


def month_starts(at_s: float) -> int:
    """The first moment (UTC) of the calendar month that a moment is in."""
    now = datetime.fromtimestamp(at_s, UTC)
    return _at(datetime(now.year, now.month, 1, tzinfo=UTC))


def _at(moment: datetime) -> int:
    return int(moment.timestamp())


def stamp(at_s: float) -> str:
    """`2026-07-01T13:00Z`."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def covered(records: Iterable[Usage], window: Window) -> Floats:
    """(hours,) seconds of each hour of a window that were measured."""
    hours = np.zeros(-(-(window.ends_s - window.starts_s) // HOUR_S))
    for record in records:
        at = (record.starts_s - window.starts_s) // HOUR_S
        parts = record.hours_s or (record.covered_s,)
        hours[at : at + len(parts)] += parts
    return np.minimum(hours, HOUR_S)


def gaps(covered_s: Floats, window: Window) -> list[Gap]:
    """Where too little was measured. Nothing is ever filled in."""
    begins = window.starts_s + HOUR_S * np.arange(len(covered_s))
    whole_s = np.minimum(window.ends_s - begins, HOUR_S)
    bad = np.concatenate([[False], covered_s < WHOLE * whole_s, [False]])
    edges = np.flatnonzero(bad[1:] != bad[:-1])
    found = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        missing = float((whole_s - covered_s)[begin:end].sum())
        found.append(Gap(window.starts_s + begin * HOUR_S, min(window.starts_s + end * HOUR_S, window.ends_s), missing))
    return found
