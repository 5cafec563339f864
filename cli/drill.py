"""`equipoise drill run | list | abort | report`: rehearse failovers on a running controller, and see what is proved."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.loop import HERE, Format, Output

Body = dict[str, Any]
POLL_S = 0.5
FAILED = 3
"""Exit code of `run` for a drill that did not succeed."""

app = typer.Typer(
    name="drill",
    help="Try failovers before they are needed, and see which paths are proved.",
    no_args_is_help=True,
)
Url = Annotated[
    str,
    typer.Option(
        "--url", "--server", envvar="EQUIPOISE_SERVER", help="The API of a running controller.", metavar="URL"
    ),
]


class Level(StrEnum):
    """How much to try."""

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"


@app.command()
def run(
    loss: Annotated[str, typer.Argument(help="What to treat as lost: `cluster/eu-west`, `region/eu`, `provider/aws`.")],
    level: Annotated[
        Level, typer.Option("--level", "-l", help="L0 proof, L1 probe, L2 dry push, L3 1 to 10 %, L4 all of it.")
    ] = Level.L2,
    url: Url = HERE,
    output: Format = Output.TABLE,
    wait: Annotated[bool, typer.Option(help="Wait for the outcome; Ctrl-C then takes the drill back.")] = True,
) -> None:
    """Begin a drill. Exit code 0: it succeeded; 1: it could not begin; 3: it ended otherwise."""
    from cli.render import print_as

    body = ask(url, "POST", "/api/v1/drills", json={"level": str(level), "loss": lost(loss), "by": "cli"})
    if wait and body.get("id"):
        body = _followed(url, body)
    print_as(output, body, drill_table)
    if body["outcome"] not in {"", "SUCCEEDED"}:
        raise typer.Exit(FAILED)


@app.command("list")
def list_drills(url: Url = HERE, output: Format = Output.TABLE) -> None:
    """Show the newest drills, and why the one that is due does not begin."""
    from cli.render import print_as

    print_as(output, ask(url, "GET", "/api/v1/drills"), list_table)


@app.command()
def abort(
    drill: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    reason: Annotated[str, typer.Option(help="For the record.")] = "",
    url: Url = HERE,
) -> None:
    """Take a drill back; every request goes its regular way again within a second or so."""
    ask(url, "POST", f"/api/v1/drills/{drill}/abort", json={"reason": reason})
    typer.echo(f"aborting {drill}")


@app.command()
def report(url: Url = HERE, output: Format = Output.TABLE) -> None:
    """Show how much of the traffic has a failover path that was proved lately, and what drills measured."""
    from cli.render import print_as

    print_as(output, ask(url, "GET", "/api/v1/drills/report"), report_table)


def lost(text: str) -> str:
    """A loss as the controller calls it: `cluster eu-west`, of `cluster/eu-west` or as it is."""
    return text if " " in text else text.replace("/", " ", 1)


def _followed(url: str, body: Body) -> Body:
    name = body["id"]
    try:
        while not body["outcome"]:
            time.sleep(POLL_S)
            body = ask(url, "GET", f"/api/v1/drills/{name}")
    except KeyboardInterrupt:
        ask(url, "POST", f"/api/v1/drills/{name}/abort", json={"reason": "ended by Ctrl-C"})
        body = ask(url, "GET", f"/api/v1/drills/{name}")
    return body


def ask(url: str, method: str, path: str, **request: Any) -> Body:
    """The answer of a controller; ends the command with its words where there is none."""
    from cli.loop import _request

    return _request(url, method, path, **request)


def drill_table(body: Body) -> Iterator[Any]:
    """One drill: what it is, the receivers, and the outcome."""
    from rich.table import Table

    outcome = body["outcome"] or body.get("phase", "")
    yield f"{body.get('id', '')} {body['level']} loss of {body['loss']}: {outcome} {body['reason']}"
    if body.get("receivers"):
        receivers = Table(
            "RECEIVER", "BEFORE", "FORESEEN", "MEASURED", "ms BEFORE", "ms", box=None, header_style="bold"
        )
        for row in body["receivers"]:
            filled = (_percent(row[name]) for name in ("before", "predicted", "measured"))
            receivers.add_row(row["backend"], *filled, _number(row["latency_before_ms"]), _number(row["latency_ms"]))
        yield receivers
    if body.get("rehearsed_requests") is not None:
        yield (
            f"{body['rehearsed_requests']} requests rehearsed, {body['rehearsed_failed']} of them failed; "
            f"{body['regular_requests']} regular, {body['regular_failed']} failed; "
            f"meshes followed in {_number(body['rto_s'])} s, were taken back in {_number(body['revert_s'])} s"
        )


def list_table(body: Body) -> Iterator[Any]:
    """All drills, newest first."""
    from rich.table import Table

    drills = Table("DRILL", "LEVEL", "LOSS", "OUTCOME", "RATIO", "BEGAN", "BY", "REASON", box=None, header_style="bold")
    for row in body["drills"]:
        began = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(row["began_wall_s"]))
        outcome = row["outcome"] or row["phase"]
        drills.add_row(
            row["id"], row["level"], row["loss"], outcome, _percent(row["ratio"]), began, row["asked_by"], row["reason"]
        )
    yield drills
    if body["hindrance"]:
        yield f"waiting: {body['hindrance']}"


def report_table(body: Body) -> Iterator[Any]:
    """Coverage by level and kind of loss, then the figures."""
    from rich.table import Table

    kinds = list(body["coverage24_by_kind"])
    levels = Table("LEVEL", "COVERED 24 h", *kinds, "OLDEST UNVERIFIED", box=None, header_style="bold")
    for level, ratio in body["coverage24"].items():
        by_kind = (_percent(body["coverage24_by_kind"][kind][level]) for kind in kinds)
        oldest = body["oldest_unverified_path"][level]
        levels.add_row(level, _percent(ratio), *by_kind, f"{_number(oldest['age_s'])} s  {oldest['path']}")
    yield levels
    found = body["predicted_vs_measured"]
    mean, most = _percent(found["utilization_error_mean"]), _percent(found["utilization_error_max"])
    yield (
        f"{body['paths']} paths; proofs cover {_percent(body['proof_coverage'])}, the oldest is "
        f"{_number(body['oldest_proof_age_s'])} s old\n"
        f"{body['drills']} drills, {_percent(body['drill_abort_rate'])} of those that moved requests cut short; "
        f"RTO p50 {_number(body['rto_p50_s'])} s, p99 {_number(body['rto_p99_s'])} s; "
        f"abort to reverted p99 {_number(body['abort_to_reverted_p99_s'])} s\n"
        f"{body['rehearsed_failed']} of {body['rehearsed_requests']} rehearsed requests failed; utilization foreseen "
        f"was off by {mean} on average, {most} at most"
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
