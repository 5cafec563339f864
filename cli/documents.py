"""`equipoise validate`, `schema` and `bootstrap`: configuration documents, and what follows from them."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders; together they are one configuration.")],
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")] = Output.TABLE,
) -> None:
    """Check configuration documents and print every problem with its file, line and column.

    Exit code 0: the configuration can be used. 1: it cannot.
    """
    from config.load import load
    from config.problem import Invalid

    try:
        configuration = load(*paths)
    except Invalid as invalid:
        if output is Output.JSON:
            typer.echo(json.dumps({"ok": False, "problems": [asdict(problem) for problem in invalid.problems]}))
        for problem in invalid.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(1) from None
    if output is Output.JSON:
        typer.echo(json.dumps({"ok": True, "problems": [], "summary": str(configuration)}))
    else:
        typer.echo(f"ok: {configuration}")


def schema() -> None:
    """Print the JSON Schema of the configuration documents."""
    from config.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


class Proxy(StrEnum):
    """What takes its configuration from us."""

    ENVOY = "envoy"
    GRPC = "grpc"


def bootstrap(
    origin: Annotated[str, typer.Argument(help="The Origin whose proxies are to be configured.")],
    files: Annotated[list[Path], typer.Option("--file", "-f", help="Documents: files or folders.")],
    proxy: Annotated[Proxy, typer.Option(help="An Envoy, or gRPC clients without a proxy.")] = Proxy.ENVOY,
    admin_port: Annotated[int, typer.Option(help="Where the Envoy's own admin page listens, on loopback.")] = 9901,
) -> None:
    """Print the configuration that connects an origin's proxies to this controller.

    Envoy: `envoy -c FILE`. gRPC: the file that GRPC_XDS_BOOTSTRAP names. HAProxy, where the Origin has one: `haproxy
    -f FILE`. NGINX: the file that nginx.conf includes. An Envoy by files: `envoy -c FILE`.
    """
    from config.load import load
    from config.problem import Invalid
    from connectors.haproxy.configuration import configuration
    from scheduler.bootstraps import text_of, xds_body
    from scheduler.translate import haproxy_specs

    try:
        documents = load(*files)
    except Invalid as invalid:
        typer.echo(str(invalid), err=True)
        raise typer.Exit(1) from None
    steered = {str(name): spec for name, spec in haproxy_specs(documents).items()}
    if origin in steered:
        typer.echo(configuration(steered[origin]), nl=False)
        return
    other = text_of(documents, origin)
    if other:
        typer.echo(other, nl=False)
        return
    body = xds_body(documents, origin, admin_port if proxy is Proxy.ENVOY else None)
    if body is None:
        meshes = ", ".join(o.name for o in documents.origins if o.spec.mesh)
        typer.echo(f"no Origin {origin!r} with a mesh; there are {meshes or 'none'}", err=True)
        raise typer.Exit(1)
    typer.echo(json.dumps(body, indent=2))
