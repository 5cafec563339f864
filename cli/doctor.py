"""`equipoise doctor` and `equipoise calls`: whether what is measured is there, and whether it is what was declared."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import asyncio
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.loop import HERE, Format, Output, Server, _fail, _request

SICK = 1
"""Exit code of `doctor` when something that is needed is missing."""


def doctor(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Documents: files or folders. Without, ask the running controller.")
    ] = None,
    server: Server = HERE,
    wait: Annotated[float, typer.Option("--wait", help="Seconds between two looks, for what is a rate.")] = 5.0,
    output: Format = Output.TABLE,
) -> None:
    """Say per cluster and signal whether data is there, how old it is, and what to do. Exit 1 without demand."""
    from cli.render import print_as

    body = _examined(files, wait) if files else _request(server, "GET", "/api/v1/doctor")
    print_as(output, body, doctor_tables)
    if not body["healthy"]:
        raise typer.Exit(SICK)


GOOD, SOME, BAD = "[green]√[/]", "[yellow]‼[/]", "[red]✗[/]"
MARKS = {"ok": GOOD, "partial": SOME, "stale": BAD, "missing": SOME, "reported": "·"}


def doctor_tables(body: dict[str, Any]) -> Iterator[Any]:
    """Signals by place, then silent sources, then what was refused."""
    from rich.markup import escape
    from rich.table import Table

    signals = Table("", "SIGNAL", "PLACE", "SERVICES", "AGE s", "WITHOUT", "WHAT TO DO", box=None, header_style="bold")
    said: set[str] = set()
    for row in body["signals"]:
        needed = row["health"] == "missing" and row["signal"] == "demand_rps"
        advice = "" if row["advice"] in said else row["advice"]
        said.add(row["advice"])
        age = "" if row["age_s"] is None else f"{row['age_s']:.1f}"
        signals.add_row(
            BAD if needed else MARKS[row["health"]], row["signal"], row["place"],
            f"{row['known']} of {row['expected']}", age, ", ".join(row["missing"]), escape(advice),
        )  # fmt: skip
    yield signals
    yield from map(_price, body["prices"])
    for source in body["sources"]:
        yield f"{BAD} {escape(source['source'])}: {escape(source['failure'])}"
    for rejection in body["rejections"]:
        yield f"{SOME} {escape(rejection)}"
    yield "Everything that is needed is there." if body["healthy"] else f"See {body['hint']}."


def _price(row: dict[str, Any]) -> str:
    from rich.markup import escape

    mark, node = SOME if row["advice"] else GOOD, f"{row['cluster']}/{row['pool']} {row['node_type']}"
    # Only a running controller believes, or does not, what it is told.
    used = f", {row['used_usd_per_hour']:.4f} used" if row.get("used_usd_per_hour") is not None else ""
    if row["off_ratio"] is None:
        return f"{mark} {node}: {escape(row['advice']) or 'OpenCost tells nothing of it'}{used}"
    said = f"{row['opencost_usd_per_hour']:.4f} $/h by OpenCost, declared {row['off_ratio']:+.0%}"
    return f"{mark} {node}: {said}{used} {escape(row['advice'])}".rstrip()


class Tracer(StrEnum):
    """Who keeps the dependencies."""

    JAEGER = "jaeger"
    ZIPKIN = "zipkin"
    XRAY = "xray"


def calls(
    files: Annotated[list[Path], typer.Argument(help="Documents: files or folders.")],
    tracer: Annotated[Tracer, typer.Option("--from", help="What kept the traces.")],
    url: Annotated[str, typer.Option("--url", help="Its API; for xray the region.", metavar="URL")],
    hours: Annotated[float, typer.Option("--hours", help="How far to look back.")] = 24.0,
    output: Format = Output.TABLE,
) -> None:
    """Hold the call graph of the documents against the one that a tracing system saw."""
    from cli.render import print_as

    print_as(output, _compared(files, tracer, url, hours * 3_600.0), calls_tables)


def calls_tables(body: dict[str, Any]) -> Iterator[Any]:
    """Every call, declared and seen."""
    from rich.table import Table

    table = Table("CALLER", "CALLED", "DECLARED", "SEEN", "CALLS", "ERRORS", "", box=None, header_style="bold")
    for row in body["calls"]:
        seen = "unknown" if row["seen_ratio"] is None else f"{row['seen_ratio']:.3g}"
        declared = "" if row["declared_ratio"] is None else f"{row['declared_ratio']:.3g}"
        table.add_row(
            row["caller"],
            row["called"],
            declared,
            seen,
            f"{row['calls']:.0f}",
            f"{row['error_ratio']:.2%}",
            row["note"],
        )
    yield table


def _examined(files: list[Path], wait_s: float) -> dict[str, Any]:
    from config.load import load
    from config.problem import Invalid
    from scheduler.doctor import examined

    try:
        return asyncio.run(examined(load(*files), wait_s))
    except Invalid as invalid:
        _fail(str(invalid))
        raise


def _compared(files: list[Path], tracer: Tracer, url: str, lookback_s: float) -> dict[str, Any]:
    from config.load import load
    from config.problem import Invalid
    from connectors.connector import Refused, Unavailable
    from scheduler.callgraph import compared

    try:
        return asyncio.run(compared(load(*files), str(tracer), url, time.time(), lookback_s))
    except (Invalid, Unavailable, Refused) as error:
        _fail(str(error))
        raise
