"""The meter: what turns used, in quantities that add up."""

from pathlib import Path

import pytest

from placement.columns import floats
from placement.standing import standing_parts
from scheduler.ledger import Ledger
from scheduler.usage import DAY_S, HOUR_S, added
from scheduler.usage_ledger import UsageLedger
from simulator.metered import metered
from tests.scheduler.reports.fleets import BEGIN_S, documents, drawn
from tests.simulator.written import PAIR, loaded


def test_meter_of_a_run_counts_every_request_and_every_replica_hour(tmp_path: Path) -> None:
    run = metered(loaded(tmp_path, "", PAIR.replace("3m", "20m")))
    whole = added(run.records, run.records[0].starts_s, HOUR_S)
    books = run.played.books

    asked = float(books.asked_rps.sum(axis=1) @ books.length_s)
    assert whole.covered_s == pytest.approx(1_200, rel=0.02)
    assert float(whole.rows["requests"].sum()) == pytest.approx(2 * asked, rel=0.05)
    replicas = sum(
        sum(c if isinstance(c, int) else sum(c.values()) for c in s.spec.replicas.values())
        for s in run.documents.services
    )
    hours = sum(float(whole.rows[f"{part}_h"].sum()) for part in ("used", "resilience", "idle"))
    assert hours == pytest.approx(replicas * whole.covered_s / HOUR_S, rel=1e-6)


def test_standing_parts_of_two_equal_clusters_at_half_their_use_are_all_for_the_loss_of_one(tmp_path: Path) -> None:
    fleet = metered(loaded(tmp_path, "", PAIR.replace("3m", "30s"))).played.fleet
    parts = standing_parts(fleet, floats([45.0] * 4), floats([100.0] * 4))

    assert (parts.used + parts.resilience + parts.idle).tolist() == pytest.approx([1.0] * 4)
    survive, today = 90 / 0.95 / 100, 90 / 0.7 / 200
    assert parts.resilience.tolist() == pytest.approx([survive - today] * 4)


async def test_usage_ledger_when_days_end_adds_them_up_and_reads_the_same(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/l.db")
    await ledger.migrate()
    usage, configuration = UsageLedger(ledger), documents()
    records = [drawn(configuration, 1, hour) for hour in range(50)]
    for record in records:
        await usage.write([record])

    days = await usage.read(BEGIN_S, BEGIN_S + 50 * HOUR_S)
    parts = await usage.read(BEGIN_S, BEGIN_S + 50 * HOUR_S, days=False)

    assert [r.span_s for r in days] == [DAY_S, DAY_S, HOUR_S, HOUR_S]
    assert [r.span_s for r in parts] == [HOUR_S] * 50
    assert days[0].hours_s == (3_600.0,) * 24
    for name in ("requests", "used_h", "idle_h"):
        whole, loose = (sum(float(r.rows[name].sum()) for r in found) for found in (days, parts))
        assert whole == pytest.approx(loose)
    assert await usage.extent() == (BEGIN_S, BEGIN_S + 50 * HOUR_S)
    ledger.close()
