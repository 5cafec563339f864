"""The Service document: a workload, where it runs and what its users need."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from config.cluster import Resources
from config.document import Document
from config.fields import (
    Address,
    Amount,
    Count,
    Label,
    Many,
    Milliseconds,
    Name,
    Pause,
    Positive,
    PositiveCount,
    PositiveRatio,
    Ratio,
    Shape,
    Word,
)


class ProbeSpec(Shape):
    """How to ask an endpoint of the service whether it works."""

    protocol: Literal["http", "https", "tcp", "tls", "grpc"] = "tcp"
    """tcp: accepts a connection. tls: proves who it is. http, https: a GET is answered as expected. grpc: the health
    service says SERVING."""
    path: Word = "/"
    """http, https: what to get."""
    expect_status: Annotated[int, Field(ge=100, le=599)] = 200
    """http, https: the status of a good answer."""
    host_header: Annotated[str, Field(pattern=r"^[\x21-\x7e]*$", max_length=1_000)] = ""
    """http, https: the name to ask for. Empty: the host of the endpoint."""
    grpc_service: Annotated[str, Field(pattern=r"^[\x21-\x7e]*$", max_length=1_000)] = ""
    """grpc: the service to ask about. Empty: the server as a whole."""
    expect_header: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=1_000)] = ""
    """http, https: `name: text`, a header whose value has the text. Empty: any headers."""
    expect_body: Annotated[str, Field(max_length=1_000)] = ""
    """http, https: a text in the first 64 KiB of the answer. Empty: any body."""
    ca_file: Annotated[str, Field(max_length=1_000)] = ""
    """https, tls: PEM file, on the machine that probes, with the certificates to trust. Empty: those of the machine."""
    gateways: dict[Name, Annotated[Many[Address], Field(min_length=1)]] = Field(default_factory=dict)
    """host:port of the mesh gateway by cluster, where requests come in by one. It is asked the same, besides the
    endpoints, and its answer counts: so it is known which of the two broke."""


def _replica_form(value: Any) -> str:
    # The '#' keeps these tags apart from every key that a document may have.
    return "#by-pool" if isinstance(value, dict) else "#count"


Replicas = Annotated[
    Annotated[Count, Tag("#count")] | Annotated[dict[Name, Count], Field(min_length=1), Tag("#by-pool")],
    Discriminator(_replica_form),
]


class Placing(Shape):
    """Where `equipoise place` may put replicas: in the clusters that `replicas` names, be it with 0."""

    replicas_min: Count = 0
    """Least replicas in each of them."""
    replicas_max: Count | None = None
    """Most replicas in each of them. Omitted: what the pool holds."""
    survive_ratio: Ratio = 0.7
    """The part of the demand to carry after the loss of any region or provider; 0 where that is not asked."""
    spread_max_ratio: PositiveRatio = 1.0
    """Most part of the service's capacity in any one cluster; 1 for no limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.replicas_max is not None and self.replicas_max < self.replicas_min:
            raise ValueError(f"replicasMax {self.replicas_max} is below replicasMin {self.replicas_min}")
        return self


class Autoscaling(Shape):
    """How replicas follow load in every cluster of `replicas` that has some: what a pod autoscaler is told."""

    replicas_min: Count = 1
    """Least replicas in each of them. 0: clusters that have none now may get some."""
    replicas_max: PositiveCount | None = None
    """Most replicas in each of them. Omitted: what the pools hold."""
    slots: PositiveCount = 1
    """Requests that a replica works on at once."""
    service_ms: Milliseconds | None = None
    """How long it works on one, on average. Omitted: slots / throughput."""
    variability: Amount = 1.0
    """Squared coefficient of variation of that time: 0 when always the same, 1 when exponential."""
    lead_seconds: Pause = 60.0
    """From a load that asks for one more replica to its being ready; 0 when at once."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.replicas_max is not None and self.replicas_max < self.replicas_min:
            raise ValueError(f"replicasMax {self.replicas_max} is below replicasMin {self.replicas_min}")
        return self


class ServiceSpec(Shape):
    """A named workload and what its users need."""

    exposed: bool = False
    """Takes requests from outside the fleet. Otherwise only other services call it."""
    priority: Literal["high", "normal", "low"] = "normal"
    """Who is refused first when not everything fits: low, then normal, then high (1 : 3 : 10)."""
    rtt_max_ms: Positive | None = None
    """A cluster farther from the origin than this round trip is not used. Omitted: any distance."""
    rtt_target_ms: Positive | None = None
    """The round trip to stay within where that is possible: a millisecond beyond it counts ten times. Omitted: none."""
    value_usd_per_million_request_ms: Amount = 0.0
    """What it is worth, in USD, that a million requests are answered one millisecond earlier."""
    request_bytes: Amount = 1_000.0
    """Mean size of a request, for transfer prices."""
    response_bytes: Amount = 10_000.0
    """Mean size of an answer, for transfer prices."""
    utilization_target: PositiveRatio = 0.7
    """The part of capacity to plan for. More may be used, at a price that rises."""
    jurisdictions: Many[Label] | None = Field(default=None, min_length=1)
    """Where requests may be served. Omitted: everywhere."""
    resources: Resources
    """What one replica takes."""
    throughput: dict[Label, Positive] = Field(min_length=1)
    """Requests/s that one replica serves within its objective, by node type."""
    replicas: dict[Name, Replicas]
    """Replicas by cluster (in its first pool with a node type of `throughput`), or by cluster and pool."""
    autoscaler: Autoscaling | None = None
    """How replicas follow load. Omitted: they stay as they are."""
    placing: Placing = Placing()
    """Limits for whole replicas."""
    calls: dict[Name, Positive] = Field(default_factory=dict)
    """Requests to other services that one request makes, on average."""
    probe: ProbeSpec = ProbeSpec()
    """How to see whether it works."""
    ramp_seconds: Pause | None = None
    """Time over which it is given its capacity when it comes back; longer where caches have to fill. Omitted: that of
    the Policy."""
    protocol: Literal["http1", "http2"] = "http1"
    """What its endpoints speak; gRPC is http2."""
    split: Literal["locality", "weighted-clusters"] = "locality"
    """How an xDS mesh applies the weights: localities of one upstream, or one upstream for each cluster."""
    endpoints: dict[Name, Annotated[Many[Address], Field(min_length=1)]] = Field(default_factory=dict)
    """Addresses (host:port) by cluster: for xDS meshes and for probes."""


class Service(Document):
    """A service: a named workload, present in one or more clusters."""

    kind: Literal["Service"]
    spec: ServiceSpec
