"""`equipoise token create | hash | list | revoke`: who may use the API. Documents have the hashes of tokens alone."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.loop import HERE, Format, Output, Server, _fail, _request

app = typer.Typer(
    name="token",
    help="Who may use the API. A token is shown once; the documents keep its hash.",
    no_args_is_help=True,
)


class RoleName(StrEnum):
    """What it may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    AGENT = "agent"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will show it: for the audit.")],
    role: Annotated[RoleName, typer.Option("--role", help="What it may do.")] = RoleName.VIEWER,
    expires: Annotated[str, typer.Option(help="First day on which it is worth nothing, YYYY-MM-DD.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write it to this new file, for its owner alone.")] = None,
) -> None:
    """Draw a token: it goes to stdout (or --out), its entry for `server.access.tokens` of the policy to stderr."""
    import json
    import os

    from pydantic import ValidationError

    from config.access import AccessToken
    from scheduler.access.tokens import drawn, sha256_of

    token = drawn()
    entry = {"name": name, "role": str(role), "sha256": sha256_of(token)} | ({"expires": expires} if expires else {})
    try:
        AccessToken.model_validate(entry)
    except ValidationError as invalid:
        _fail("; ".join(f"{e['loc'][0]}: {e['msg']}" for e in invalid.errors()))
    if out is None:
        sys.stdout.write(token + "\n")
    else:
        try:
            with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(token + "\n")
        except OSError as error:
            _fail(f"--out: {error}")
    lines = [f"{key}: {json.dumps(value)}" for key, value in entry.items()]
    typer.echo("# under spec.server.access.tokens of the policy:\n- " + "\n  ".join(lines), err=True)


@app.command("hash")
def hashed() -> None:
    """Print the SHA-256 of a token on stdin, for a document."""
    from scheduler.access.tokens import sha256_of

    token = sys.stdin.readline().strip()
    if len(token) < 16:
        _fail("no token of 16 characters or more on stdin")
    typer.echo(sha256_of(token))


@app.command("list")
def listed(server: Server = HERE, output: Format = Output.TABLE) -> None:
    """Show who has access to a running controller. Needs role admin."""
    from collections.abc import Iterator
    from typing import Any

    from rich.table import Table

    from cli.render import print_as

    def table(body: dict[str, Any]) -> Iterator[Any]:
        rows = Table("NAME", "ROLE", "BY", "EXPIRES", "STATE", box=None, header_style="bold")
        for one in body["known"]:
            state = "revoked" if one["revoked"] else "good"
            rows.add_row(one["name"], one["role"], one["how"], one["expires"] or "never", state)
        yield rows
        if body["open"]:
            yield "nobody has to show anything: the API serves its own machine alone"
        if body["issuer"]:
            yield f"and users of {body['issuer']}, by their roles"

    print_as(output, _request(server, "GET", "/api/v1/access"), table)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Whose token: as in `token list`, or the name of a vantage.")],
    reason: Annotated[str, typer.Option(help="For the audit.")],
    server: Server = HERE,
) -> None:
    """Make a token worth nothing at once and for good, on a running controller. Needs role admin.

    The ledger keeps that, so it holds for the controllers that follow too; browsers that signed in with it are signed
    out. Take its entry out of the documents when you next change them.
    """
    from urllib.parse import quote

    _request(server, "POST", f"/api/v1/access/{quote(name, safe='')}/revoke", json={"reason": reason})
    typer.echo(f"revoked: {name}. Its entry in the documents is worth nothing and can go.")
