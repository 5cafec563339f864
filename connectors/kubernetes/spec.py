"""What one origin's mesh behind an API server must be known by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connectors.connector import Refused
from connectors.drift import OnDrift
from placement.fleet import ClusterId, OriginId, ServiceId


class Ownership(StrEnum):
    """Whose the objects are that hold the weights."""

    OWN = "own"
    """Ours: made and kept by server-side apply under our field manager."""
    PATCH = "patch"
    """Somebody else's: only the weights are changed, by a JSON Patch that tests what it replaces."""


@dataclass(frozen=True, slots=True)
class Place:
    """A service as the mesh calls it."""

    service: ServiceId
    namespace: str
    name: str
    port: int | None = None
    route: str = ""
    """The object that holds its weights; empty for one called like the service."""

    @property
    def route_name(self) -> str:
        """The name of the object that holds its weights."""
        return self.route or self.name

    @property
    def host(self) -> str:
        """`storefront.shop.svc.cluster.local`."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class KubernetesSpec:
    """One origin's mesh. Names that the mesh does not share with the fleet are mapped."""

    origin: OriginId
    namespace: str
    """Where the ConfigMap with the fence lives."""
    places: Mapping[ServiceId, Place]
    clusters: Mapping[ClusterId, str]
    """What the mesh calls each cluster that may be given weight: a cluster id, a zone, a suffix."""
    home: ClusterId | None = None
    """The cluster that the API server is of."""
    ownership: Ownership = Ownership.OWN
    on_drift: OnDrift = OnDrift.REVERT
    force: bool = False
    """Take fields over from other managers, who will take them back: only while a mesh is being handed over."""
    patience_s: float = 1.0
    """How long a write waits for the mesh's own word; after that `accepted` is not known yet."""
    regions: Mapping[ClusterId, str] = field(default_factory=dict)
    """Where each cluster is, for meshes that weight localities."""

    @property
    def fence_name(self) -> str:
        """The ConfigMap that holds (epoch, version)."""
        return f"equipoise-{self.origin}"

    def named(self, service: str, cluster: str) -> str:
        """What the mesh calls a cluster. Refused where it has no name for it."""
        try:
            return self.clusters[ClusterId(cluster)]
        except KeyError:
            known = ", ".join(sorted(self.clusters)) or "none"
            raise Refused(
                f"{self.origin}: {service} cannot be sent to cluster {cluster}, of which this mesh has no name; "
                f"it knows {known}"
            ) from None

    def cluster_of(self, name: str) -> str:
        """The cluster that the mesh calls so; the name itself, marked, where it is none of ours."""
        return next((str(cluster) for cluster, called in self.clusters.items() if called == name), f"?{name}")
