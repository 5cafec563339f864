"""`equipoise simulate` and `equipoise compare` from outside."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from cli.atlas import Output, show
from cli.main import app
from simulator.results import junit
from tests.simulator.written import PAIR, written

SHORT = PAIR.replace("3m", "30s")


def invoked(*words: str | Path) -> Result:
    """The command, run in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def test_simulate_when_expectations_are_met_exits_0_with_a_table(tmp_path: Path) -> None:
    result = invoked("simulate", written(tmp_path, '  thresholds: {availability: ">= 0.9"}\n', SHORT))

    assert result.exit_code == 0, result.output
    assert "AVAILABLE" in result.output
    assert "met    availability >= 0.9" in result.output


def test_simulate_when_an_expectation_is_not_met_exits_3_and_says_which(tmp_path: Path) -> None:
    result = invoked("simulate", written(tmp_path, '  thresholds: {availability: "> 1"}\n', SHORT))

    assert result.exit_code == 3
    assert "unmet  availability > 1" in result.output


def test_simulate_when_a_file_is_wrong_exits_1_with_its_place(tmp_path: Path) -> None:
    file = written(tmp_path, "  sede: 3\n", SHORT)

    result = invoked("simulate", file)

    assert result.exit_code == 1
    assert f'{file}:18:3: unknown key "sede" in spec; did you mean "seed"?' in result.output


def test_simulate_when_a_policy_is_unknown_names_the_nearest(tmp_path: Path) -> None:
    result = invoked("simulate", written(tmp_path, "", SHORT), "--policy", "waterfal")

    assert result.exit_code == 1
    assert 'did you mean "waterfall"?' in result.output


def test_sweep_when_a_policy_is_unknown_names_the_nearest(tmp_path: Path) -> None:
    result = invoked("sweep", written(tmp_path, "", SHORT), "--policy", "equipoise,waterfal")

    assert result.exit_code == 1
    assert 'no policy "waterfal"; did you mean "waterfall"?' in result.output


def test_rows_of_an_atlas_are_shown_with_units_and_parts_as_percentages(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"loss": "cluster one", "unanswered": 0.0272, "shed": 0.0, "failover_s": None, "total_usd_per_hour": 210.7267}

    show([row], Output.TABLE)

    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["LOSS", "UNANSWERED", "SHED", "FAILOVER", "s", "TOTAL", "$/h"]
    assert line.split() == ["cluster", "one", "2.72%", "0.00%", "-", "210.73"]


def test_simulate_when_asked_for_json_gives_every_policy_and_seed(tmp_path: Path) -> None:
    file = written(tmp_path, "", SHORT)

    result = invoked("simulate", file, "--policy", "equipoise,local", "--seeds", "2", "-o", "json")

    body = json.loads(result.output)
    assert [(r["policy"], r["seed"]) for r in body["results"]] == [
        ("equipoise", 0), ("equipoise", 1), ("local", 0), ("local", 1),
    ]  # fmt: skip
    assert body["format_version"] == 1
    assert all(len(r["trace"]) == 64 for r in body["results"])


def test_simulate_when_asked_for_junit_has_a_case_for_each_expectation(tmp_path: Path) -> None:
    more = '  thresholds: {availability: "> 1", p95Ms: "< 900"}\n'

    result = invoked("simulate", written(tmp_path, more, SHORT), "-o", "junit")

    suite = ET.fromstring(result.output).find("testsuite")  # noqa: S314  our own
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_junit_of_a_scenario_that_expects_nothing_has_one_case_that_it_was_played() -> None:
    run = {"scenario": "calm", "policy": "equipoise", "seed": 0, "cpu_s": 0.1, "expectations": []}

    suite = ET.fromstring(junit([run])).find("testsuite")  # noqa: S314  our own

    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")
    assert [case.get("name") for case in suite] == ["is played to its end"]


def test_simulate_when_given_a_file_writes_the_page_there(tmp_path: Path) -> None:
    target = tmp_path / "page.html"

    result = invoked("simulate", written(tmp_path, "", SHORT), "-o", "html", "--out", target)

    assert result.exit_code == 0
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("stored", [True, False])
def test_compare_when_given_scenarios_or_results_shows_the_difference(tmp_path: Path, stored: bool) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = written(tmp_path / "a", "", SHORT), written(tmp_path / "b", "", SHORT.replace("rps: 300", "rps: 600"))
    if stored:
        for file in (one, other):
            assert invoked("simulate", file, "-o", "json", "--out", file.with_suffix(".json")).exit_code == 0
        one, other = one.with_suffix(".json"), other.with_suffix(".json")

    result = invoked("compare", one, other)

    assert result.exit_code == 0
    assert "goodputRps" in result.output
    assert "+100.0%" in result.output
