"""`equipoise vantage`: probe for a controller from somewhere else."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import asyncio
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

TOKEN_VARIABLE = "EQUIPOISE_VANTAGE_TOKEN"  # noqa: S105  a name, no secret
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def vantage(
    join: Annotated[str, typer.Option(metavar="URL", help="The controller, such as https://equipoise:9602.")] = "",
    token_file: Annotated[
        Path | None, typer.Option(help=f"File with the token. Without it: the environment's {TOKEN_VARIABLE}.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="PEM file to trust the controller by.")] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="What may be probed from here: network, address or host. May be repeated.")
    ] = None,
    hashed: Annotated[bool, typer.Option("--hash", help="Print the token's SHA-256, for probes.vantages.")] = False,
) -> None:
    """Probe for a controller from here, until SIGTERM or Ctrl-C. It counts what we see as one vantage of its quorum."""
    token = _token(token_file)
    if hashed:
        import hashlib

        typer.echo(hashlib.sha256(token.encode()).hexdigest())
        return
    url = urlsplit(join)
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
        _fail(f"--join {join!r}: must be an https URL; http would show the token to the network")
    try:
        asyncio.run(_run(join, token, tuple(allow or ()), ca_file))
    except (OSError, RuntimeError) as error:
        _fail(str(error))


async def _run(url: str, token: str, allow: tuple[str, ...], ca_file: Path | None) -> None:
    import signal
    import ssl

    from health.destinations import Destinations
    from health.vantage import Rejected, Vantage

    tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    running = asyncio.create_task(Vantage(url, token, Destinations.of(allow), tls).run())
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        return
    except Rejected as rejected:
        raise RuntimeError(str(rejected)) from None


def _token(file: Path | None) -> str:
    import os

    if file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            _fail(f"--token-file: {error}")
    else:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if len(token) < 16:
        _fail(
            f"no token of 16 characters or more in --token-file or {TOKEN_VARIABLE}; `openssl rand -hex 32` makes one"
        )
    return token


def _fail(words: str) -> Any:
    typer.echo(words, err=True)
    raise typer.Exit(1)
