"""`equipoise validate` and `equipoise schema`: checking configuration documents, and what they may hold."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders; together they are one configuration.")],
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")] = Output.TABLE,
) -> None:
    """Check configuration documents and print every problem with its file, line and column.

    Exit code 0: the configuration can be used. 1: it cannot.
    """
    from config.load import load
    from config.problem import Invalid

    try:
        configuration = load(*paths)
    except Invalid as invalid:
        if output is Output.JSON:
            typer.echo(json.dumps({"ok": False, "problems": [asdict(problem) for problem in invalid.problems]}))
        for problem in invalid.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(1) from None
    if output is Output.JSON:
        typer.echo(json.dumps({"ok": True, "problems": [], "summary": str(configuration)}))
    else:
        typer.echo(f"ok: {configuration}")


def schema() -> None:
    """Print the JSON Schema of the configuration documents."""
    from config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
