"""Hours that are replayed: all of a short window, some whole days of a long one, and it is said which."""

import asyncio
import itertools
from pathlib import Path

import pytest

from scheduler.ledger import Ledger
from scheduler.reports.replay import busiest_day, replay_of, sampled
from scheduler.reports.sources import read_hours
from scheduler.reports.window import Window
from scheduler.translate import loop_configuration
from scheduler.usage import DAY_S, HOUR_S, added
from scheduler.usage_ledger import UsageLedger
from tests.scheduler.reports.fleets import BEGIN_S, documents, drawn

HOURS = list(range(BEGIN_S, BEGIN_S + 30 * DAY_S, HOUR_S))
DOCUMENTS = documents()


def test_short_window_is_replayed_whole() -> None:
    kept, about = sampled(HOURS[:48], 10)

    assert kept == HOURS[:48]
    assert about == "all 48 hours that are in the ledger by themselves"


def test_long_window_is_replayed_by_whole_days_evenly_chosen_and_says_which() -> None:
    kept, about = sampled(HOURS, 10)

    days = sorted({hour // DAY_S for hour in kept})
    assert len(kept) == 7 * 24
    assert all(1 <= later - day <= 8 for day, later in itertools.pairwise(days)), "spread over the window"
    assert len({day % 7 for day in days}) == 7, "every day of the week"
    assert about.startswith("168 hours: those of 7 of the 30 days that have hours, evenly chosen (2026-10-03, ")


def test_day_of_most_requests_is_replayed_too_where_the_peak_is_asked_for() -> None:
    records = [drawn(DOCUMENTS, 1, 24 * day) for day in range(30)]
    busy = max(records, key=lambda record: float(record.rows["requests"].sum()))

    first = HOURS[0] // DAY_S
    kept, about = sampled(HOURS, 10, first)

    assert busiest_day(records) == busy.starts_s // DAY_S
    assert {hour // DAY_S for hour in kept} > {hour // DAY_S for hour in sampled(HOURS, 10)[0]}
    assert kept[0] // DAY_S == first
    assert "8 of the 30 days that have hours, evenly chosen and the one of most requests (2026-10-01, " in about


def test_large_fleet_is_replayed_by_fewer_days_and_always_by_one() -> None:
    assert len(sampled(HOURS, 50_000)[0]) == 2 * 24
    assert len(sampled(HOURS, 10**7)[0]) == 24


def test_ledger_of_ten_days_reads_only_the_hours_that_are_replayed(tmp_path: Path) -> None:
    async def read() -> tuple[int, str]:
        ledger = Ledger(f"sqlite:///{tmp_path}/l.db")
        await ledger.migrate()
        await UsageLedger(ledger).write([drawn(DOCUMENTS, 1, hour) for hour in range(240)])
        ledger.close()
        window = Window(BEGIN_S, BEGIN_S + 10 * DAY_S)
        records, about = await read_hours(f"sqlite:///{tmp_path}/l.db", window, 10)
        return len(replay_of(records, loop_configuration(DOCUMENTS), about).hours), about

    count, about = asyncio.run(read())

    assert count == 168
    assert "7 of the 10 days" in about


def test_window_of_days_alone_has_no_hour_and_says_why() -> None:
    day = added([drawn(DOCUMENTS, 1, hour) for hour in range(24)], BEGIN_S, DAY_S)

    with pytest.raises(ValueError, match="hours are kept for 35 days"):
        replay_of([day], loop_configuration(DOCUMENTS))
