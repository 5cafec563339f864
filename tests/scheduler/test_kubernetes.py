"""Documents choose meshes behind API servers, and the controller really reaches them."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.configuration import Configuration
from config.load import load
from connectors.drift import OnDrift
from connectors.kubernetes.connector import KubernetesConnector
from connectors.kubernetes.consul import Consul
from connectors.kubernetes.gateway import GatewayApi
from connectors.kubernetes.istio import IstioSubsets
from connectors.kubernetes.kuma import Kuma
from connectors.kubernetes.rbac import rights
from connectors.kubernetes.spec import Ownership, Place
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import table_of
from scheduler.kubernetes import Reach, kubernetes_meshes
from scheduler.serve import real_edges
from tests.kubernetes.clusters import cluster
from tests.kubernetes.definitions import definitions_of

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLE = [CONFIG / "example" / f"{name}.yaml" for name in ("clusters", "services", "prices", "latency", "policy")]
CENTRAL = OriginId("eu-central")
KUBECONFIG = """
current-context: eu-central
contexts: [{name: eu-central, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "URL"}}]
users: [{name: u, user: {tokenFile: TOKEN}}]
"""


@pytest.fixture
def documents() -> Configuration:
    """The example with a mesh of every kind behind an API server, and without the certificates that it names."""
    read = load(*EXAMPLE, CONFIG / "meshes" / "kubernetes.yaml")
    server = read.policy.server.model_copy(update={"xds_tls": None})
    return replace(read, policy=read.policy.model_copy(update={"server": server}))


def test_documents_choose_dialect_names_and_reach(documents: Configuration) -> None:
    meshes = kubernetes_meshes(documents)

    kinds = {str(name): type(mesh.dialect) for name, mesh in meshes.items()}
    assert kinds == {
        "eu-central": IstioSubsets,
        "eu-west": Consul,
        "nordics": GatewayApi,
        "nordics-zone": Kuma,
        "us-east": GatewayApi,
    }
    spec = meshes[CENTRAL].spec
    assert spec.places[ServiceId("assistant")] == Place(
        ServiceId("assistant"), "models", "assistant-v2", 9_000, "assistant"
    )
    assert spec.places[ServiceId("storefront")].host == "storefront.shop.svc.cluster.local"
    assert spec.clusters[ClusterId("us-east")] == "prod-us"
    assert (spec.ownership, spec.on_drift, spec.force, spec.home) == (
        Ownership.OWN,
        OnDrift.REVERT,
        False,
        "eu-central",
    )
    assert meshes[CENTRAL].reach == Reach("/etc/equipoise/eu-central.kubeconfig", "eu-central")


async def test_controller_writes_where_the_documents_say_and_keeps_connections_over_a_reload(
    documents: Configuration, tmp_path: Path
) -> None:
    async with cluster() as given:
        if given.stand_in is None:
            pytest.skip("the kubeconfig of this test is for the stand-in")
        await given.install(definitions_of("networking.istio.io"))
        (tmp_path / "token").write_text(given.admin_access.token)
        path = tmp_path / "kubeconfig"
        path.write_text(KUBECONFIG.replace("URL", given.admin_access.server).replace("TOKEN", "token"))
        here = [at(o, path, given.namespace) if o.name == CENTRAL else o for o in documents.origins]
        edges = real_edges(documents)
        edges.apply(replace(documents, origins=tuple(here)))
        mesh = edges.connectors[CENTRAL]
        assert isinstance(mesh, KubernetesConnector)
        await given.grant(rights(mesh.spec, mesh.dialect)[:1])
        table = table_of(CENTRAL, 100, {"storefront": {"eu-central": (70, 0), "us-east": (30, 0)}}, (1, 1))

        assert (await mesh.write(table)).accepted

        edges.apply(replace(documents, origins=tuple(here)))
        again = edges.connectors[CENTRAL]
        assert isinstance(again, KubernetesConnector)
        assert again.api is mesh.api
        read = await again.read()
        assert read is not None
        assert read.content() == table.content()
        edges.apply(documents)
        assert edges.connectors[CENTRAL].api is not mesh.api  # type: ignore[attr-defined]
        await edges.hang_up()
        edges.close()


def at(origin: object, path: Path, namespace: str) -> object:
    """The origin with its API server and namespace there."""
    spec = origin.spec  # type: ignore[attr-defined]
    ruled = spec.mesh.kubernetes.model_copy(update={"kubeconfig": str(path), "namespace": namespace})
    mesh = spec.mesh.model_copy(update={"kubernetes": ruled})
    changed = spec.model_copy(update={"mesh": mesh})
    return origin.model_copy(update={"spec": changed})  # type: ignore[attr-defined]
