"""The two verbs of the command line."""

import json
from pathlib import Path

import pytest
import typer

from cli.documents import Output, schema, validate
from config.schema import json_schema

HERE = Path(__file__).parent
FAULT = HERE / "invalid" / "negative_number.yaml"


def test_validate_of_a_good_configuration_prints_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    validate([HERE / "base.yaml"])

    assert capsys.readouterr().out == "ok: 2 clusters, 2 services, 2 origins (8 documents in 1 file)\n"


def test_validate_of_a_bad_configuration_prints_all_problems_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as exit_info:
        validate([HERE / "base.yaml", FAULT])

    printed = capsys.readouterr()
    assert exit_info.value.exit_code == 1
    assert printed.out == ""
    assert printed.err.splitlines() == [
        f'{FAULT}:9:20: Service "checkout": spec.replicas.home must be 0 or more, not -1',
        f'{FAULT}:10:17: Service "checkout": spec.requestBytes must be 0 or more, not -5',
    ]


def test_validate_with_json_output_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        validate([HERE / "base.yaml", FAULT], Output.JSON)

    answer = json.loads(capsys.readouterr().out)
    assert not answer["ok"]
    assert answer["problems"][0] == {
        "file": FAULT.as_posix(),
        "line": 9,
        "column": 20,
        "subject": 'Service "checkout"',
        "reason": "spec.replicas.home must be 0 or more, not -1",
    }


def test_schema_prints_the_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    schema()

    assert json.loads(capsys.readouterr().out) == json_schema()
