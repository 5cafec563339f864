import json
from pathlib import Path

import pytest

from config.draft import DraftCluster, DraftPool, drafts, jurisdiction_of
from config.load import load
from connectors.kubernetes.kubeconfig import BadKubeconfig
from connectors.kubernetes.resource import Manifest
from scheduler.nodes import NODE, cluster_of, contexts, draft_of, quantity
from tests.kubernetes.clusters import cluster


def node(name: str, node_type: str, cpu: str = "3920m", cordoned: bool = False, **more: str) -> Manifest:
    labels = {"topology.kubernetes.io/region": "eu-west-1", "node.kubernetes.io/instance-type": node_type}
    spec = {"providerID": f"aws:///eu-west-1a/{name}", **({"unschedulable": True} if cordoned else {})}
    allocatable = {"cpu": cpu, "memory": "15Gi", **more}
    manifest = NODE.blank("", name, spec=spec, status={"allocatable": allocatable})
    manifest["metadata"]["labels"] = labels
    return manifest


NODES = [node("a", "m6i.xlarge"), node("b", "m6i.xlarge", "3900m"), node("c", "g6.xlarge", **{"nvidia.com/gpu": "1"}),
         node("d", "m6i.xlarge", cordoned=True)]  # fmt: skip
SEEN = DraftCluster("prod-eu", "aws", "eu-west-1", "EU",
                    (DraftPool("g6.xlarge", 1, 3.92, 15.0, 1), DraftPool("m6i.xlarge", 2, 3.9, 15.0)))  # fmt: skip


def test_cluster_of_nodes_has_a_pool_for_each_type_without_what_is_cordoned() -> None:
    assert cluster_of("arn:aws:eks:eu-west-1:1:cluster/Prod_EU", NODES) == SEEN


async def test_draft_of_a_context_is_read_from_its_api_server(tmp_path: Path) -> None:
    async with cluster() as server:
        if server.stand_in is None:
            pytest.skip("a real server has nodes of its own")
        for manifest in NODES:
            await server.admin.create(manifest, NODE)
        access = server.admin_access
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "prod-eu",
            "contexts": [{"name": "prod-eu", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server.stand_in.url}}],
            "users": [{"name": "u", "user": {"token": access.token}}],
        }  # fmt: skip
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))

        assert contexts(path) == ["prod-eu"]
        assert await draft_of(path, "prod-eu") == SEEN


def test_drafts_of_two_clusters_are_documents_that_load(tmp_path: Path) -> None:
    other = DraftCluster("metal", "metal", "hall-2", "any", (DraftPool("box", 4, 16.0, 64.0),))
    for name, text in drafts([SEEN, other]).items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    loaded = load(tmp_path)

    assert {c.name for c in loaded.clusters} == {"prod-eu", "metal"}
    assert {o.name for o in loaded.origins} == {"prod-eu", "metal"}


@pytest.mark.parametrize("wrong", [[], [SEEN, SEEN]])
def test_drafts_of_no_fleet_or_of_one_name_twice_are_refused(wrong: list[DraftCluster]) -> None:
    with pytest.raises(ValueError, match="name of its own"):
        drafts(wrong)


@pytest.mark.parametrize(
    ("said", "value"), [("250m", 0.25), ("4", 4.0), ("1Gi", 2**30), ("1.5k", 1_500.0), ("lots", 0.0), (None, 0.0)]
)
def test_quantity_is_read_in_its_unit(said: object, value: float) -> None:
    assert quantity(said) == value


@pytest.mark.parametrize(
    ("region", "where"), [("us-east-1", "US"), ("westeurope", "EU"), ("europe-west4", "EU"), ("hall-2", "any")]
)
def test_jurisdiction_is_guessed_from_the_name_of_a_region(region: str, where: str) -> None:
    assert jurisdiction_of(region) == where


@pytest.mark.parametrize("text", ["", "[]", "contexts: {", "contexts: []"])
def test_contexts_of_what_is_no_kubeconfig_are_refused_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)

    with pytest.raises(BadKubeconfig, match="kubeconfig"):
        contexts(path)
