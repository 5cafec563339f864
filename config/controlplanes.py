"""Parts of a mesh: control planes of others, by their APIs."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.apis import ApiAccess, AwsAccount, Secret
from config.fields import Name, Shape, Word

Port = Annotated[int, Field(ge=1, le=65_535)]


class ConsulPlace(Shape):
    """Where a cluster is, seen from this Consul: in another datacenter, at a peer, or, with neither, here."""

    datacenter: Word | None = None
    """A datacenter of the same federation."""
    peer: Word | None = None
    """A cluster peering."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.datacenter and self.peer:
            raise ValueError("has datacenter and peer, and takes one")
        return self


class ConsulServer(Shape):
    """A Consul by its HTTP API: splitters, resolvers, compare-and-set."""

    api: ApiAccess
    """Its API."""
    token: Secret | None = None
    """Where the ACL token is."""
    clusters: dict[Name, ConsulPlace] = Field(min_length=1)
    """Where each cluster is."""
    names: dict[Name, Word] = Field(default_factory=dict)
    """How Consul calls a service, where that differs."""
    protocol: Literal["http", "http2", "grpc"] = "http"
    """Of services that have no service-defaults yet."""


class KumaUniversal(Shape):
    """A Kuma or Kong Mesh control plane in universal mode, by its REST API."""

    api: ApiAccess
    """Its API."""
    token: Secret | None = None
    """Where the user token is."""
    mesh: Name = "default"
    """The mesh."""
    zones: dict[Name, Word] = Field(min_length=1)
    """The zone of each cluster."""
    own_zone: Word | None = None
    """The zone of the proxies that these weights are for. Omitted: all of the mesh."""
    port: Port = 80
    """The port of the services in the mesh."""


class AlbMesh(Shape):
    """An Application Load Balancer: a rule per service, a target group per cluster."""

    aws: AwsAccount
    """Which AWS, and as whom."""
    rules: dict[Name, Word] = Field(min_length=1)
    """The ARN of the listener rule of each service."""
    target_groups: dict[Name, dict[Name, Word]] = Field(min_length=1)
    """The ARN of the target group, by service and cluster."""


class LatticeRule(Shape):
    """A rule, by ids or ARNs."""

    service: Word
    """The Lattice service."""
    listener: Word
    """The listener of it."""
    rule: Word
    """The rule of that."""


class LatticeMesh(Shape):
    """VPC Lattice: a rule per service, a target group per cluster."""

    aws: AwsAccount
    """Which AWS, and as whom."""
    rules: dict[Name, LatticeRule] = Field(min_length=1)
    """The rule of each service."""
    target_groups: dict[Name, dict[Name, Word]] = Field(min_length=1)
    """The id or ARN of the target group, by service and cluster."""
