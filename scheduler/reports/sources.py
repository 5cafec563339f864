"""Where a report's usage is from: the ledger of a controller."""

import time
from dataclasses import dataclass

from config.configuration import Configuration
from scheduler.ledger import Ledger
from scheduler.reports.gather import Gathered, earlier, gather
from scheduler.reports.rates import rates_of
from scheduler.reports.replay import sampled
from scheduler.reports.window import Window, month_starts, window_of
from scheduler.usage import DAY_S, Usage
from scheduler.usage_ledger import UsageLedger


@dataclass(frozen=True, slots=True)
class Reading:
    """What a ledger has of a window."""

    window: Window
    records: list[Usage]
    before: list[Usage]
    """From the first day of the window's month, for prices by volume."""
    source: str


async def read_hours(url: str, window: Window, flows: int, peak: int | None = None) -> tuple[list[Usage], str]:
    """The hours of a window to replay and how they were chosen; see replay.sampled. Raises LedgerDown."""
    ledger = Ledger(url, readonly=True)
    try:
        usage = UsageLedger(ledger)
        kept, about = sampled(await usage.hours(window.starts_s, window.ends_s), flows, peak)
        days = sorted({hour // DAY_S * DAY_S for hour in kept})
        parts = [
            await usage.read(max(day, window.starts_s), min(day + DAY_S, window.ends_s), days=False) for day in days
        ]
    finally:
        ledger.close()
    return [record for part in parts for record in part], about


async def read_ledger(url: str, text: str, now_s: float | None = None) -> Reading:
    """Usage of a window in words. Raises LedgerDown, and ValueError for a window without data or a ledger without."""
    now_s = time.time() if now_s is None else now_s
    if text != "all":
        window_of(text, now_s, None)  # words that are none need no ledger to be refused
    ledger = Ledger(url, readonly=True)
    try:
        usage = UsageLedger(ledger)
        extent = await usage.extent()
        window = window_of(text, now_s, extent)
        records = await usage.read(window.starts_s, window.ends_s, days=not window.hourly)
        before = await usage.read(month_starts(window.starts_s), window.starts_s)
    finally:
        ledger.close()
    if not records:
        raise ValueError(f"no usage from {window} in ledger {url}; {_has(extent)}")
    return Reading(window, records, before, f"ledger {url}")


def gathered(reading: Reading, documents: Configuration) -> Gathered:
    """The window, priced by some documents. Raises ValueError for usage of what they do not have."""
    window = reading.window
    rates = rates_of(documents, window.starts_s, window.ends_s)
    return gather(reading.records, rates, window, reading.source, earlier(reading.before, rates))


def _has(extent: tuple[int, int] | None) -> str:
    if extent is None:
        return "it has none at all: a controller writes it every few minutes while it runs"
    return f"it has {Window(*extent)}"
