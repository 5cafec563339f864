import json
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from connectors.matrix import KINDS, limits_of
from tests.contract.harnesses import HARNESSES
from tests.contract.test_rehearsal import HARNESSES as REHEARSED

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- equipoise connectors -o markdown -->\n", "\n<!-- end -->"


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["connectors", *words])
    assert result.exit_code == 0
    return result.stdout


def test_matrix_in_the_readme_is_the_one_that_the_code_says() -> None:
    text = README.read_text()
    shown = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]

    assert shown == run("-o", "markdown").rstrip("\n")


def test_matrix_has_every_mesh_of_the_contract_suite_and_no_other() -> None:
    assert {kind.name for kind in KINDS} == HARNESSES.keys() - {"simulated"}


def test_matrix_says_drills_where_the_suite_of_drills_runs() -> None:
    assert {kind.name for kind in KINDS if kind.rehearses} == REHEARSED.keys() - {"simulated"}


def test_matrix_as_json_carries_a_version_and_the_limits_of_the_connectors() -> None:
    body = json.loads(run("-o", "json"))

    assert body["format_version"] == 1
    fencing = {each["name"]: each["fencing"] for each in body["connectors"]}
    assert fencing == {kind.name: limits_of(kind).fencing.value for kind in KINDS}


def test_matrix_as_a_table_has_a_line_for_each_under_its_columns() -> None:
    head, *lines = run().rstrip("\n").split("\n")

    assert head.split()[:4] == ["connector", "mesh:", "set", "read-back"]
    assert len(lines) == len(KINDS)
