"""Names of upstreams (what Envoy calls a cluster), made from ours and read back from load reports."""

from placement.fleet import ClusterId, ServiceId

OUTBOUND = "equipoise/outbound"
"""The listener of an origin's Envoys, and its route configuration."""


def upstream(service: ServiceId, cluster: ClusterId | None = None) -> str:
    """One upstream per service when localities carry the weights, else one per (service, cluster)."""
    return service if cluster is None else f"{service}|{cluster}"


def rehearsal(service: ServiceId) -> str:
    """The upstream of a service whose failover is rehearsed: a name that no cluster can make."""
    return f"{service}||rehearsal"


def is_rehearsal(upstream_name: str) -> bool:
    """Whether it is one of those."""
    return upstream_name.endswith("||rehearsal")


def service_of(upstream_name: str) -> ServiceId:
    """The service that an upstream belongs to."""
    return ServiceId(upstream_name.partition("|")[0])
