"""The fleet of a scenario: documents as in production, or a short form that public facts fill up, or a drawn one."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.fields import Amount, Count, Label, Many, Milliseconds, Name, Positive, PositiveRatio, Ratio, Shape, Text
from simulator.scenario.fields import Latitude, Longitude

NodeType = Literal["general", "l4", "a100", "h100"]
Region = Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9-]+$")]
"""`provider/region` of a public cloud."""


class ClusterShape(Shape):
    """A cluster in short: a region of a public cloud, or a place of its own."""

    at: Region | None = None
    """A region that Equipoise has facts of: place, jurisdiction, prices, distances."""
    provider: Label = "own"
    """Without `at`: who runs it."""
    region: Label | None = None
    """Without `at`: what it is called there. Omitted: the name of the cluster."""
    jurisdiction: Label | None = None
    """Whose law applies. Omitted: that of the region."""
    latitude: Latitude = 0.0
    """Without `at`: where it is."""
    longitude: Longitude = 0.0
    """Without `at`: where it is."""
    usd_per_hour: dict[NodeType, Amount] = Field(default_factory=dict)
    """Prices of nodes; they win over those of the region. Without `at` the only ones."""
    gateway_rps: Positive | None = None
    """Most requests/s from outside. Omitted: no limit."""
    zones: Annotated[int, Field(ge=1, le=10)] = 3
    """Availability zones that replicas are spread over."""

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if self.at is None and not self.usd_per_hour:
            raise ValueError("needs either at (a region of a cloud) or usdPerHour of its nodes")
        return self


class UsersShape(Shape):
    """People outside of every cluster who come in by DNS."""

    latitude: Latitude
    longitude: Longitude


class ServiceShape(Shape):
    """A service in short; what both have means the same as in a Service document."""

    exposed: bool = True
    """Takes requests from outside the fleet."""
    priority: Literal["high", "normal", "low"] = "normal"
    """Who is refused first."""
    rtt_max_ms: Positive | None = None
    """Clusters farther away are not used."""
    rtt_target_ms: Positive | None = None
    """A millisecond of round trip beyond it counts ten times."""
    value_usd_per_million_request_ms: Amount = 0.02
    """What a millisecond less is worth, for a million requests."""
    request_bytes: Amount = 1_000.0
    """Mean size of a request."""
    response_bytes: Amount = 10_000.0
    """Mean size of an answer."""
    utilization_target: PositiveRatio = 0.7
    """The part of capacity to plan for."""
    jurisdictions: Many[Label] | None = Field(default=None, min_length=1)
    """Where requests may be served. Omitted: everywhere."""
    node: NodeType = "general"
    """What its replicas run on."""
    node_share: PositiveRatio = 0.25
    """The part of a node that a replica takes."""
    rps_per_replica: Positive
    """Requests/s of one replica."""
    replicas: Count | dict[Name, Count]
    """In every cluster, or by cluster."""
    calls: dict[Name, Positive] = Field(default_factory=dict)
    """Requests to other services that one request makes."""
    latency_ms: Milliseconds = 10.0
    """Time that one request takes on an idle replica."""
    variability: Ratio = 1.0
    """Squared coefficient of variation of that time: 0 when always the same, 1 when exponential."""
    slots: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Requests that a replica works on at once."""


class Drawn(Shape):
    """A fleet drawn by the seed of the scenario, in the regions that Equipoise has facts of."""

    clusters: Annotated[int, Field(ge=2, le=32)]
    """How many, one per region."""
    services: Annotated[int, Field(ge=1, le=500)]
    """How many; every fourth is called by the one before it."""
    utilization: PositiveRatio = 0.5
    """Of the whole, at the factor 1 of demand."""


class FleetShape(Shape):
    """One of: documents, clusters with services, drawn."""

    documents: Many[Text] = ()
    """Files or folders of documents, as `equipoise serve` takes them; relative to the scenario."""
    clusters: dict[Name, ClusterShape] = Field(default_factory=dict)
    """Clusters in short; each has a mesh, which is an origin of the same name."""
    users: dict[Name, UsersShape] = Field(default_factory=dict)
    """Origins outside of every cluster."""
    services: dict[Name, ServiceShape] = Field(default_factory=dict)
    """Services in short."""
    rtt_ms: dict[Name, dict[Name, Milliseconds]] = Field(default_factory=dict)
    """Round trips between clusters or users; they win over the facts."""
    drawn: Drawn | None = None
    """A fleet of any size."""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        ways = [bool(self.documents), bool(self.clusters or self.services), self.drawn is not None]
        if sum(ways) != 1:
            raise ValueError("needs one of documents, clusters with services, or drawn")
        if (self.clusters or self.services) and not (self.clusters and self.services):
            raise ValueError("clusters and services go together")
        return self
