"""What one origin's NGINX must be known by: its files, its program, and where it reaches the backends."""

from collections.abc import Mapping
from dataclasses import dataclass

from placement.fleet import ClusterId, OriginId, ServiceId

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class NginxSpec:
    """The address book of one NGINX. A service is an upstream, an endpoint of a cluster is a server of it."""

    origin: OriginId
    file: str
    """What we write, on this machine; nginx.conf includes it within its `http`."""
    endpoints: Mapping[tuple[ServiceId, ClusterId], tuple[Address, ...]]
    """Where this NGINX reaches a service in a cluster."""
    listener: Address
    """Where it takes the requests of this origin."""
    status: Address
    """Where it tells us, and nobody else, which file it runs with."""
    program: tuple[str, ...] = ("nginx",)
    """How NGINX is called, with -c and -p where it needs them; `-t` and `-s reload` are added."""
    retries: int = 1
    """More attempts for a request whose connection failed; 0 for none."""
    fails_max: int = 3
    """An endpoint is put aside after so many failed attempts..."""
    fail_timeout_s: int = 2
    """...within this time, and for as long."""
    connect_timeout_s: float = 0.5
    workers_max: int = 8
    """With more old workers than that still at work nothing is reloaded: each holds its memory and its old weights."""
    reload_timeout_s: float = 5.0
    """A reload that has not replaced every worker by then is said to be unfinished."""

    def clusters(self, service: ServiceId) -> frozenset[ClusterId]:
        """Where a service has endpoints."""
        return frozenset(cluster for owner, cluster in self.endpoints if owner == service)

    @property
    def services(self) -> tuple[ServiceId, ...]:
        """Our upstreams."""
        return tuple(sorted({service for service, _ in self.endpoints}))
