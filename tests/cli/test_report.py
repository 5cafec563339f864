"""`equipoise report` from outside: every form, every error."""

import asyncio
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from scheduler.ledger import Ledger
from scheduler.usage_ledger import UsageLedger
from tests.scheduler.reports.fleets import EXAMPLE, documents, drawn
from tests.scheduler.reports.focus_rules import broken_rules
from tests.simulator.written import PAIR, written

SHORT = PAIR.replace("3m", "2m")


def invoked(*words: str | Path) -> Result:
    """The command, run in this process."""
    return CliRunner().invoke(app, ["report", *(str(word) for word in words)])


@pytest.fixture(scope="module", name="ledger")
def a_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of usage of the example, as a controller leaves it."""
    file = tmp_path_factory.mktemp("ledger") / "l.db"

    async def fill() -> None:
        ledger, configuration = Ledger(f"sqlite:///{file}"), documents()
        await ledger.migrate()
        await UsageLedger(ledger).write([drawn(configuration, 1, hour) for hour in range(72) if hour != 30])
        ledger.close()

    asyncio.run(fill())
    return file


def test_report_of_a_scenario_in_json_adds_up_exactly(tmp_path: Path) -> None:
    result = invoked("cost", "--scenario", written(tmp_path, "", SHORT), "-o", "json")

    body = json.loads(result.stdout, parse_float=Decimal)
    total = body["total"]["usd"]
    assert total > 0
    for view in ("by_component", "by_cluster", "by_service", "by_team", "allocations", "trend"):
        assert sum(row["usd"] for row in body[view]) == total, view
    assert body["total"]["co2_kg"] > 0


def test_report_of_a_scenario_in_focus_passes_the_validator(tmp_path: Path) -> None:
    result = invoked("cost", "--scenario", written(tmp_path, "", SHORT), "-o", "focus")

    assert broken_rules(result.stdout) == []


@pytest.mark.parametrize("kind", ["cost", "capacity", "savings", "resilience"])
def test_report_of_a_ledger_when_asked_for_any_form_is_printed(kind: str, ledger: Path, tmp_path: Path) -> None:
    day = ("--window", "2026-10-01", "--ledger", f"sqlite:///{ledger}")
    for form in ("table", "json", "csv", "md", "html"):
        result = invoked(kind, "-f", EXAMPLE, *day, "-o", form)
        assert result.exit_code == 0, result.output
        assert "2026-10-01" in result.stdout
    assert invoked(kind, "-f", EXAMPLE, *day, "-o", "xlsx", "--out", tmp_path / "r.xlsx").exit_code == 0


def test_savings_of_a_ledger_in_a_process_of_their_own_say_which_hours_were_replayed(ledger: Path) -> None:
    program = Path(sys.executable).with_name("equipoise")
    day = ("--window", "2026-10-01", "--ledger", f"sqlite:///{ledger}")
    words = [str(word) for word in (program, "report", "savings", "-f", EXAMPLE, *day)]

    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "Replayed: all 24 hours that are in the ledger by themselves." in done.stdout


def test_report_of_a_ledger_with_a_hole_says_where_it_is(ledger: Path) -> None:
    result = invoked("cost", "-f", EXAMPLE, "--window", "2026-10-01..2026-10-02", "--ledger", f"sqlite:///{ledger}")

    assert "gap 2026-10-02T06:00Z to 2026-10-02T07:00Z: 1 h not measured, not filled in" in result.stdout


def test_report_when_a_window_has_no_data_says_what_there_is(ledger: Path) -> None:
    result = invoked("cost", "-f", EXAMPLE, "--window", "2020-01", "--ledger", f"sqlite:///{ledger}")

    assert result.exit_code == 1
    assert "no usage from 2020-01-01T00:00Z to 2020-02-01T00:00Z" in result.stderr
    assert "it has 2026-10-01T00:00Z to 2026-10-04T00:00Z" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cost",), "no documents: give them with -f"),
        (("cost", "-f", str(EXAMPLE), "-w", "soon"), "no window 'soon'; give 7d"),
        (("cost", "-f", str(EXAMPLE), "--ledger", "sqlite:///none.db"), "none.db"),
        (("capacity", "-f", str(EXAMPLE), "-o", "focus"), "FOCUS has columns for cost only"),
        (("cost", "-f", str(EXAMPLE), "--fail-above", "5%"), "--fail-above needs --compare-to"),
    ],
)
def test_report_when_something_is_wrong_says_what_and_exits_1(words: tuple[str, ...], said: str) -> None:
    result = invoked(*words)

    assert result.exit_code == 1
    assert said in result.stderr


def test_report_when_a_price_is_missing_names_the_pool_and_falls_back_only_when_told_to(
    ledger: Path, tmp_path: Path
) -> None:
    for file in EXAMPLE.glob("*.yaml"):
        text = file.read_text()
        line = "  - {provider: aws, region: us-east-1, nodeType: m6idn.xlarge, usdPerHour: 0.31824}\n"
        (tmp_path / file.name).write_text(text.replace(line, ""))

    refused = invoked("cost", "-f", tmp_path, "--window", ledger)
    told = invoked("cost", "-f", tmp_path, "--window", ledger, "--default-prices", "-o", "json")

    assert refused.exit_code == 1
    assert 'Cluster "us-east": pool "general": no PriceBook has aws us-east-1 m6idn.xlarge' in refused.stderr
    assert "pass --default-prices" in refused.stderr
    words = json.loads(told.stdout)["assumptions"]
    assert any(
        "pool us-east/general, aws us-east-1 m6idn.xlarge" in w and "default price book was used" in w for w in words
    )


def test_report_when_it_costs_more_than_before_exits_3(ledger: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    invoked("cost", "-f", EXAMPLE, "--window", ledger, "-o", "json", "--out", base)
    body = json.loads(base.read_text())
    body["total"]["usd_per_month"] *= 0.9
    base.write_text(json.dumps(body))

    dearer = invoked("cost", "-f", EXAMPLE, "--window", ledger, "-o", "md", "--compare-to", base, "--fail-above", "5%")
    fine = invoked("cost", "-f", EXAMPLE, "--window", ledger, "-o", "md", "--compare-to", base, "--fail-above", "20%")

    assert dearer.exit_code == 3
    assert dearer.stdout.startswith("## Cost rises: +")
    assert fine.exit_code == 0
