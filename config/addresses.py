"""What the edges need to know about addresses: where a mesh sends requests, and what a probe asks."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from config.configuration import Configuration
from placement.fleet import ClusterId, OriginId, ServiceId

BackendKey = tuple[ServiceId, ClusterId]


@dataclass(frozen=True, slots=True)
class ProbeQuestion:
    """What to ask the endpoints of a backend; the fields of the Service document's `probe`."""

    protocol: str
    """http, https, tcp or grpc."""
    addresses: tuple[str, ...]
    """host:port of every endpoint, without the detours of `via`."""
    path: str
    expect_status: int
    host_header: str
    grpc_service: str
    expect_header: str = ""
    expect_body: str = ""
    ca_file: str = ""
    gateways: tuple[str, ...] = ()
    """host:port of the mesh gateway of the cluster; empty where requests do not come in by one."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """host:port by service and cluster, as declared and as single origins see them."""

    endpoints: Mapping[BackendKey, tuple[str, ...]]
    via: Mapping[tuple[OriginId, ServiceId, ClusterId], tuple[str, ...]]
    """What an origin uses instead."""
    probes: Mapping[BackendKey, ProbeQuestion]
    """Backends without endpoints are not probed and not here."""

    def seen_from(self, origin: OriginId, service: ServiceId, cluster: ClusterId) -> tuple[str, ...]:
        """Where this origin sends requests for a service in a cluster; empty where nothing is declared."""
        return self.via.get((origin, service, cluster)) or self.endpoints.get((service, cluster), ())


def addresses_of(configuration: Configuration) -> Addresses:
    """All addresses of a configuration."""
    endpoints: dict[BackendKey, tuple[str, ...]] = {}
    probes: dict[BackendKey, ProbeQuestion] = {}
    for service in configuration.services:
        for cluster, addresses in sorted(service.spec.endpoints.items()):
            key = (ServiceId(service.name), ClusterId(cluster))
            endpoints[key] = addresses
            question = service.spec.probe.model_dump() | {"gateways": service.spec.probe.gateways.get(cluster, ())}
            probes[key] = ProbeQuestion(addresses=addresses, **question)
    via: dict[tuple[OriginId, ServiceId, ClusterId], tuple[str, ...]] = defaultdict(tuple)
    for origin in configuration.origins:
        for detour in origin.spec.via:
            via[OriginId(origin.name), ServiceId(detour.service), ClusterId(detour.cluster)] += (detour.address,)
    return Addresses(endpoints, dict(via), probes)
