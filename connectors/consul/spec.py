"""What one origin's Consul must be known by: its API, and where each cluster is from there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from connectors.http import Access
from placement.fleet import ClusterId, OriginId, ServiceId


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cluster is, seen from this Consul: another datacenter, a peer, or, with neither, here."""

    datacenter: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class ConsulSpec:
    """The address book of one Consul. A leg of a split is a virtual service of ours, `<service>-<cluster>`."""

    origin: OriginId
    access: Access
    """Its API; the token goes into a secret header `X-Consul-Token`."""
    clusters: Mapping[ServiceId, frozenset[ClusterId]]
    """Where each service runs."""
    places: Mapping[ClusterId, Place]
    protocol: Literal["http", "http2", "grpc"] = "http"
    """Of services that have no service-defaults yet."""
    names: Mapping[ServiceId, str] = field(default_factory=dict)
    """How Consul calls a service, where that differs."""

    def name(self, service: ServiceId) -> str:
        """How Consul calls a service."""
        return self.names.get(service, service)

    def leg(self, service: ServiceId, cluster: ClusterId) -> str:
        """How it calls a service in one cluster."""
        return f"{self.name(service)}-{cluster}"
