"""From documents to what keeps replicas: which objects, behind which API servers."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.configuration import Configuration as Documents
from config.floors import Karmada, Workloads
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.floors import FloorSpec, KubernetesFloors
from connectors.kubernetes.workload import Keeper, Kept
from placement.fleet import ClusterId, OriginId, ServiceId
from scheduler.kubernetes import Reach

KARMADA = OriginId("karmada")
"""What the floors behind a Karmada are called; a cluster's are called as it is."""


@dataclass(frozen=True, slots=True)
class FloorReach:
    """What is kept behind one API server, and the way to it. Equal ones make equal connectors."""

    spec: FloorSpec
    reach: Reach

    def connector(self) -> KubernetesFloors:
        """Over connections of its own; close its `api` in the end."""
        return KubernetesFloors(self.spec, KubernetesApi(f"{self.spec.owner} floors", self.reach.access))

    def shown(self, service: ServiceId) -> str:
        """`HorizontalPodAutoscaler shop/storefront`."""
        kept = self.spec.kept[service]
        return f"{kept.keeper.resource.kind} {kept.namespace}/{kept.name}"


def floor_reaches(documents: Documents) -> dict[OriginId, FloorReach]:
    """By owner: the cluster whose API server it is, or KARMADA."""
    found = {
        OriginId(cluster.name): _cluster(cluster.name, cluster.spec.workloads)
        for cluster in documents.clusters
        if cluster.spec.workloads
    }
    karmada = documents.policy.placement.floors.karmada
    return found | ({KARMADA: _karmada(karmada)} if karmada else {})


def _cluster(name: str, workloads: Workloads) -> FloorReach:
    kept = {
        ServiceId(service): Kept(
            ServiceId(service), kept.namespace or workloads.namespace, kept.name or service, Keeper(kept.keeper),
            kept.deployment or "",
        )
        for service, kept in workloads.services.items()
    }  # fmt: skip
    home = ClusterId(name)
    return FloorReach(FloorSpec(OriginId(name), home, kept, {}), Reach(workloads.kubeconfig, workloads.context or ""))


def _karmada(karmada: Karmada) -> FloorReach:
    names: Mapping[ClusterId, str] = {ClusterId(cluster): called for cluster, called in karmada.clusters.items()}
    kept = {
        ServiceId(s): Kept(ServiceId(s), k.namespace or karmada.namespace, k.name or s, Keeper.KARMADA)
        for s, k in karmada.services.items()
    }
    # The hub runs no replicas: its name is one that no cluster can have.
    return FloorReach(FloorSpec(KARMADA, ClusterId(""), kept, names), Reach(karmada.kubeconfig, karmada.context or ""))
