"""`equipoise serve | plan | explain | freeze | unfreeze`."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import asyncio
import atexit
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

CHANGES = 2
"""Exit code of `plan --detailed-exitcode` when something would change, as with other planners."""


class Output(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Files = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", help="Documents: files or folders. Without, ask the running server."),
]
Server = Annotated[
    str, typer.Option("--server", envvar="EQUIPOISE_SERVER", help="The API of a running controller.", metavar="URL")
]
Format = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]
HERE = "http://127.0.0.1:9600"


def serve(
    files: Annotated[
        list[Path], typer.Option("--file", "-f", help="Documents: files or folders, followed for changes.")
    ],
) -> None:
    """Run the controller until SIGTERM or Ctrl-C. The meshes keep what they have when it is gone."""
    from config.problem import Invalid
    from scheduler.logs import configure
    from scheduler.ports import LedgerDown
    from scheduler.serve import serve as run_service
    from simulator.apart import simulator

    try:
        configure()
        asyncio.run(run_service(tuple(files), simulator(tuple(files))))
    except Invalid as invalid:
        _fail(str(invalid))
    except (LedgerDown, OSError, ValueError) as error:
        _fail(str(error))
    _leave()


def _leave() -> None:
    """End now: the ledger is closed, and a thread that still waits for a name server must not keep us from it."""
    atexit._run_exitfuncs()  # noqa: SLF001  what would run at the end, without waiting for threads
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def plan(
    file: Files = None,
    server: Server = HERE,
    output: Format = Output.TABLE,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 2 when something would change, 0 when nothing would.")
    ] = False,
) -> None:
    """Show what changes: before -> after for every flow, what it costs, and one line that sums it up."""
    from cli.render import plan_table, print_as
    from scheduler.summary import plan_changes

    body = _previewed_plan(file) if file else _ask(server, "/api/v1/plan")
    print_as(output, body, plan_table)
    if detailed_exitcode and plan_changes(body):
        raise typer.Exit(CHANGES)


def explain(
    flow: Annotated[str, typer.Argument(help="service@origin, or a service for all of its flows.")],
    file: Files = None,
    server: Server = HERE,
    output: Format = Output.TABLE,
) -> None:
    """Say why the shares of a flow are what they are, which limits bind, and what the runner-up would have cost."""
    from cli.render import explain_tables, print_as

    body = _previewed_explanation(file, flow) if file else _ask(server, "/api/v1/explain", flow=flow)
    print_as(output, body, explain_tables)


def place(
    file: Files = None,
    server: Server = HERE,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", envvar="RAY_ADDRESS", help="A Ray cluster to use for large fleets.")
    ] = None,
    relaxed: Annotated[
        bool, typer.Option("--relaxed", help="Fractional replicas: seconds instead of minutes for a large fleet.")
    ] = False,
    shards: Annotated[int, typer.Option(min=1, help="With --relaxed: parts that a large fleet is solved in.")] = 1,
    output: Format = Output.TABLE,
) -> None:
    """Say how many replicas of each service to run where, for declared demand, with a certified gap.

    Survives the loss of any region or provider as `placing.surviveRatio` asks; nothing is applied. Without documents
    the running server is asked, which plans for measured demand and says fractions of replicas.
    """
    from cli.render import place_tables, print_as
    from config.load import load
    from config.problem import Invalid
    from placement.solve.linear import Unsolved
    from placement.solve.sharded import Lost
    from scheduler.placing import placement_of, placement_summary

    if not file:
        print_as(output, _ask(server, "/api/v1/assignment"), place_tables)
        return
    try:
        body = placement_summary(placement_of(load(*file), ray_address, relaxed, shards))
    except Invalid as invalid:
        _fail(str(invalid))
    except (Unsolved, Lost, ValueError) as error:
        _fail(f"no placement: {error}")
    print_as(output, body, place_tables)


def freeze(
    server: Server = HERE,
    everything: Annotated[
        bool, typer.Option("--all", help="Evacuate nothing either: no automatic push at all.")
    ] = False,
    reason: Annotated[str, typer.Option(help="For those who find it frozen.")] = "",
) -> None:
    """Stop the optimizer. A confirmed loss is still evacuated, unless --all."""
    body = {"scope": "stopped" if everything else "frozen", "reason": reason}
    typer.echo(f"mode: {_send(server, 'POST', body)['mode']}")


def unfreeze(server: Server = HERE) -> None:
    """Go back to automatic."""
    typer.echo(f"mode: {_send(server, 'DELETE', None)['mode']}")


def _previewed_plan(files: list[Path]) -> dict[str, Any]:
    from scheduler.preview import preview_summary

    return preview_summary(_preview(files))


def _previewed_explanation(files: list[Path], flow: str) -> dict[str, Any]:
    from placement.solve.routing import shadow_prices
    from scheduler.account import account, flows_named, unknown_flow

    found = _preview(files)
    chosen = flows_named(found.fleet, flow)
    if not chosen:
        _fail(unknown_flow(found.fleet, flow))
    return account(found.problem, found.plan.routing, shadow_prices(found.problem), chosen)


def _preview(files: list[Path]) -> Any:
    from config.load import load
    from config.problem import Invalid
    from placement.solve.linear import Unsolved
    from scheduler.preview import preview

    try:
        return asyncio.run(preview(load(*files)))
    except Invalid as invalid:
        _fail(str(invalid))
    except Unsolved as unsolved:
        _fail(f"no plan: {unsolved}")


def _ask(server: str, path: str, **query: str) -> dict[str, Any]:
    return _request(server, "GET", path, params=query)


def _send(server: str, method: str, body: dict[str, str] | None) -> dict[str, Any]:
    return _request(server, method, "/api/v1/freeze", json=body)


def _request(server: str, method: str, path: str, **request: Any) -> dict[str, Any]:
    import httpx

    from cli.credentials import shown, trusted

    try:
        answer = httpx.request(
            method, server.rstrip("/") + path, timeout=10.0, trust_env=False, headers=shown(server), verify=trusted(),
            **request,
        )  # fmt: skip
        body: dict[str, Any] = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _fail(f"{server}: {error}. Is `equipoise serve` running? Say where with --server or EQUIPOISE_SERVER.")
    except ValueError:
        _fail(f"{server}: answered {answer.status_code} with no JSON; this is no Equipoise controller")
    if answer.status_code >= 400:
        _fail(f"{server}: {body.get('title', answer.status_code)}. {body.get('detail', '')}")
    return body


def _fail(words: str) -> Any:
    typer.echo(words, err=True)
    raise typer.Exit(1)
