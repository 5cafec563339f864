"""`equipoise init` and `equipoise completion`: the first steps."""

# ruff: noqa: PLC0415  each verb imports what it needs and no more, so that --help is quick

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.loop import _fail

if TYPE_CHECKING:
    from config.draft import DraftCluster

SHELLS = ("bash", "zsh", "fish")


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write the documents; made if it is not there.")],
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="Read clusters from its contexts instead of asking.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option("--context", help="Only these contexts; may be said several times.")
    ] = None,
) -> None:
    """Write first documents: by asking, or from the nodes of every cluster of a kubeconfig. Nothing is overwritten."""
    from config.draft import drafts
    from config.load import load

    try:
        found = asyncio.run(_read(kubeconfig, context or [])) if kubeconfig else _asked()
        written = drafts(found)
    except ValueError as error:
        _fail(str(error))
        raise
    taken = [name for name in written if (folder / name).exists()]
    if taken:
        _fail(f"{folder} has {', '.join(taken)} already; nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    load(folder)
    typer.echo(f"wrote {', '.join(written)} to {folder}: {len(found)} clusters")
    typer.echo(f"Next: put in what was guessed, then\n  equipoise validate {folder}\n  equipoise plan -f {folder}")
    typer.echo(f"  equipoise doctor {folder}\n  equipoise serve -f {folder}")


def completion(shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]) -> None:
    """Print the completion script of a shell: `source <(equipoise completion bash)`."""
    from typer._completion_shared import get_completion_script

    if shell not in SHELLS:
        _fail(f"{shell}: it is {', '.join(SHELLS)}")
    typer.echo(get_completion_script(prog_name="equipoise", complete_var="_EQUIPOISE_COMPLETE", shell=shell))


def _asked() -> "list[DraftCluster]":
    """One cluster after another, until there are no more."""
    from config.draft import DraftCluster, DraftPool, jurisdiction_of

    found: list[DraftCluster] = []
    while not found or typer.confirm("Another cluster?", default=len(found) < 2):
        name = typer.prompt("Name of the cluster", default=f"cluster-{len(found) + 1}")
        provider = typer.prompt("Provider (aws, gcp, azure, metal, ...)", default="aws")
        region = typer.prompt("Region, as the provider calls it", default="eu-central-1")
        node_type = typer.prompt("Node type", default="m6i.xlarge")
        nodes = typer.prompt("How many nodes", default=3, type=int)
        vcpu = typer.prompt("vCPUs of a node", default=4.0, type=float)
        memory_gib = typer.prompt("Memory of a node in GiB", default=16.0, type=float)
        pool = DraftPool(node_type, nodes, vcpu, memory_gib)
        found.append(DraftCluster(name, provider, region, jurisdiction_of(region), (pool,)))
    return found


async def _read(path: Path, wanted: list[str]) -> "list[DraftCluster]":
    """Every context's nodes. ValueError with the words of whoever did not answer."""
    from connectors.connector import Refused, Unavailable
    from connectors.kubernetes.kubeconfig import BadKubeconfig
    from scheduler.nodes import contexts, draft_of

    try:
        names = wanted or contexts(path)
        return [await draft_of(path, name) for name in names]
    except (Unavailable, Refused, BadKubeconfig) as no:
        raise ValueError(str(no)) from no
