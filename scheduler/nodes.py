"""Clusters as their own API servers describe them: nodes by instance type, where they are, and what they hold."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from config.draft import DraftCluster, DraftPool, jurisdiction_of
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.kubeconfig import BadKubeconfig, from_kubeconfig
from connectors.kubernetes.resource import Manifest, Resource, mapping, text

NODE = Resource("", "v1", "nodes", "Node", namespaced=False)
REGION, TYPE = "topology.kubernetes.io/region", "node.kubernetes.io/instance-type"
GPUS = ("nvidia.com/gpu", "amd.com/gpu")
QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Z]*)")
UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30,
         "Ti": 2.0**40}  # fmt: skip
"""kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity."""


def contexts(path: Path) -> list[str]:
    """The names of the contexts of a kubeconfig. Raises BadKubeconfig."""
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise BadKubeconfig(f"{path}: {error}") from None
    listed = document.get("contexts") if isinstance(document, dict) else None
    names = [str(entry["name"]) for entry in listed or [] if isinstance(entry, dict) and entry.get("name")]
    if not names:
        raise BadKubeconfig(f"{path}: it has no contexts")
    return names


async def draft_of(path: Path, context: str) -> DraftCluster:
    """The cluster of a context. Raises Unavailable, Refused or BadKubeconfig."""
    api = KubernetesApi(context, lambda: from_kubeconfig(path, context))
    try:
        nodes, _ = await api.listed(NODE)
    finally:
        await api.close()
    return cluster_of(context, nodes)


def cluster_of(context: str, nodes: list[Manifest]) -> DraftCluster:
    """What its nodes say of a cluster. A node that is cordoned counts for nothing."""
    open_nodes = [node for node in nodes if not mapping(node, "spec").get("unschedulable")]
    regions = Counter(text(node, "metadata", "labels", REGION) for node in open_nodes)
    region = next((name for name, _ in regions.most_common() if name), "unknown")
    by_type: dict[str, list[Manifest]] = {}
    for node in open_nodes:
        by_type.setdefault(text(node, "metadata", "labels", TYPE) or "unknown", []).append(node)
    pools = tuple(_pool(node_type, of_type) for node_type, of_type in sorted(by_type.items()))
    name = (
        re.sub(r"[^a-z0-9-]+", "-", context.lower().rpartition("/")[2].rpartition("@")[2]).strip("-")[:60] or "cluster"
    )
    provider = next((_provider(node) for node in open_nodes if _provider(node)), "metal")
    return DraftCluster(name, provider, region, jurisdiction_of(region), pools or (DraftPool("unknown", 1, 1.0, 1.0),))


def quantity(value: object) -> float:
    """A Kubernetes quantity as a number; 0 for what is none."""
    said = QUANTITY.fullmatch(str(value))
    return float(said[1]) * UNITS.get(said[2], 0.0) if said else 0.0


def _pool(node_type: str, nodes: list[Manifest]) -> DraftPool:
    """The smallest of the nodes speaks for all."""
    holds: list[Mapping[str, Any]] = [mapping(node, "status", "allocatable") for node in nodes]
    return DraftPool(
        node_type,
        len(nodes),
        round(min(quantity(held.get("cpu")) for held in holds), 2),
        round(min(quantity(held.get("memory")) for held in holds) / 2**30, 1),
        int(min(sum(quantity(held.get(gpu)) for gpu in GPUS) for held in holds)),
    )


def _provider(node: Manifest) -> str:
    scheme = text(node, "spec", "providerID").partition(":")[0]
    return {"gce": "gcp"}.get(scheme, scheme)
