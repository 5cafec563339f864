"""Commands in the docs are commands: each verb exists, takes the options that are shown, and offline ones are run."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.main import app
from tests.real import ROOT

DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^(?:    |\$ )(?:\.venv/bin/)?equipoise ([^#\n]+)", re.MULTILINE)
RUN = [["validate", "config/example"], ["version"], ["schema"], ["connectors"], ["completion", "bash"]]


def shown() -> list[tuple[str, str]]:
    """(file, command) of every command line in a block."""
    return [
        (str(path.relative_to(ROOT)), line.strip())
        for path in DOCS
        for line in COMMAND.findall(path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("file", "line"), shown(), ids=lambda value: str(value)[:60])
def test_command_in_the_docs_when_asked_for_help_exists_and_has_its_options(file: str, line: str) -> None:
    words = shlex.split(line.split("|", maxsplit=1)[0].split(">", maxsplit=1)[0])
    group = typer.main.get_command(app)
    path: list[str] = []
    for word in words:
        commands = getattr(group, "commands", {})
        if word not in commands:
            break
        group = commands[word]
        path.append(word)
    assert path, f"{file}: equipoise has no {words[0]}"
    help_text = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", help_text)
    for word in words[len(path) :]:
        if word.startswith("-") and word != "-":
            assert re.search(rf"(^|[\s,/]){re.escape(word.split('=')[0])}\b", plain), f"{file}: {line}: no {word}"


@pytest.mark.parametrize("words", RUN, ids=" ".join)
def test_command_that_needs_no_controller_when_run_ends_well(words: list[str]) -> None:
    given = [str(ROOT / word) if Path(ROOT / word).exists() and "/" in word else word for word in words]

    assert CliRunner().invoke(app, given).exit_code == 0
