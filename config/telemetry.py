"""Where measurements come from: a part of the Origin document, and of the Policy."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from config.fields import HttpUrl, Label, Many, Name, Seconds, Shape, Text

DESTINATION = "(.+)[|/](.+)"
"""Envoy clusters that are called `SERVICE/CLUSTER` or `SERVICE|CLUSTER`."""
Exporter = Literal[
    "istio", "linkerd", "envoy", "consul", "kuma", "haproxy", "nginx", "vllm", "kube", "dcgm", "inference"
]
GROUPS_MAX = 2


def _grouped(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if not 1 <= groups <= GROUPS_MAX:
        raise ValueError(f"has {groups} groups; it needs one for the service and may have one for the cluster")
    return pattern


Pattern = Annotated[str, Field(max_length=1_000), AfterValidator(_grouped)]


class Queries(Shape):
    """PromQL for each signal. A series has the labels `service`, `origin` and `cluster`, as the signal needs them."""

    demand_rps: Text | None = Field(default=None, alias="demand_rps")
    """Offered requests/s, refused ones included; by service and origin."""
    sent_rps: Text | None = Field(default=None, alias="sent_rps")
    """Requests/s sent to each cluster; by service, origin and cluster."""
    capacity_rps: Text | None = Field(default=None, alias="capacity_rps")
    """Most requests/s served within the objective; by service and cluster."""
    latency_ms: Text | None = Field(default=None, alias="latency_ms")
    """Time in the service itself, without the network, in ms; by service and cluster."""
    latency_p95_ms: Text | None = Field(default=None, alias="latency_p95_ms")
    """95 % of the requests are answered within this, in ms; by service and cluster. Drills watch it."""
    error_ratio: Text | None = Field(default=None, alias="error_ratio")
    """Failed over all requests, 0 to 1; by service and cluster."""

    def by_signal(self) -> dict[str, str]:
        """The queries that are given."""
        return self.model_dump(exclude_none=True)

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if not self.by_signal():
            raise ValueError("needs at least one query")
        return self


class Prometheus(Shape):
    """A Prometheus server, or what speaks its API."""

    url: HttpUrl
    """Its address, without /api."""
    timeout_seconds: Seconds = 5.0
    """How long to wait for an answer."""
    exports: Many[Exporter] = ()
    """Whose metrics it has: their queries come ready made, the first that knows a signal counts."""
    window_seconds: Seconds = 60.0
    """Over which those queries turn counters into rates; four scrapes or more."""
    destination: Pattern = DESTINATION
    """For `envoy`: a regular expression over the names of its clusters, with a group for the service and, where the
    name says it, one for the cluster."""
    queries: Queries | None = None
    """What to ask beside or instead of that."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.exports and self.queries is None:
            raise ValueError("needs queries, or exports, whose queries come ready made")
        return self


class LoadReports(Shape):
    """Load reports of the proxies themselves (xDS LRS), or the counters of an HAProxy."""

    interval_seconds: Seconds = 0.1
    """How often a proxy reports, or is asked. What its clients see may take a backend out, so often is soon."""
    endpoint_metrics: bool = False
    """xds: whether proxies report what model servers say of themselves in ORCA named metrics: KV-cache use, queue, time
    to first token."""


class EnvoyAdmin(Shape):
    """An Envoy whose counters are read from its admin interface."""

    url: HttpUrl
    """Of the admin interface."""
    destination: Pattern = DESTINATION
    """A regular expression over the names of its clusters, with a group for the service and, where the name says it,
    one for the cluster."""
    interval_seconds: Seconds = 5.0
    """How often it is asked."""


class TargetGroup(Shape):
    """A target group of an Application Load Balancer, and which backend it is."""

    service: Name
    """Whose requests it counts."""
    cluster: Name
    """Where it sends them."""
    target_group: Text
    """`targetgroup/NAME/ID`, the end of its ARN."""
    load_balancer: Text
    """`app/NAME/ID`, the end of the ARN of the load balancer."""


class CloudWatchMetrics(Shape):
    """Load balancers that Amazon CloudWatch keeps the counts of. Credentials come from AWS's own chain."""

    region: Label
    """Of the load balancers."""
    profile: Text | None = None
    """Of the credential chain. Omitted: its default."""
    endpoint: HttpUrl | None = None
    """Instead of the public one."""
    target_groups: Many[TargetGroup] = Field(min_length=1)
    """What is counted."""


class OriginTelemetry(Shape):
    """Where the measurements of an origin come from. Several may be given."""

    load_reports: LoadReports | None = None
    """From the proxies of `mesh`."""
    prometheus: Prometheus | None = None
    """From a Prometheus server."""
    envoy: EnvoyAdmin | None = None
    """From the admin interface of an Envoy."""
    cloud_watch: CloudWatchMetrics | None = None
    """From Amazon CloudWatch."""
