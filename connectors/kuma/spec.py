"""What one origin's Kuma must be known by: its API, and the zone of each cluster."""

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.http import Access
from placement.fleet import ClusterId, OriginId, ServiceId


@dataclass(frozen=True, slots=True)
class KumaSpec:
    """The address book of one Kuma control plane."""

    origin: OriginId
    access: Access
    """Its API; the user token goes into a secret header `Authorization: Bearer`."""
    mesh: str
    zones: Mapping[ClusterId, str]
    """The Kuma zone of each cluster."""
    clusters: Mapping[ServiceId, frozenset[ClusterId]]
    """Where each service runs."""
    port: int = 80
    """The port of every service in the mesh."""
    own_zone: str = ""
    """The zone of the proxies that these weights are for; empty for all of the mesh."""

    def route(self, service: ServiceId) -> str:
        """What our route of a service is called."""
        return f"equipoise-{self.origin}-{service}"
