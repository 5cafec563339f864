"""The Scenario document. Docstrings become its JSON Schema (`scenarios/schema.json`)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.document import Document
from config.fields import Many, Milliseconds, Name, PositiveCount, PositiveRatio, Ratio, Shape, Text
from config.policy import PolicySpec
from simulator.scenario.demand import DemandShape
from simulator.scenario.faults import Fault
from simulator.scenario.fields import Compared, Duration
from simulator.scenario.fleet import FleetShape

METRICS = {
    "availability": "requests answered well and in time, over all that were asked",
    "failed": "part of requests that failed or came too late",
    "shed": "part of requests refused on purpose",
    "p50Ms": "median time of what users asked for, ms",
    "p95Ms": "95th percentile of the same",
    "p99Ms": "99th percentile of the same",
    "utilization": "load over rated capacity of the fullest backend, at its worst",
    "costUsdPerHour": "compute and egress",
    "egressUsdPerHour": "egress alone",
    "totalUsdPerHour": "compute, egress, waiting and refusing, priced as the policy prices them",
    "share": "largest part of a service's demand, or of all, that goes to `cluster`",
    "shareMin": "least part of the same",
    "failoverS": "longest time from a loss until next to nothing was sent to what is lost, s",
    "moved": "requests/s that changed cluster, over requests/s, per hour",
    "pushes": "weight tables written",
    "failovers": "turns that took a failover routing",
    "holds": "turns that held the routing",
    "panics": "turns in which the probes were doubted",
    "goodputRps": "requests/s answered well",
}
"""What an expectation or threshold can be about."""
Metric = Literal[
    "availability", "failed", "shed", "p50Ms", "p95Ms", "p99Ms", "utilization", "costUsdPerHour", "egressUsdPerHour",
    "totalUsdPerHour", "share", "shareMin", "failoverS", "moved", "pushes", "failovers", "holds", "panics",
    "goodputRps",
]  # fmt: skip


class Expectation(Shape):
    """What should come of it in a part of the time."""

    starts: Duration = Field(default=0.0, alias="from")
    """From when."""
    until: Duration | None = None
    """Until when. Omitted: to the end."""
    metric: Metric
    """What is looked at."""
    holds: Compared = Field(alias="is")
    """What it should be."""
    cluster: Name | None = None
    """share, shareMin, utilization: of this cluster."""
    service: Name | None = None
    """availability, failed, shed, share, shareMin, utilization, goodputRps: of this service."""
    why: Text | None = None
    """For people."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.until is not None and self.until <= self.starts:
            raise ValueError("until must be after from")
        if self.metric in {"share", "shareMin"} and self.cluster is None:
            raise ValueError(f"{self.metric} needs a cluster")
        return self


class Clients(Shape):
    """Who asks."""

    timeout: Duration = 2.0
    """How long they wait; an answer that comes later is worth nothing."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """How often they try again."""
    retry_budget: Annotated[float, Field(ge=0, le=10)] = 0.2
    """Most retries, in parts of the requests; 10 for none to speak of."""
    dns_ttl: Duration = 30.0
    """How long they stay with an address: in this time two of three leave a gateway that is gone, or follow new
    weights of an origin outside of every cluster."""


class Meshes(Shape):
    """How weights take effect."""

    apply: Duration = 0.2
    """From a write to its effect."""
    slow: dict[Name, Duration] = Field(default_factory=dict)
    """The same for single origins."""
    standby_retry: bool = False
    """Whether a request that is refused is sent on, once and at once, to the next cluster of its table, as by Envoy."""


class Telemetry(Shape):
    """What is measured, and how well."""

    every: Duration = 5.0
    """From one report to the next."""
    lag: Duration = 1.0
    """Age of what is in a report."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Relative error."""


class Caches(Shape):
    """Back ends that are worse while they are cold."""

    cold_ratio: PositiveRatio = 1.0
    """Part of its capacity that a wholly cold back end has. 1: there is no difference."""
    warm_up: Duration = 120.0
    """In this time two thirds of the way to warm are made."""


class Autoscaling(Shape):
    """Replicas that follow load, within the pools."""

    every: Duration = 15.0
    """How often it looks."""
    startup: Duration = 60.0
    """From the decision to a replica that serves."""
    down_after: Duration = 300.0
    """How long less must be wanted before replicas go."""
    min_ratio: PositiveRatio = 0.2
    """Least replicas, in parts of those declared."""
    max_ratio: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Most replicas, in parts of those declared."""


class Times(Shape):
    """What a service is like from inside, where its fleet comes from documents."""

    latency_ms: Milliseconds = 10.0
    """Time that one request takes on an idle replica."""
    variability: Ratio = 1.0
    """Squared coefficient of variation of that time: 0 when always the same, 1 when exponential."""
    slots: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Requests that a replica works on at once."""


class WorldShape(Shape):
    """The physics."""

    step: Duration = 1.0
    """Longest step; around events it is that of the probes."""
    queue: Duration = 5.0
    """Most seconds of work that wait at a back end; what comes on top is turned away."""
    saturation: Annotated[float, Field(ge=1, le=10)] = 1.15
    """Load at which a replica serves no more, in parts of its throughput, at which it still keeps its objective."""
    vantages: Many[Name | Literal["controller"]] = ("controller",)
    """Where probes come from: the controller, or clusters."""
    quorum: PositiveCount | None = None
    """Of them that must agree. Omitted: as the policy says."""
    clients: Clients = Clients()
    meshes: Meshes = Meshes()
    telemetry: Telemetry = Telemetry()
    caches: Caches = Caches()
    autoscaling: Autoscaling | None = None
    """Omitted: replicas stay as they are."""
    services: dict[Name, Times] = Field(default_factory=dict)
    """Times of services."""

    @model_validator(mode="after")
    def _reached(self) -> Self:
        if self.quorum is not None and self.quorum > len(self.vantages):
            raise ValueError(f"quorum {self.quorum} of {len(self.vantages)} vantages is never reached")
        return self


class ScenarioSpec(Shape):
    """What is there, what is asked for, what happens, and what should come of it."""

    about: Text
    """The story in a sentence or two."""
    duration: Duration = 600.0
    """How long."""
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Of everything that is drawn."""
    fleet: FleetShape
    policy: PolicySpec = PolicySpec()
    """As in a Policy document. With `fleet.documents` theirs counts."""
    solver: Literal["exact", "certified"] = "exact"
    """exact: solves in every tick. certified: keeps what stands while a bound proves it to be within `solverGap`."""
    solver_gap: Ratio = 0.005
    """certified: how far from the optimum is near enough."""
    demand: Many[DemandShape] = ()
    """Omitted: what the fleet expects, all the time."""
    world: WorldShape = WorldShape()
    events: Many[Fault] = ()
    """What happens."""
    expect: Many[Expectation] = ()
    """What should come of it."""
    thresholds: dict[Metric, Compared] = Field(default_factory=dict)
    """The same for the whole time."""

    @model_validator(mode="after")
    def _lasting(self) -> Self:
        if self.duration <= 0:
            raise ValueError("duration must be above 0")
        return self


class Scenario(Document):
    """A scenario: a what-if with an answer that can be checked."""

    kind: Literal["Scenario"]
    spec: ScenarioSpec
