"""FOCUS by its rules, CSV and workbooks that run nothing, Markdown for pull requests, the page in a browser."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from scheduler.reports.cost import cost_report
from scheduler.reports.focus import focus_rows
from scheduler.reports.gather import gather
from scheduler.reports.markdown import as_markdown, difference, exceeded
from scheduler.reports.page import capacity_charts, page
from scheduler.reports.rates import rates_of
from scheduler.reports.sheets import as_csv, as_workbook, safe, written
from scheduler.reports.window import Window
from scheduler.usage import HOUR_S
from tests.real import require
from tests.scheduler.reports.fleets import BEGIN_S, drawn
from tests.scheduler.reports.focus_rules import broken_rules
from tests.scheduler.reports.test_allocation import DOCUMENTS, gathered

BODY = cost_report(gathered(5, 30))


def test_focus_file_of_a_report_keeps_every_rule_and_adds_up_to_its_total() -> None:
    found = gathered(5, 30)

    text = written(list(focus_rows(found)))

    assert broken_rules(text) == []
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal(found.bill.units) / 1_000_000
    assert {row["x_Component"] for row in rows} >= {"compute", "gpu", "idle", "egress", "storage", "load-balancer"}


def test_focus_row_of_a_commitment_that_nobody_uses_keeps_the_rules_of_commitments() -> None:
    window = Window(BEGIN_S, BEGIN_S + HOUR_S)
    rates = replace(rates_of(DOCUMENTS, window.starts_s, window.ends_s), unused=(("spare", 0.5),))
    found = gather([drawn(DOCUMENTS, 1, 0)], rates, window, "drawn")

    text = written(list(focus_rows(found)))

    assert broken_rules(text) == []
    spare = [row for row in csv.DictReader(io.StringIO(text, newline="")) if row["CommitmentDiscountId"] == "spare"]
    assert [(row["BilledCost"], row["CommitmentDiscountStatus"]) for row in spare] == [("0.5", "Unused")]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("BilledCost", "", "BilledCost must not be null"),
        ("ChargeCategory", "Fun", "ChargeCategory 'Fun' is not allowed"),
        ("ListUnitPrice", "7", "ListUnitPrice times PricingQuantity"),
        ("CommitmentDiscountId", "x", "goes with CommitmentDiscountId"),
        ("BillingCurrency", "usd", "no ISO 4217 code"),
    ],
)
def test_focus_rules_when_a_row_breaks_one_say_which(column: str, value: str, words: str) -> None:
    rows = [row | ({column: value} if i == 0 else {}) for i, row in enumerate(focus_rows(gathered(5, 1)))]

    assert any(words in problem for problem in broken_rules(written(rows)))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_text_that_a_spreadsheet_would_run_is_written_as_text(text: str) -> None:
    assert safe(text) == f"'{text}"
    hostile: dict[str, Any] = json.loads(json.dumps(BODY))
    hostile["allocations"][0]["service"] = text
    first = next(csv.DictReader(io.StringIO(as_csv(hostile), newline="")))

    assert first["service"].startswith("'")
    with zipfile.ZipFile(io.BytesIO(as_workbook(hostile))) as book:
        sheets = [book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/")]
    assert sheets
    assert not any("<f>" in sheet for sheet in sheets), "no cell is a formula"


def test_csv_of_a_report_has_currency_and_dates_in_every_row_and_adds_up() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(BODY), newline="")))

    assert {(row["currency"], row["price_as_of"]) for row in rows} == {("USD", "2024-01-09")}
    assert sum(Decimal(row["usd"]) for row in rows) == Decimal(str(BODY["total"]["usd"]))


def test_markdown_of_a_difference_leads_with_the_month_and_drops_what_stays() -> None:
    dearer: dict[str, Any] = json.loads(json.dumps(BODY))
    row = dearer["by_service"][1]
    row["usd"] += 10.0
    dearer["total"]["usd_per_month"] += 10.0 / BODY["window"]["measured_hours"] * 730
    name = row["service"]

    text = difference(BODY, dearer)

    assert text.startswith("## Cost rises: +243.33 USD/month (+")
    assert f"| ~ {name} |" in text
    assert text.count("| ~ ") == 1, "lines that do not change are left out"
    assert exceeded(BODY, dearer, "200")
    assert not exceeded(BODY, dearer, "50%")
    assert "## Cost stays: +0.00" in difference(BODY, BODY)
    with pytest.raises(ValueError, match="no threshold 'much'"):
        exceeded(BODY, dearer, "much")
    assert "(nobody)" in as_markdown(BODY)


def test_page_of_capacity_draws_the_fullest_backends_and_what_is_not_used() -> None:
    rows = [
        {"service": "shop", "cluster": f"c{n}", "utilization_max": n / 40 or None, "unused_usd_per_hour": 40.0 - n}
        for n in range(40)
    ]

    found = {chart.title: chart.svg for chart in capacity_charts(rows[::-1], "EUR")}

    assert list(found) == ["The fullest backends at their peak, % of capacity", "Not used, EUR per hour"]
    full, unused = found.values()
    assert "shop in c39" in full
    assert "shop in c19" not in full, "twenty are enough to look at"
    assert "shop in c0<" in unused
    assert "shop in c39" not in unused
    assert (
        list(capacity_charts([row | {"utilization_max": None, "unused_usd_per_hour": 0.0} for row in rows], "EUR"))
        == []
    )


def test_page_of_a_report_in_a_browser_reads_on_a_phone_and_prints() -> None:
    text = page(BODY)
    assert "<script" not in text
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
        phone = browser.new_page(viewport={"width": 360, "height": 740}, offline=True)
        said: list[str] = []
        phone.on("request", lambda request: said.append(request.url))
        phone.set_content(text)
        body = phone.locator("body")

        assert "Where the money goes" in body.inner_text()
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360, "nothing is wider than a phone"
        assert phone.locator("figure svg").count() == 4
        drawn = phone.locator("figure svg").first.bounding_box()
        assert drawn
        assert drawn["width"] > 250
        small = phone.evaluate(SMALLEST_PX)
        assert small >= 9, "letters of charts stay readable"
        pdf = phone.pdf(format="A4")
        assert pdf.startswith(b"%PDF")
        browser.close()
    assert said == [], "nothing is fetched"


SMALLEST_PX = """() => {
  const sizes = [...document.querySelectorAll('figure svg')].flatMap((svg) => {
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    return [...svg.querySelectorAll('text')].map((t) => parseFloat(getComputedStyle(t).fontSize) * scale);
  });
  return Math.min(...sizes);
}"""
