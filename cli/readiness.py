"""`equipoise readiness | resume`."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.loop import HERE, Format, Output, Server, _fail, _request

UNMET = 3
"""Exit code of `readiness --fail-on-unmet` when some single loss leaves demand unmet."""


def readiness(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Documents: files or folders. Without, ask the running controller.")
    ] = None,
    url: Annotated[str, typer.Option("--url", envvar="EQUIPOISE_SERVER", help="Its API.", metavar="URL")] = HERE,
    output: Format = Output.TABLE,
    fail_on_unmet: Annotated[
        bool, typer.Option("--fail-on-unmet", help="Exit 3 when some single loss leaves demand unmet.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every tier in the table, not only the worst.")] = False,
) -> None:
    """Lose X -> where its load goes, how full, how slow, at what cost, what is unmet, and when that was last verified.

    From documents: for declared demand, on the optimal plan. From a controller: for what it measures, and drilled.
    """
    from cli.readiness_table import readiness_tables
    from cli.render import print_as

    body = _proved(files) if files else _request(url, "GET", "/api/v1/readiness")
    print_as(output, body, lambda found: readiness_tables(found, everything))
    single = [row for row in body["losses"] if row["kind"] != "pair"]
    if fail_on_unmet and any(row["unmet_rps"] > 0.05 for row in single):
        raise typer.Exit(UNMET)


def resume(
    server: Server = HERE,
    reason: Annotated[str, typer.Option(help="For those who read the ledger.")] = "",
) -> None:
    """Let the controller leave SAFE mode and go on evacuating: a human has looked."""
    _request(server, "POST", "/api/v1/resume", json={"reason": reason})
    typer.echo("resumed")


def _proved(files: list[Path]) -> dict[str, Any]:
    from config.load import load
    from config.problem import Invalid
    from placement.solve.linear import Unsolved
    from scheduler.readiness import declared_proof, never
    from scheduler.readiness import readiness as matrix

    try:
        return matrix(declared_proof(load(*files)), never)
    except Invalid as invalid:
        _fail(str(invalid))
    except Unsolved as unsolved:
        _fail(f"no plan: {unsolved}")
    raise AssertionError("unreachable: _fail leaves")
