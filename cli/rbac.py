"""`equipoise rbac`: the rights that an origin needs in its cluster, or that setting least replicas there needs."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.documents import Output

if TYPE_CHECKING:
    from config.configuration import Configuration
    from connectors.kubernetes.rbac import Granted


def rbac(
    name: Annotated[str, typer.Argument(help="The Origin whose mesh is behind a Kubernetes API server.")],
    files: Annotated[list[Path], typer.Option("--file", "-f", help="Documents: files or folders.")],
    floors: Annotated[
        bool, typer.Option("--floors", help="NAME is a Cluster, or `karmada`: the rights to set least replicas there.")
    ] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="table: YAML for kubectl apply. json: a List.")
    ] = Output.TABLE,
) -> None:
    """Print the least rights of a connector in its cluster, and the policy that enforces the fence.

    `equipoise rbac ORIGIN -f FOLDER | kubectl apply --server-side -f -`, as somebody who may grant them.
    """
    from config.load import load
    from config.problem import Invalid

    try:
        documents = load(*files)
    except Invalid as invalid:
        typer.echo(str(invalid), err=True)
        raise typer.Exit(1) from None
    granted = _floors(documents) if floors else _meshes(documents)
    if name not in granted:
        what = (
            "Cluster {!r} with spec.workloads" if floors else "Origin {!r} with a mesh behind a Kubernetes API server"
        )
        there = ", ".join(sorted(granted)) or "none"
        typer.echo(f"no {what.format(name)}; there are {there}", err=True)
        raise typer.Exit(1)
    manifests = [manifest for _, manifest in granted[name]]
    if output is Output.JSON:
        typer.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}, indent=2))
        return
    typer.echo("---\n".join(_yaml(manifest) for manifest in manifests), nl=False)


def _meshes(documents: "Configuration") -> "dict[str, tuple[Granted, ...]]":
    """The rights of each origin."""
    from connectors.kubernetes.rbac import rights
    from scheduler.kubernetes import kubernetes_meshes

    return {str(name): rights(mesh.spec, mesh.dialect) for name, mesh in kubernetes_meshes(documents).items()}


def _floors(documents: "Configuration") -> "dict[str, tuple[Granted, ...]]":
    """The rights to set least replicas, by cluster; with an account of its own beside that of the mesh."""
    from connectors.kubernetes.rbac import SERVICE_ACCOUNT, floor_rights
    from scheduler.floor_reach import floor_reaches

    found: dict[str, tuple[Granted, ...]] = {}
    for owner, reach in floor_reaches(documents).items():
        namespace = min(kept.namespace for kept in reach.spec.kept.values())
        account = f"equipoise-{owner}-replicas"
        blank = SERVICE_ACCOUNT.blank(namespace, account)
        found[str(owner)] = ((SERVICE_ACCOUNT, blank), *floor_rights(reach.spec, account, namespace))
    return found


def _yaml(manifest: dict[str, object]) -> str:
    import io

    from ruamel.yaml import YAML

    writer, text = YAML(typ="safe", pure=True), io.StringIO()
    writer.default_flow_style = False
    writer.width = 4_096
    writer.sort_base_mapping_type_on_output = None
    writer.dump(manifest, text)
    return text.getvalue()
