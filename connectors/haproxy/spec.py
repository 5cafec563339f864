"""What one origin's HAProxy must be known by: its socket, its map, and where it reaches the backends."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from placement.fleet import ClusterId, OriginId, ServiceId

Address = tuple[str, int]
"""(IP address, port): the runtime socket takes no names."""

FENCE_KEY = "!fence"
"""The key of the fence in the map; no service can have this name."""


LEASE_KEY = "!lease"
"""The map key of the moment until which requests are rehearsed, in milliseconds on HAProxy's clock."""


@dataclass(frozen=True, slots=True)
class HaproxySpec:
    """The address book of one HAProxy. A service is a backend, an endpoint of a cluster is a server of it."""

    origin: OriginId
    socket: str
    """Its runtime socket at level admin: the path of a unix socket, or host:port."""
    map_path: str
    """The map that holds our tables, as haproxy.cfg calls it."""
    endpoints: Mapping[tuple[ServiceId, ClusterId], tuple[Address, ...]]
    """Where this HAProxy reaches a service in a cluster."""
    listener: Address | None = None
    """Where it takes requests; for the configuration that `configuration` renders."""
    standbys: int = 4
    """Servers of each backend that stand ready to be given the address of a standby."""
    retries: int = 1
    """More attempts for a request whose connection failed; 0 for none."""
    outlier_detection: bool = False
    """Whether it puts an endpoint aside by itself when three connections in a row failed."""
    connect_timeout_s: float = 0.5
    """Above the longest round trip of the fleet, and as short as that allows: a silent cluster costs this much."""
    rtt_ms: Mapping[ClusterId, float] = field(default_factory=dict)
    """Round trip to each cluster: what to take off a measured response time. Without it no latency is reported."""

    @property
    def services(self) -> frozenset[str]:
        """The backends that are ours."""
        return frozenset(service for service, _ in self.endpoints)

    @property
    def drills(self) -> frozenset[str]:
        """The backends beside them that a rehearsed failover goes by."""
        return frozenset(drill_name(service) for service in self.services)


def drill_name(service: str) -> str:
    """The backend that routes by the weights of a rehearsed failover, and the map key of how many requests it gets."""
    return f"{service}:drill"


def drill_shed_name(service: str) -> str:
    """The map key of what that backend refuses."""
    return f"{service}:drill:shed"


def server_name(cluster: str, place: int) -> str:
    """The server of a cluster's n-th endpoint, counted from 1."""
    return f"{cluster}.{place}"


def standby_name(place: int) -> str:
    """The n-th server that can be given a standby's address. No cluster's name has a colon."""
    return f"standby:{place}"


def cluster_of(server: str) -> ClusterId:
    """The cluster whose endpoint a server is."""
    return ClusterId(server.rpartition(".")[0])
