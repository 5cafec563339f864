"""`equipoise meshes`: what each mesh made of its weights."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cli.loop import HERE, Format, Output, Server, _request

if TYPE_CHECKING:
    from rich.console import RenderableType


def meshes(server: Server = HERE, output: Format = Output.TABLE) -> None:
    """Show per mesh whether its last table is stored, accepted, programmed and achieved, and who changed what."""
    from cli.render import print_as

    print_as(output, _request(server, "GET", "/api/v1/meshes"), meshes_tables)


def meshes_tables(body: dict[str, Any]) -> Iterator["RenderableType"]:
    """The four verdicts, and below them every drift."""
    from rich.table import Table

    table = Table(
        "ORIGIN", "VERSION", "STORED", "ACCEPTED", "PROGRAMMED", "ACHIEVED", "SPLIT OFF BY", "DETAIL", box=None,
        header_style="bold",
    )  # fmt: skip
    for row in body["meshes"]:
        verdicts = [_said(row[name]) for name in ("stored", "accepted", "programmed", "achieved")]
        version = "-" if row["version"] is None else f"{row['epoch']}.{row['version']}"
        off = "-" if row["split_error"] is None else f"{row['split_error']:.1%} of {row['requests']} requests"
        table.add_row(row["origin"], version, *verdicts, off, row["detail"])
    yield table
    drifts = Table("DRIFT", "WRITTEN", "FOUND", "CHANGED BY", "THEN", box=None, header_style="bold")
    for row in body["meshes"]:
        for drift in row["drifts"]:
            where = f"{row['origin']}: {drift['where']}"
            drifts.add_row(where, drift["written"], drift["found"], drift["who"] or "unknown", row["on_drift"])
    yield drifts if drifts.row_count else f"{len(body['meshes'])} meshes; nobody else changed their weights"


def _said(verdict: bool | None) -> str:
    return "?" if verdict is None else "yes" if verdict else "[bold]no[/]"
