"""The Cluster document: where workloads can run."""

from typing import Literal, Self

from pydantic import Field, model_validator

from config.document import Document
from config.fields import Amount, Count, HttpUrl, Label, Many, Name, Positive, Shape
from config.floors import Workloads


class Resources(Shape):
    """An amount of each resource. What is left out is 0."""

    vcpu: Amount = 0.0
    """Virtual CPUs."""
    memory_gib: Amount = 0.0
    """Memory in GiB."""
    storage_gib: Amount = 0.0
    """Local storage in GiB."""
    gpu: Amount = 0.0
    """GPUs; a part of one where they are shared."""

    def row(self) -> tuple[float, float, float, float]:
        """In the order of placement.fleet.RESOURCES."""
        return (self.vcpu, self.memory_gib, self.storage_gib, self.gpu)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not any(self.row()):
            raise ValueError("needs at least one resource above 0")
        return self


class Pool(Shape):
    """Nodes of one type in a cluster."""

    name: Name
    """Unique in the cluster."""
    node_type: Label
    """As the provider calls it and a PriceBook prices it."""
    nodes: Count
    """How many there are now."""
    per_node: Resources
    """What one node has to give to replicas."""
    purchase: Literal["on-demand", "spot"] = "on-demand"
    """spot: interruptible nodes, at the spot price of a PriceBook."""


class ClusterSpec(Shape):
    """One Kubernetes (or VM) cluster with one mesh."""

    provider: Label
    """Who runs the machines, as a PriceBook calls them."""
    region: Label
    """Where it is, as PriceBook and LatencyMatrix call it."""
    jurisdiction: Label
    """Whose law applies; compared with the jurisdictions of a service."""
    gateway_rps: Positive | None = None
    """Most requests/s that the gateway of the cluster passes. Omitted: no limit."""
    link_mbps: dict[Label, Positive] = Field(default_factory=dict)
    """Most megabits/s (1e6 bits) of requests and answers between this cluster and an origin, by the origin's name, its
    cluster or its region, the first of these that is here; every origin has a link of its own. Omitted: no
    limit."""
    pools: Many[Pool] = Field(min_length=1)
    """Its nodes."""
    open_cost: HttpUrl | None = None
    """The API of its OpenCost, such as http://opencost:9003: `equipoise doctor` holds declared prices against it."""
    prices: Literal["declared", "opencost"] = "declared"
    """What decisions reckon with. opencost: what `openCost` tells of on-demand nodes, as far as it can be believed (see
    docs/telemetry.md); what it does not tell stays as declared. Clusters of one provider and region share prices."""
    workloads: Workloads | None = None
    """What keeps the replicas of services here. Omitted: they are never touched. See `placement.floors` of a Policy."""

    @model_validator(mode="after")
    def _told(self) -> Self:
        if self.prices == "opencost" and self.open_cost is None:
            raise ValueError("prices: opencost needs openCost, the address of one")
        return self


class Cluster(Document):
    """A cluster: where workloads can run."""

    kind: Literal["Cluster"]
    spec: ClusterSpec
