"""Each mesh behind a Kubernetes API server under the contract suite: the stand-in, or a real server where one is named.

The connector logs in as a service account with the rights that `equipoise rbac` prints and no others, and the policy of
the fence is installed, so what passes here passes with them.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from connectors.kubernetes.answers import Invalid
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.connector import KubernetesConnector
from connectors.kubernetes.consul import Consul
from connectors.kubernetes.dialect import Dialect, Naming
from connectors.kubernetes.gateway import GatewayApi, Parent, linkerd
from connectors.kubernetes.istio import IstioLocality, IstioSubsets
from connectors.kubernetes.kuma import Kuma
from connectors.kubernetes.marks import fence_marks
from connectors.kubernetes.rbac import rights
from connectors.kubernetes.resource import Manifest, Resource, text
from connectors.kubernetes.spec import KubernetesSpec, Place
from connectors.kubernetes.split import Split
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import WeightTable
from tests.contract.backends import HttpBackend
from tests.contract.harness import CLUSTERS, ORIGIN, SERVICE, Harness, OpenHarness, eventually, table
from tests.kubernetes import clusters
from tests.kubernetes.clusters import Cluster, cluster
from tests.kubernetes.definitions import definitions_of
from tests.kubernetes.mesh import StandInMesh

BROKEN = "broken"
"""A cluster that the mesh has a name of, but no service."""
NOWHERE = "nowhere"
"""One that it has no name of."""
PORT = 8080
POOLS = "{service}-pool-{cluster}"


@dataclass(frozen=True)
class Flavour:
    """One kind of mesh as it is tested."""

    dialect: Callable[[str], Dialect]
    """By the namespace of the test."""
    groups: tuple[str, ...]
    """Whose CRDs it needs."""
    home: str = ""
    says_no: bool = True
    """Whether its controller objects to a service that is not there."""
    pools: bool = False
    """Whether its back ends are InferencePools."""


GATEWAY = "gateway.networking.k8s.io"
FLAVOURS = {
    "consul-kubernetes": Flavour(lambda _: Consul(), ("consul.hashicorp.com",), "east"),
    "gateway-grpc": Flavour(lambda _: GatewayApi((Parent("shared"),), grpc=True), (GATEWAY,)),
    "gateway-inference": Flavour(
        lambda _: GatewayApi((Parent("shared"),), backend=clusters.POOL.kind, naming=Naming(POOLS)),
        (GATEWAY, clusters.POOL.group), pools=True,
    ),
    "gateway-http": Flavour(lambda _: GatewayApi((Parent("shared", section="http"),)), (GATEWAY,)),
    "istio-locality": Flavour(lambda _: IstioLocality("eu"), ("networking.istio.io",), says_no=False),
    "istio-subsets": Flavour(lambda _: IstioSubsets(), ("networking.istio.io",), says_no=False),
    "kuma-kubernetes": Flavour(lambda namespace: Kuma(system_namespace=namespace), ("kuma.io",), says_no=False),
    "linkerd": Flavour(lambda _: linkerd(PORT), (GATEWAY, "linkerd.io"), "east"),
}  # fmt: skip


class KubernetesHarness:
    """One mesh, one connector, one API server."""

    def __init__(self, flavour: Flavour, given: Cluster, spec: KubernetesSpec, dialect: Dialect) -> None:
        self.flavour, self.cluster, self.spec, self.dialect = flavour, given, spec, dialect
        self.backends = {name: HttpBackend(name) for name in CLUSTERS}
        self.mesh = StandInMesh(given, spec, dialect, self.backends)
        self.connector: KubernetesConnector

    async def send(self, service: str, requests: int) -> Counter[str]:
        """Through the stand-in for the data plane."""
        return await self.mesh.send(service, requests)

    async def kill(self, cluster: str) -> None:
        """Close its port and connections."""
        await self.backends[cluster].stop()

    async def revive(self, cluster: str) -> None:
        """Open its port again."""
        await self.backends[cluster].start()

    def refusable(self, given: WeightTable) -> WeightTable:
        """All to a cluster that is not there."""
        return table({BROKEN if self.flavour.says_no else NOWHERE: given.unit}, fence=given.fence)

    async def cut(self) -> None:
        """The connector reaches nobody; the mesh goes on."""
        self.cluster.reachable = False
        await self.connector.api.close()

    async def mend(self) -> None:
        """It does again."""
        self.cluster.reachable = True
        await self.connector.api.close()


def spec_of(namespace: str, home: str, services: tuple[str, ...] = (SERVICE,), **changes: Any) -> KubernetesSpec:
    """The services in CLUSTERS and in BROKEN."""
    names = (*CLUSTERS, BROKEN)
    places = [Place(ServiceId(service), namespace, service, PORT) for service in services]
    made = KubernetesSpec(
        origin=OriginId(ORIGIN), namespace=namespace, places={place.service: place for place in places},
        clusters={ClusterId(name): name for name in names}, home=ClusterId(home) if home else None, patience_s=5.0,
        regions={ClusterId(name): f"eu-{name}" for name in names},
    )  # fmt: skip
    return replace(made, **changes)


@contextlib.asynccontextmanager
async def kubernetes(
    name: str, services: tuple[str, ...] = (SERVICE,), kubeconfig: str = "", **changes: Any
) -> AsyncIterator[KubernetesHarness]:
    """A mesh of one flavour, with its controller running and nothing written yet."""
    flavour = FLAVOURS[name]
    async with cluster(kubeconfig) as given:
        dialect = flavour.dialect(given.namespace)
        spec = spec_of(given.namespace, flavour.home, services, **changes)
        harness = KubernetesHarness(flavour, given, spec, dialect)
        for group in flavour.groups:
            await given.install(definitions_of(group))
        for resource, manifest in _back_ends(flavour, given.namespace, services):
            await given.admin.create(manifest, resource)
        granted = rights(spec, dialect)
        await given.grant(granted)
        if given.stand_in is None:  # a real server needs a moment until a policy counts
            await eventually(lambda: _fenced(given, spec, dialect), "the policy of the fence counts")
        access = await given.access_as(f"equipoise-{ORIGIN}")
        harness.connector = KubernetesConnector(spec, KubernetesApi(ORIGIN, lambda: given.reached(access)), dialect)
        for backend in harness.backends.values():
            await backend.start()
        try:
            async with harness.mesh.running():
                yield harness
        finally:
            await given.revoke(granted)
            await harness.connector.api.close()
            for backend in harness.backends.values():
                await backend.stop()


async def _fenced(given: Cluster, spec: KubernetesSpec, dialect: Dialect) -> bool:
    """Whether an object of this mesh, made and taken away again, cannot go back to a lower fence."""
    place = next(iter(spec.places.values()))
    *_, (resource, manifest) = dialect.wanted(spec, place, Split({CLUSTERS[0]: dialect.limits.unit}))

    def fenced(*fence: int) -> Manifest:
        marks = {"name": "probe", "annotations": fence_marks((fence[0], fence[1]))}
        return manifest | {"metadata": manifest["metadata"] | marks}

    await given.admin.apply(fenced(9, 9), resource, force=True)
    try:
        await given.admin.apply(fenced(9, 8), resource, dry_run=True, force=True)
    except Invalid:
        await given.admin.delete(resource, text(manifest, "metadata", "namespace"), "probe")
        return True
    return False


def _back_ends(flavour: Flavour, namespace: str, services: tuple[str, ...]) -> Iterator[tuple[Resource, Manifest]]:
    """The Services, and one Service or pool of model servers for each cluster."""
    picker = {"name": "picker", "port": {"number": 9_002}}
    for service in services:
        body: dict[str, Any] = {"ports": [{"port": PORT}]}
        yield clusters.SERVICE, clusters.SERVICE.blank(namespace, service, spec=body)
        for known in CLUSTERS:
            if not flavour.pools:
                yield clusters.SERVICE, clusters.SERVICE.blank(namespace, f"{service}-{known}", spec=body)
                continue
            labels = {"matchLabels": {"app": service, "cluster": known}}
            pool = {"selector": labels, "targetPorts": [{"number": PORT}], "endpointPickerRef": picker}
            yield clusters.POOL, clusters.POOL.blank(namespace, f"{service}-pool-{known}", spec=pool)


def _opened(name: str) -> OpenHarness:
    @contextlib.asynccontextmanager
    async def opened(_: Path) -> AsyncIterator[Harness]:
        async with kubernetes(name) as harness:
            yield harness

    return opened


HARNESSES: dict[str, OpenHarness] = {name: _opened(name) for name in FLAVOURS}
