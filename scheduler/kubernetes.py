"""From documents to meshes behind API servers: spec, dialect, and how each API server is reached."""

from dataclasses import dataclass
from pathlib import Path

from config.configuration import Configuration as Documents
from config.distances import region_of
from config.kubernetes import GatewayMesh, KubernetesMesh
from config.origin import Origin
from connectors.drift import OnDrift
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.connector import KubernetesConnector
from connectors.kubernetes.consul import Consul, Way
from connectors.kubernetes.dialect import Dialect, Naming
from connectors.kubernetes.gateway import GROUP, GatewayApi, Parent, linkerd
from connectors.kubernetes.istio import FINE, IstioLocality, IstioSubsets
from connectors.kubernetes.kubeconfig import Access, from_kubeconfig, from_pod
from connectors.kubernetes.kuma import Kuma
from connectors.kubernetes.spec import KubernetesSpec, Ownership, Place
from placement.fleet import ClusterId, OriginId, ServiceId

ISTIO_UNIT = 100


@dataclass(frozen=True, slots=True)
class Reach:
    """Where an API server is said to be."""

    kubeconfig: str | None
    context: str

    def access(self) -> Access:
        """Raises BadKubeconfig."""
        return from_kubeconfig(Path(self.kubeconfig), self.context) if self.kubeconfig else from_pod()


@dataclass(frozen=True, slots=True)
class Reached:
    """The mesh of one origin, and the way to it."""

    spec: KubernetesSpec
    dialect: Dialect
    reach: Reach

    def connector(self, api: KubernetesApi | None = None) -> KubernetesConnector:
        """A connector; without `api` over connections of its own."""
        return KubernetesConnector(self.spec, api or KubernetesApi(self.spec.origin, self.reach.access), self.dialect)


def kubernetes_meshes(documents: Documents) -> dict[OriginId, Reached]:
    """The mesh of every origin whose weights go to an API server."""
    return {
        OriginId(o.name): Reached(
            _spec(documents, o, o.spec.mesh.kubernetes),
            _dialect(documents, o, o.spec.mesh.kubernetes),
            Reach(o.spec.mesh.kubernetes.kubeconfig, o.spec.mesh.kubernetes.context or ""),
        )
        for o in documents.origins
        if o.spec.mesh and o.spec.mesh.kubernetes
    }


def _spec(documents: Documents, origin: Origin, mesh: KubernetesMesh) -> KubernetesSpec:
    places = {ServiceId(s.name): _place(mesh, s.name) for s in documents.services}
    return KubernetesSpec(
        origin=OriginId(origin.name),
        namespace=mesh.namespace,
        places=places,
        clusters={ClusterId(c.name): mesh.clusters.get(c.name, c.name) for c in documents.clusters},
        home=ClusterId(origin.spec.cluster) if origin.spec.cluster else None,
        ownership=Ownership(mesh.ownership),
        on_drift=OnDrift(mesh.on_drift),
        force=mesh.on_conflict == "force",
        patience_s=mesh.patience_seconds,
        regions={ClusterId(c.name): c.spec.region for c in documents.clusters},
    )


def _place(mesh: KubernetesMesh, service: str) -> Place:
    own = mesh.services.get(service)
    if own is None:
        return Place(ServiceId(service), mesh.namespace, service, mesh.port)
    name = own.name or service
    return Place(ServiceId(service), own.namespace or mesh.namespace, name, own.port or mesh.port, own.route or "")


def _dialect(documents: Documents, origin: Origin, mesh: KubernetesMesh) -> Dialect:
    if mesh.istio:
        if mesh.istio.form == "locality":
            return IstioLocality(region_of(origin, documents.cluster_by_name()))
        return IstioSubsets(FINE if mesh.istio.fine_weights else ISTIO_UNIT, mesh.istio.gateways)
    if mesh.linkerd:
        return linkerd(mesh.port, mesh.linkerd.mirrors)
    if mesh.kuma:
        return Kuma(
            mesh.kuma.mesh,
            mesh.kuma.system_namespace,
            mesh.kuma.target == "MeshMultiZoneService",
            control_plane=mesh.kuma.control_plane or "",
            dataplane=mesh.kuma.dataplane or "",
        )
    if mesh.consul:
        return Consul(Way(mesh.consul.reach), Naming(mesh.consul.names, "{service}"))
    assert mesh.gateway is not None, "a mesh is of one kind"
    return _gateway(mesh.gateway)


def _gateway(mesh: GatewayMesh) -> GatewayApi:
    parents = tuple(
        Parent(
            parent.name,
            parent.kind,
            GROUP if parent.kind == "Gateway" else "",
            parent.namespace or "",
            parent.section or "",
            parent.port,
        )
        for parent in mesh.parents
    )
    return GatewayApi(parents, mesh.route == "grpc", mesh.backend, Naming(mesh.names), mesh.hostnames)
