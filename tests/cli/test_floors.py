"""`equipoise floors`: what is said, and what is refused before anything is asked."""

import io

from rich.console import Console
from typer.testing import CliRunner

from cli.floors import floor_tables
from cli.main import app


def test_floors_show_numbers_words_and_why_nothing_is_done() -> None:
    row = {"service": "shop", "cluster": "eu", "kept_by": "HorizontalPodAutoscaler shop/shop", "now": 2, "assigned": 5,
           "serving": 3, "next": 3, "words": ""}  # fmt: skip
    unknown = row | {"cluster": "us", "now": None, "next": None, "words": "away"}
    body = {"apply": "bounded", "held": "the mode is frozen", "floors": [row, unknown]}
    console = Console(file=io.StringIO(), width=200)

    console.print(*floor_tables(body))

    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "HorizontalPodAutoscaler shop/shop" in printed
    assert "away" in printed
    assert "apply: bounded; held: the mode is frozen" in printed


def test_floors_given_back_without_a_reason_is_refused() -> None:
    result = CliRunner().invoke(app, ["floors", "--restore"])

    assert result.exit_code != 0
    assert "--reason" in result.output
