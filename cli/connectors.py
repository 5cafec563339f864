"""`equipoise connectors`: what every connector can do, from its own code."""

import json
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connectors.matrix import Support

# ruff: noqa: PLC0415  verbs import what they need when they run


class Form(StrEnum):
    """How to print it."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


COLUMNS = (
    "connector", "mesh:", "set", "read-back", "accepted", "programmed", "achieved", "dry-run", "fencing", "standbys",
    "refuses", "drills", "limits", "checked on",
)  # fmt: skip


def connectors(
    output: Annotated[Form, typer.Option("--output", "-o", help="table, json or markdown.")] = Form.TABLE,
) -> None:
    """Print what every connector can do: which verdicts it gives, how it is fenced, and its limits.

    `mesh:` is the key of an Origin document. `refuses`: whether it can refuse a share of the requests. `checked on`: in
    front of what the contract suite runs.
    """
    from connectors.matrix import support

    found = list(support())
    if output is Form.JSON:
        body = {"format_version": 1, "connectors": [asdict(each) for each in found]}
        typer.echo(json.dumps(body, indent=2))
        return
    rows = [COLUMNS, *(row(each) for each in found)]
    typer.echo(markdown(rows) if output is Form.MARKDOWN else table(rows))


def row(each: "Support") -> tuple[str, ...]:
    """The cells of a line."""
    programmed = each.programmed_partly or _word(each.programmed)
    before, after = (each.set, each.read_back, each.accepted), (each.achieved, each.dry_run)
    shown = (*map(_word, before), programmed, *map(_word, after))
    more = (each.fencing, each.standbys, _word(each.shed), _word(each.drills), each.limits, each.checked)
    return (each.what, each.key, *shown, *more)


def _word(answer: bool) -> str:
    return "yes" if answer else "-"


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns for a terminal."""
    widths = [max(len(cells[place]) for cells in rows) for place in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows)
    return "\n".join(lines)


def markdown(rows: list[tuple[str, ...]]) -> str:
    """A table as the README has it."""
    head, *rest = rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rest))
