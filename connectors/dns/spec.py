"""What the names of one origin must be known by: the zone, a name for each service, and the addresses behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from connectors.http import Access
from placement.fleet import ClusterId, OriginId, ServiceId

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Names:
    """The address book of an origin that is steered by names."""

    origin: OriginId
    zone: str
    """With a dot at its end."""
    endpoints: Mapping[tuple[ServiceId, ClusterId], tuple[Address, ...]]
    """What the names may answer with."""
    own: Mapping[ServiceId, str] = field(default_factory=dict)
    """Names of services, where they are not `<service>.<zone>`; with a dot at their end."""
    ttl_s: int = 30
    """How long a resolver may keep an answer, and so how long a change takes."""

    def name(self, service: ServiceId) -> str:
        """The name of a service, with a dot at its end."""
        return self.own.get(service) or f"{service}.{self.zone}"

    def clusters(self, service: ServiceId) -> frozenset[ClusterId]:
        """Where a service has endpoints."""
        return frozenset(cluster for owner, cluster in self.endpoints if owner == service)

    @property
    def services(self) -> tuple[ServiceId, ...]:
        """All that have a name."""
        return tuple(sorted({service for service, _ in self.endpoints}))


@dataclass(frozen=True, slots=True)
class PowerDnsSpec:
    """One PowerDNS, by its HTTP API."""

    names: Names
    access: Access
    """Its API; the key goes into a secret header `X-API-Key`."""
    server: Address
    """Where it answers queries: every write is verified there."""
    server_id: str = "localhost"
    health: bool = True
    """Whether PowerDNS connects to the endpoints by itself and leaves out the dead ones."""


@dataclass(frozen=True, slots=True)
class UpdateSpec:
    """One authoritative server that takes dynamic updates (RFC 2136)."""

    names: Names
    server: Address
    key_name: str
    """The TSIG key that signs the updates."""
    key_secret: Callable[[], str] = field(repr=False)
    """Gives the secret, in base64. OSError or ValueError where it is not there."""
    key_algorithm: str = "hmac-sha256"
