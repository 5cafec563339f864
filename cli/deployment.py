"""`equipoise deployment begin | end | list`: what a pipeline says of its roll-outs, so that no drill disturbs them."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cli.drill import Url, ask
from cli.loop import HERE, Format, Output

PATH = "/api/v1/deployments"
UNITS_S = {"s": 1, "m": 60, "h": 3_600}

app = typer.Typer(
    name="deployment",
    help="Say that a service is being rolled out: no drill moves its requests meanwhile.",
    no_args_is_help=True,
)
Place = Annotated[str, typer.Argument(help="`service`, or `service/cluster`.", metavar="SERVICE[/CLUSTER]")]


@app.command()
def begin(
    place: Place,
    lasts: Annotated[str, typer.Option("--for", help="It ends by itself after this: 90s, 15m, 2h.")] = "15m",
    reason: Annotated[str, typer.Option(help="For the record.")] = "",
    url: Url = HERE,
) -> None:
    """Declare a deployment, or prolong it."""
    service, _, cluster = place.partition("/")
    body = {"service": service, "cluster": cluster, "seconds": seconds(lasts), "reason": reason}
    told = ask(url, "POST", PATH, json=body)
    typer.echo(f"{place}: no drill for {told['seconds_left']:.0f} s")


@app.command()
def end(place: Place, url: Url = HERE) -> None:
    """Take it back before its time."""
    service, _, cluster = place.partition("/")
    ask(url, "DELETE", PATH, params={"service": service, "cluster": cluster})
    typer.echo(f"{place}: ended")


@app.command("list")
def list_deployments(url: Url = HERE, output: Format = Output.TABLE) -> None:
    """Show those under way."""
    from cli.render import print_as

    print_as(output, ask(url, "GET", PATH), table)


def seconds(text: str) -> float:
    """The seconds of `90s`, `15m`, `2h` or a bare number; a usage error for anything else."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS_S else (text, "s")
    try:
        return float(number) * UNITS_S[unit]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 90s, 15m or 2h") from None


def table(body: dict[str, Any]) -> Iterator[Any]:
    """One line each."""
    from rich.table import Table

    rows = Table("SERVICE", "CLUSTER", "LEFT", "REASON", box=None, header_style="bold")
    for row in body["deployments"]:
        rows.add_row(row["service"], row["cluster"] or "all", f"{row['seconds_left']:.0f} s", row["reason"])
    yield rows
