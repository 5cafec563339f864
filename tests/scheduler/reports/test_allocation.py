"""Who pays adds up to what is billed, to the unit, whatever was used."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.reports.allocation import COMPONENTS, IDLE_NODES, UNUSED, allocate
from scheduler.reports.cost import cost_report, named
from scheduler.reports.gather import Gathered, gather
from scheduler.reports.rates import rates_of
from scheduler.reports.window import Window
from scheduler.usage import HOUR_S, NAMES
from tests.scheduler.reports.fleets import BEGIN_S, documents, drawn

DOCUMENTS = documents()


def gathered(seed: int, hours: int, covered_s: float = HOUR_S) -> Gathered:
    window = Window(BEGIN_S, BEGIN_S + hours * HOUR_S)
    rates = rates_of(DOCUMENTS, window.starts_s, window.ends_s)
    return gather([drawn(DOCUMENTS, seed, h, covered_s) for h in range(hours)], rates, window, "drawn")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([NAMES, (), ("service",), ("cluster", "origin")]))
def test_allocation_of_any_usage_adds_up_to_the_bill_exactly(seed: int, hours: int, by: tuple[str, ...]) -> None:
    found = gathered(seed, hours)

    cells = allocate(found.rows, found.names, found.bill, by)

    assert int(cells.rows["units"].sum()) == found.bill.units
    assert (cells.rows["units"] >= 0).all(), "nobody is paid for using something"
    assert int(cells.rows["grams"].sum()) == sum(int(g.sum()) for g in found.bill.grams.values())


def test_bill_when_counted_by_hand_is_nodes_disks_balancers_transfers_and_what_is_unused() -> None:
    found = gathered(1, 3)
    rates = found.rates

    nodes = 3 * sum(pool.nodes * pool.paid_usd for pool in rates.pools)
    hourly = 3 * (
        sum(p.storage_usd for p in rates.pools) + sum(rates.balancers.values()) + sum(u for _, u in rates.unused)
    )
    moved = found.rows.filter((pl.col("origin") >= 0) & (pl.col("cluster") >= 0))
    transfers = 0.0
    for pair in {*zip(moved["here"], moved["there"], strict=True)}:
        mine = moved.filter((pl.col("here") == pair[0]) & (pl.col("there") == pair[1]))
        sender, receiver = (found.names.region[i] for i in pair)
        if sender != receiver:
            transfers += float(rates.egress[sender, receiver].cost(mine["out_gb"].sum()))
            transfers += float(rates.egress[receiver, sender].cost(mine["back_gb"].sum()))

    assert found.bill.units / 1e6 == pytest.approx(nodes + hourly + transfers, abs=1e-3)


def test_reserved_nodes_of_the_example_are_cheaper_and_listed_apart() -> None:
    pools = {(pool.cluster, pool.name): pool for pool in gathered(1, 1).rates.pools}

    assert pools["eu-central", "general"].paid_usd < pools["eu-central", "general"].list_usd
    assert pools["eu-west", "general"].paid_usd == pools["eu-west", "general"].list_usd


def test_cost_of_a_window_is_the_sum_of_its_hours_in_every_view() -> None:
    found = gathered(7, 48)
    body = cost_report(found)
    units = found.bill.units

    for view in ("by_component", "by_cluster", "by_service", "by_team", "by_origin", "allocations", "trend"):
        assert sum(round(row["usd"] * 1e6) for row in body[view]) == units, view
    assert round(body["total"]["usd"] * 1e6) == units


def test_nodes_that_no_replica_takes_and_commitments_that_nobody_uses_are_nobodys() -> None:
    found = gathered(3, 2)
    rows = named(allocate(found.rows, found.names, found.bill), found)

    for component in (IDLE_NODES, UNUSED):
        mine = rows.filter(pl.col("component") == COMPONENTS[component])
        assert set(mine["service"]) <= {"(nobody)"}
    assert {"shop", "models"} <= set(rows["team"]) <= {"shop", "models", "(nobody)"}


def test_gap_in_the_ledger_when_reported_is_marked_and_not_filled_in() -> None:
    window = Window(BEGIN_S, BEGIN_S + 6 * HOUR_S)
    rates = rates_of(DOCUMENTS, window.starts_s, window.ends_s)
    records = [drawn(DOCUMENTS, 1, hour) for hour in (0, 1, 5)] + [drawn(DOCUMENTS, 1, 4, 1_800.0)]

    body = cost_report(gather(records, rates, window, "drawn"))

    assert [(g["from"], g["missing_hours"]) for g in body["gaps"]] == [("2026-10-01T02:00Z", 2.5)]
    assert [p["usd"] is None for p in body["trend"]] == [False, False, True, True, False, False]
    assert body["window"]["measured_hours"] == 3.5
    nodes = sum(pool.nodes * pool.paid_usd for pool in rates.pools)
    billed = sum(
        row["usd"]
        for row in body["by_component"]
        if row["component"] in {"compute", "gpu", "resilience", "idle", "idle-nodes"}
    )
    assert billed == pytest.approx(3.5 * nodes), "half an hour costs half an hour"


def test_usage_of_what_no_document_has_is_an_error_that_names_it() -> None:
    record = drawn(DOCUMENTS, 1, 0)
    strange = type(record)(
        record.starts_s, record.span_s, record.covered_s, record.names | {"service": ("a", "b", "c")}, record.rows
    )
    window = Window(BEGIN_S, BEGIN_S + HOUR_S)

    with pytest.raises(ValueError, match=r"services that no document has: a, b, c"):
        gather([strange], rates_of(DOCUMENTS, BEGIN_S, BEGIN_S + HOUR_S), window, "drawn")
    with pytest.raises(ValueError, match="no usage in the ledger from 2026-10-01"):
        gather([], rates_of(DOCUMENTS, BEGIN_S, BEGIN_S + HOUR_S), window, "the ledger")


def test_tiers_of_a_month_when_it_began_before_the_window_go_on_from_there() -> None:
    window = Window(BEGIN_S, BEGIN_S + HOUR_S)
    rates = rates_of(DOCUMENTS, window.starts_s, window.ends_s)
    pair = ("us-east-1", "ap-south-1")
    assert pair not in rates.egress, "the example's tiers lead to where it has no cluster"
    some = next(key for key, brackets in rates.egress.items() if brackets.unit_usd.max() > 0)
    before = {("2026-10", *some): 1e6}

    first, later = (gather([drawn(DOCUMENTS, 1, 0)], rates, window, "drawn", b).bill for b in (None, before))

    assert np.array_equal(first.transfers[some], later.transfers[some]), "one flat price does not care"
