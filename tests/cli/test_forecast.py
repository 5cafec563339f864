"""`equipoise forecast` and `equipoise prices` from outside, on the example's fleet."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from typer.testing import CliRunner, Result

from cli.forecast import Form, _rendered
from cli.main import app
from config.load import load
from scheduler.planning.changes import with_demand, with_room
from scheduler.planning.outcome import outcome
from tests.real import require
from tests.scheduler.reports.fleets import EXAMPLE


def invoked(*words: str | Path) -> Result:
    """The command, run in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module", name="body")
def a_forecast() -> dict[str, Any]:
    """Demand that doubles in a year, with every what-if."""
    given = ("--growth", "150%", "-m", "6", "--add-region", "aws/ap-south-1")
    result = invoked("forecast", "-f", EXAMPLE, *given, "-o", "json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_forecast_of_growth_buys_what_the_months_need_and_says_why(body: dict[str, Any]) -> None:
    assert [step["month"] for step in body["steps"]] == [1, 2, 3, 4, 5, 6]
    costs = [step["usd_per_hour"] for step in body["steps"]]
    assert costs == sorted(costs)
    for step in body["steps"]:
        assert step["refused_rps"] == 0
        assert all(step["nodes_owned"][pool] >= count for pool, count in step["nodes"].items())
    assert body["purchases"], "what stands does not hold twice the demand"
    assert all(row["reason"] for row in body["purchases"])


def test_forecast_of_commitments_beats_on_demand_and_has_a_regret_for_each_demand(body: dict[str, Any]) -> None:
    assert any(r["nodes"] > 0 for row in body["commitments"] for r in row["reserved"])
    for row in body["commitments"]:
        assert row["usd_per_hour"] <= row["all_on_demand_usd_per_hour"] + 1e-9
        assert all(regret >= 0 for regret in row["regret_usd_per_hour"].values())


def test_forecast_what_ifs_have_regions_exits_prices_and_carbon(body: dict[str, Any]) -> None:
    assert body["new_regions"][0]["region"] == "aws/ap-south-1"
    assert {"usd_per_hour", "p95_ms", "missing_after_a_loss_rps"} <= set(body["new_regions"][0]["difference"])
    leaving = {row["provider"]: row for row in body["exits"]}
    assert not leaving["aws"]["possible"]
    assert "storefront runs nowhere else" in leaving["aws"]["reason"]
    assert leaving["azure"]["usd_per_hour"] > 0
    dearer = [row["usd_per_hour"] for row in body["sensitivity"] if row["price"] == "nodes of aws"]
    assert dearer == sorted(dearer)
    emitted = [row["co2_kg_per_hour"] for row in body["carbon"]]
    assert emitted == sorted(emitted, reverse=True)


def test_forecast_explains_every_purchase_commitment_region_and_exit(body: dict[str, Any]) -> None:
    for row in body["purchases"]:
        shadow = row["shadow_price"]["usd_per_hour"]
        assert shadow is None or f"{shadow:.4f}" in row["reason"] or shadow == 0
    for row in body["commitments"]:
        assert "its shadow price" in row["reason"] or row["reason"] == "no price book has an offer of this provider"
        assert row["reserved_already"] >= 0
    assert body["new_regions"][0]["reason"]
    leaving = {row["provider"]: row for row in body["exits"]}
    assert leaving["azure"]["once_usd"] == pytest.approx(
        leaving["azure"]["data_usd"] + leaving["azure"]["committed_usd"]
    )
    assert {row["region"] for row in body["growth"]} >= {"eu-central-1", "us-east-1"}


@pytest.mark.parametrize("form", ["md", "html", "csv", "table", "yaml"])
def test_forecast_in_every_form_has_its_dates_and_reasons(body: dict[str, Any], form: str) -> None:
    text = _rendered(body, Form(form))

    assert body["price_as_of"] in text
    assert body["purchases"][0]["pool"] in text
    assert form == "csv" or "ap-south-1" in text


def test_page_of_a_forecast_in_a_browser_reads_on_a_phone_and_prints(body: dict[str, Any]) -> None:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=require("chromium"), args=["--no-sandbox"])
        phone = browser.new_page(viewport={"width": 390, "height": 800}, offline=True)
        phone.set_content(_rendered(body, Form.HTML))

        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, "nothing is wider than a phone"
        assert phone.locator("figure svg").count() == 3
        assert "Leave a provider" in phone.locator("body").inner_text()
        assert phone.pdf(format="A4").startswith(b"%PDF")
        browser.close()


def test_forecast_under_a_carbon_price_emits_no_more_and_bills_real_prices() -> None:
    plain, dear = (outcome(with_room(with_demand(load(EXAMPLE), {})), carbon_usd_per_ton=usd) for usd in (0.0, 2_000.0))

    assert dear.grams_per_hour <= plain.grams_per_hour + 1e-6
    assert dear.nodes_usd_per_hour < 2 * plain.nodes_usd_per_hour, "the price on carbon is not billed"
    assert dear.objective_usd_per_hour > plain.objective_usd_per_hour


def test_forecast_from_a_history_learns_growth_and_tests_itself_on_the_past(tmp_path: Path) -> None:
    documents, lines = load(EXAMPLE), ["day,service,origin,rps"]
    keys = [(s, o.name, rps) for o in documents.origins for s, rps in o.spec.expected_rps.items()]
    for day in range(500):
        date = np.datetime64("2025-01-01") + day
        lines += [f"{date},{s},{o},{rps * np.exp(0.0006 * day) * (1.1 if day % 7 < 5 else 0.9)}" for s, o, rps in keys]
    (tmp_path / "h.csv").write_text("\n".join(lines))

    result = invoked(
        "forecast", "-f", EXAMPLE, "--history", tmp_path / "h.csv", "-m", "3", "--no-what-ifs", "-o", "json"
    )

    body = json.loads(result.stdout)
    assert body["growth"][0]["ratio_per_year"] == pytest.approx(np.exp(0.0006 * 365.25) - 1, abs=0.03)
    assert body["backtest"]["error_ratio"] < body["backtest"]["seasonal_naive_error_ratio"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--growth", "lots"), "no growth 'lots'"),
        (("--growth", "shop=10%"), "growth of 'shop': services are"),
        (("--growth", "10%", "--add-region", "aws/atlantis"), "no facts of region 'aws/atlantis'"),
        (("--ledger", "sqlite:///none.db"), "none.db"),
    ],
)
def test_forecast_when_something_is_wrong_says_what_and_exits_1(words: tuple[str, ...], said: str) -> None:
    result = invoked("forecast", "-f", EXAMPLE, "-m", "1", "--no-what-ifs", *words)

    assert result.exit_code == 1
    assert said in result.stderr


def test_forecast_of_a_history_with_a_bad_line_names_it(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("day,service,origin,rps\n2026-01-01,a,b,-3\n")

    result = invoked("forecast", "-f", EXAMPLE, "--history", tmp_path / "h.csv")

    assert "line 2 of the history: rps must be a finite number of 0 or more, not -3" in result.stderr


def test_prices_import_prints_a_document_that_validates(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("provider,region,instance_type,usd_per_hour\nacme,north,s9,0.5\n")

    printed = invoked("prices", "import", "sheet", sheet, "--as-of", "2026-07-01")
    (tmp_path / "book.yaml").write_text(printed.stdout)

    assert printed.exit_code == 0, printed.output
    assert "1 prices" in printed.stderr
    base = Path(__file__).parents[1] / "config" / "base.yaml"
    assert invoked("validate", base, tmp_path / "book.yaml").exit_code == 0
    assert "nodeType: m6i.xlarge" in invoked("prices", "default").stdout
