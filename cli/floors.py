"""`equipoise floors`: least replicas of a running controller, and giving them back."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.loop import HERE, Format, Output, Server, _fail, _request

if TYPE_CHECKING:
    from rich.console import RenderableType

PATH = "/api/v1/floors"


def floors(
    server: Server = HERE,
    restore: Annotated[bool, typer.Option("--restore", help="Give every object back as it was, and hold.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Let least replicas follow again.")] = False,
    reason: Annotated[str, typer.Option(help="For those who find it so.")] = "",
    output: Format = Output.TABLE,
) -> None:
    """Show least replicas as they are and as they should be, and why nothing is done; or give them back."""
    from cli.render import print_as

    if restore and resume:
        _fail("--restore and --resume say the opposite; give one")
    if (restore or resume) and not reason:
        _fail("say --reason, for those who find it so")
    if restore:
        said = _request(server, "POST", f"{PATH}/restore", json={"reason": reason})
        print_as(output, said, lambda body: (f"{name}: {words}" for name, words in sorted(body["objects"].items())))
        return
    if resume:
        _request(server, "POST", f"{PATH}/resume", json={"reason": reason})
    print_as(output, _request(server, "GET", PATH), floor_tables)


def floor_tables(body: dict[str, Any]) -> Iterator["RenderableType"]:
    """What keeps each service in each cluster."""
    from rich.table import Table

    heads = ("SERVICE", "CLUSTER", "KEPT BY", "NOW", "ASSIGNED", "SERVING", "NEXT", "")
    table = Table(*heads, box=None, header_style="bold")
    for row in body["floors"]:
        numbers = ("?" if row[key] is None else str(row[key]) for key in ("now", "assigned", "serving", "next"))
        table.add_row(row["service"], row["cluster"], row["kept_by"], *numbers, row["words"])
    if body["floors"]:
        yield table
    yield f"apply: {body['apply']}" + (f"; held: {body['held']}" if body["held"] else "")
