"""`equipoise play`: a controller of a simulated fleet, with its API and dashboard, in real time."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.loop import _fail


def play(
    scenario: Annotated[Path, typer.Argument(help="Scenario file: its fleet, demand and events.")],
    port: Annotated[int, typer.Option("--port", min=1, max=65_535, help="Of API and dashboard, on loopback.")] = 9600,
    ledger: Annotated[str, typer.Option(help="Database of decisions. Omitted: one that is gone afterwards.")] = "",
) -> None:
    """Serve the whole controller in front of a simulated fleet, in real time, until Ctrl-C; nothing real is touched.

    The loop, the ledger, drills, the API and the dashboard are those of `equipoise serve`.
    """
    import tempfile

    from config.problem import Invalid
    from scheduler.ports import LedgerDown
    from simulator.physics.demand import NoData
    from simulator.theatre import perform

    with tempfile.TemporaryDirectory() as folder:
        url = ledger or f"sqlite:///{folder}/equipoise.db"
        typer.echo(f"dashboard: http://127.0.0.1:{port}/", err=True)
        try:
            asyncio.run(perform(scenario, f"127.0.0.1:{port}", url))
        except Invalid as invalid:
            _fail(str(invalid))
        except (LedgerDown, NoData, OSError, ValueError) as error:
            _fail(str(error))
