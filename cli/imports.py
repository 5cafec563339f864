"""`equipoise import`: what other systems have, as documents for those that take their place."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

# ruff: noqa: PLC0415  verbs import what they need when they run

app = typer.Typer(name="import", help="Read what another system has.", no_args_is_help=True)


class Target(StrEnum):
    """What takes the place of an App Mesh."""

    GATEWAY = "gateway"
    CONSUL = "consul"
    LATTICE = "lattice"


@app.callback()
def _verbs() -> None:
    """Read what another system has."""


@app.command()
def appmesh(
    file: Annotated[Path, typer.Argument(help="What `aws appmesh describe-*` printed: JSON.")],
    to: Annotated[Target, typer.Option(help="gateway, consul or lattice.")] = Target.GATEWAY,
    namespace: Annotated[str, typer.Option(help="Of the routes, for gateway.")] = "default",
    vpc: Annotated[str, typer.Option(help="Of the target groups, for lattice.")] = "vpc-REPLACE-ME",
) -> None:
    """Print what takes the place of an App Mesh, for review: nothing is applied.

    What has no place there is named on standard error. gateway: YAML for `kubectl apply -f`. consul: JSON, an entry a
    line, for `consul config write -`. lattice: a CloudFormation template.
    """
    from ruamel.yaml import YAML

    from connectors.appmesh.export import BadExport, export_of
    from connectors.appmesh.migration import TARGETS

    try:
        export = export_of(json.loads(file.read_text(encoding="utf-8")), str(file))
    except (OSError, ValueError, BadExport) as error:
        said = str(error) if isinstance(error, BadExport) else f"{file}: {error}"
        typer.echo(said, err=True)
        raise typer.Exit(1) from None
    for words in export.lost:
        typer.echo(f"not carried over: {words}", err=True)
    found = TARGETS[to](export, vpc if to is Target.LATTICE else namespace)
    if to is Target.GATEWAY:
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.dump_all(found, typer.get_text_stream("stdout"))
    else:
        typer.echo("\n".join(json.dumps(each, indent=None if to is Target.CONSUL else 2) for each in found))
