"""What one origin's proxies need to know besides the weights: who they are, what they listen on, where backends are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from placement.fleet import ClusterId, OriginId, ServiceId

Address = tuple[str, int]
"""(host, port). The host is an IP address: neither Envoy nor gRPC looks up names that come by EDS."""
Split = Literal["locality", "weighted-clusters"]
HttpVersion = Literal["http1", "http2"]
Addresses = Mapping[ClusterId, tuple[Address, ...]]


@dataclass(frozen=True, slots=True)
class MeshSpec:
    """The address book and the manners of one origin's data plane."""

    origin: OriginId
    node: str
    """Identity of its proxies: a node id of `<node>` or `<node>/<anything>` belongs to this origin."""
    endpoints: Mapping[tuple[ServiceId, ClusterId], tuple[Address, ...]]
    """Where this origin reaches a service in a cluster."""
    listener: Address | None = None
    """Where Envoys of this origin take requests; None where all clients are proxyless."""
    localities: Mapping[ClusterId, tuple[str, str]] = field(default_factory=dict)
    """(region, zone) of each cluster, for the proxies' statistics; what is missing is empty."""
    split: Mapping[ServiceId, Split] = field(default_factory=dict)
    """`locality` unless said otherwise: only that one fails over in the data plane to a cluster with a weight."""
    protocol: Mapping[ServiceId, HttpVersion] = field(default_factory=dict)
    """What the backends speak; `http1` unless said otherwise. gRPC is `http2`."""
    retries: int = 1
    """More attempts for a request that failed; 0 for none."""
    outlier_detection: bool = False
    """Whether a proxy puts a failing endpoint aside by itself."""
    connect_timeout_s: float = 0.5
    """Above the longest round trip of the fleet, and as short as that allows: a silent cluster costs this much."""
    upstream_log_path: str | None = None
    """A file to which an Envoy adds one line for every attempt to reach a backend."""
    endpoint_metrics: bool = False
    """Whether proxies report the ORCA metrics that servers add to their answers."""
    subjects: frozenset[str] = frozenset()
    """Where proxies show certificates: those that name one of these are good for the node. Empty: the node itself."""

    def addresses(self) -> dict[ServiceId, dict[ClusterId, tuple[Address, ...]]]:
        """The endpoints by service, clusters in a fixed order; without those that have no address."""
        book: dict[ServiceId, dict[ClusterId, tuple[Address, ...]]] = {}
        for (service, cluster), known in sorted(self.endpoints.items()):
            if known:
                book.setdefault(service, {})[cluster] = known
        return book

    def owns(self, node_id: str) -> bool:
        """Whether a proxy that calls itself `node_id` belongs to this origin."""
        return node_id == self.node or node_id.startswith(self.node + "/")

    def trusts(self, shown: frozenset[str]) -> bool:
        """Whether a certificate with these names is good for its proxies."""
        return not shown.isdisjoint(self.subjects or {self.node})
