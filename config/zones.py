"""Parts of a mesh: names in front of the clusters, by the servers that answer for them."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.apis import ApiAccess, AwsAccount, Secret, Ttl
from config.fields import Address, Name, Shape, Word


def _dotted(name: str) -> str:
    if not name.endswith("."):
        raise ValueError("must end with a dot, as `fleet.example.`: otherwise it would be relative")
    return name


Fqdn = Annotated[Word, AfterValidator(_dotted)]


class Zone(Shape):
    """Names, and how long answers are kept."""

    name: Fqdn
    """The zone, with a dot at its end."""
    names: dict[Name, Fqdn] = Field(default_factory=dict)
    """Names of services, where they are not `<service>.<zone>`."""
    ttl_seconds: Ttl = 30
    """How long a resolver may keep an answer: so long a change takes, and a loss is felt."""


class PowerDnsMesh(Shape):
    """A PowerDNS by its API, with LUA records."""

    api: ApiAccess
    """Its API."""
    zone: Zone
    """Its names."""
    key: Secret
    """Where the API key is."""
    server: Address
    """Where it answers queries: every write is verified there."""
    server_id: Word = "localhost"
    """Its name in the API."""
    health: bool = True
    """Whether PowerDNS connects to the endpoints by itself and leaves out the dead ones. Without it no standbys."""


class DnsUpdateMesh(Shape):
    """Any name server that takes dynamic updates (RFC 2136): weights as SRV records."""

    zone: Zone
    """Its names."""
    server: Address
    """The primary server of the zone."""
    key_name: Word
    """The TSIG key that may update the zone."""
    key: Secret
    """Where its secret is, in base64."""
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    """The algorithm of the key."""


class Route53Mesh(Shape):
    """A hosted zone of Route 53, with weighted records."""

    aws: AwsAccount
    """Which AWS, and as whom."""
    zone: Zone
    """Its names."""
    zone_id: Word
    """Its id."""
    health_checks: dict[Name, Word] = Field(default_factory=dict)
    """The id of a health check by cluster. Without them there are no standbys."""


class AviMesh(Shape):
    """The leader of an Avi (NSX ALB) GSLB; `names` are those of its GslbServices."""

    api: ApiAccess
    """Its API."""
    zone: Zone
    """Its names."""
    user: Word
    """Who logs in."""
    password: Secret
    """Where the password is."""
    api_version: Word = "22.1.3"
    """The version of the API that is asked for."""
    tenant: Word = "admin"
    """The tenant of the GslbServices."""
