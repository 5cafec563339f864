import json
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app

EXAMPLE = str(Path(__file__).parents[2] / "config" / "example")


def test_readiness_from_documents_prints_the_matrix_and_what_standing_by_costs() -> None:
    result = CliRunner().invoke(app, ["readiness", EXAMPLE])

    assert result.exit_code == 0, result.output
    assert "cluster eu-central" in result.output
    assert "Standby: " in result.output
    assert "price of resilience" in result.output
    assert "never" in result.output


def test_readiness_as_json_is_one_object_with_every_single_loss() -> None:
    result = CliRunner().invoke(app, ["readiness", EXAMPLE, "-o", "json"])

    body = json.loads(result.stdout)
    assert body["source"] == "documents"
    assert body["summary"]["losses"] == len(body["losses"])
    assert {row["kind"] for row in body["losses"]} >= {"cluster", "provider", "gateway", "tier", "pair"}


def test_readiness_when_told_to_fail_on_unmet_demand_exits_with_3() -> None:
    result = CliRunner().invoke(app, ["readiness", EXAMPLE, "--fail-on-unmet"])

    assert result.exit_code == 3, "the only provider is a single loss"


def test_readiness_of_no_documents_and_no_controller_says_how_to_reach_one() -> None:
    result = CliRunner().invoke(app, ["readiness", "--url", "http://127.0.0.1:9"])

    assert result.exit_code == 1
    assert "Is `equipoise serve` running?" in result.output


def test_readiness_of_documents_that_are_invalid_says_where(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kind: Clustr\n", encoding="utf-8")

    result = CliRunner().invoke(app, ["readiness", str(tmp_path)])

    assert result.exit_code == 1
    assert "bad.yaml" in result.output
