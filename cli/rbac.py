"""`equipoise rbac`: the rights that an origin needs in its cluster."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.documents import Output


def rbac(
    origin: Annotated[str, typer.Argument(help="The Origin whose mesh is behind a Kubernetes API server.")],
    files: Annotated[list[Path], typer.Option("--file", "-f", help="Documents: files or folders.")],
    output: Annotated[
        Output, typer.Option("--output", "-o", help="table: YAML for kubectl apply. json: a List.")
    ] = Output.TABLE,
) -> None:
    """Print the least rights of a connector in its cluster, and the policy that enforces the fence.

    `equipoise rbac ORIGIN -f FOLDER | kubectl apply --server-side -f -`, as somebody who may grant them.
    """
    from config.load import load
    from config.problem import Invalid
    from connectors.kubernetes.rbac import rights
    from scheduler.kubernetes import kubernetes_meshes

    try:
        meshes = {str(name): mesh for name, mesh in kubernetes_meshes(load(*files)).items()}
    except Invalid as invalid:
        typer.echo(str(invalid), err=True)
        raise typer.Exit(1) from None
    if origin not in meshes:
        there = ", ".join(sorted(meshes)) or "none"
        typer.echo(f"no Origin {origin!r} with a mesh behind a Kubernetes API server; there are {there}", err=True)
        raise typer.Exit(1)
    manifests = [manifest for _, manifest in rights(meshes[origin].spec, meshes[origin].dialect)]
    if output is Output.JSON:
        typer.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}, indent=2))
        return
    typer.echo("---\n".join(_yaml(manifest) for manifest in manifests), nl=False)


def _yaml(manifest: dict[str, object]) -> str:
    import io

    from ruamel.yaml import YAML

    writer, text = YAML(typ="safe", pure=True), io.StringIO()
    writer.default_flow_style = False
    writer.width = 4_096
    writer.sort_base_mapping_type_on_output = None
    writer.dump(manifest, text)
    return text.getvalue()
