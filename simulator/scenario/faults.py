"""What can happen to a fleet: one model per fault, told apart by `fault`."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from config.fields import Name, PositiveRatio, Ratio, Shape, Text
from simulator.scenario.fields import Duration, Factor, SignedSeconds

Somewhere = Annotated[str, Field(pattern=r"^(\*|controller|[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?)$")]
"""A cluster, an origin, `controller`, or `*` for all."""
Any = Annotated[str, Field(pattern=r"^(\*|[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?)$")]
"""A name, or `*` for all."""


class Event(Shape):
    """Something that begins at a time and, unless `for` is left out, ends after another."""

    at: Duration
    """When it begins."""
    lasts: Duration | None = Field(default=None, alias="for")
    """How long it lasts. Omitted: to the end."""
    note: Text | None = None
    """For people."""


class ClusterOutage(Event):
    """A cluster answers nothing, and its mesh cannot be reached."""

    fault: Literal["cluster-outage"]
    cluster: Name


class RegionOutage(Event):
    """All clusters of a region are out."""

    fault: Literal["region-outage"]
    region: Text


class ProviderOutage(Event):
    """All clusters of a provider are out."""

    fault: Literal["provider-outage"]
    provider: Text


class AzOutage(Event):
    """One zone of a cluster is out: its part of every service fails until the cluster stops sending there."""

    fault: Literal["az-outage"]
    cluster: Name
    eject: Duration = 10.0
    """How long the cluster itself takes to stop sending to the lost zone."""


class GatewayLoss(Event):
    """Nobody outside a cluster reaches it; what is inside goes on."""

    fault: Literal["gateway-loss"]
    cluster: Name


class ServiceOutage(Event):
    """A service in one cluster answers nothing."""

    fault: Literal["service-outage"]
    service: Any
    cluster: Any


class Gray(Event):
    """A service in a cluster fails or is slow for a part of its requests."""

    fault: Literal["gray"]
    cluster: Any
    service: Any = "*"
    error_ratio: Ratio = 0.0
    """Part of requests, and of probes, that fail."""
    slowdown_ms: Annotated[float, Field(ge=0, le=60_000)] = 0.0
    """What is added to the time of every request."""
    probed: bool = True
    """Whether probes suffer too; False is a failure that health checks do not see."""


class Latency(Event):
    """A path is slower."""

    fault: Literal["latency"]
    origin: Somewhere = Field(default="*", alias="from")
    cluster: Any = Field(default="*", alias="to")
    ms: Annotated[float, Field(ge=0, le=60_000)]
    """Added round trip."""


class Loss(Event):
    """A path loses a part of its requests."""

    fault: Literal["loss"]
    origin: Somewhere = Field(default="*", alias="from")
    cluster: Any = Field(default="*", alias="to")
    ratio: PositiveRatio


class Partition(Event):
    """Nothing passes between two places; with twoWay false only requests from the first to the second are lost."""

    fault: Literal["partition"]
    origin: Somewhere = Field(alias="from")
    cluster: Somewhere = Field(alias="to")
    two_way: bool = True


class CapacityLoss(Event):
    """A part of the replicas is gone."""

    fault: Literal["capacity-loss"]
    cluster: Any
    service: Any = "*"
    ratio: PositiveRatio


class GpuPreemption(Event):
    """A provider takes back a part of the GPU nodes."""

    fault: Literal["gpu-preemption"]
    cluster: Any = "*"
    ratio: PositiveRatio


class PriceChange(Event):
    """Nodes of a cluster cost more or less, and the price book says so."""

    fault: Literal["price-change"]
    cluster: Any
    factor: Annotated[float, Field(gt=0, le=1_000)]


class DemandSurge(Event):
    """More (or less) is asked for."""

    fault: Literal["demand-surge"]
    service: Any = "*"
    origin: Any = "*"
    factor: Factor


class TelemetryStale(Event):
    """What a cluster measures does not arrive any more."""

    fault: Literal["telemetry-stale"]
    cluster: Any = "*"


class TelemetryLie(Event):
    """What a cluster says of itself is wrong."""

    fault: Literal["telemetry-lie"]
    cluster: Any
    signal: Literal["demand_rps", "capacity_rps", "latency_ms", "error_ratio"]
    factor: Annotated[float, Field(ge=-1_000, le=1_000_000)] = 1.0
    """What the truth is multiplied by."""
    not_a_number: bool = False
    """NaN instead."""


class ClockSkew(Event):
    """The clock of a cluster is wrong."""

    fault: Literal["clock-skew"]
    cluster: Any
    seconds: SignedSeconds


class ConnectorError(Event):
    """The mesh of an origin cannot be read or written."""

    fault: Literal["connector-error"]
    origin: Any
    applies: bool = False
    """Whether writes are applied although nobody hears of it."""


class PushReject(Event):
    """The mesh of an origin refuses what it is given."""

    fault: Literal["push-reject"]
    origin: Any


class PushPartial(Event):
    """Only a part of the proxies of an origin takes what is written."""

    fault: Literal["push-partial"]
    origin: Any
    ratio: Ratio


class ProbeFailure(Event):
    """Probes fail although all is well: the prober is broken, not the fleet."""

    fault: Literal["probe-failure"]
    ratio: PositiveRatio = 1.0


class SolverOutage(Event):
    """The optimizer finds nothing."""

    fault: Literal["solver-outage"]


class LedgerOutage(Event):
    """The ledger cannot be written."""

    fault: Literal["ledger-outage"]


class ControllerCrash(Event):
    """The controller is gone, and comes back with the next epoch and what the meshes have."""

    fault: Literal["controller-crash"]


class Flapping(Event):
    """A cluster goes out and comes back, again and again."""

    fault: Literal["flapping"]
    cluster: Name
    period: Duration
    """From one outage to the next."""
    up_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Part of the period that it is up; it begins with being out."""


Fault = Annotated[
    ClusterOutage
    | RegionOutage
    | ProviderOutage
    | AzOutage
    | GatewayLoss
    | ServiceOutage
    | Gray
    | Latency
    | Loss
    | Partition
    | CapacityLoss
    | GpuPreemption
    | PriceChange
    | DemandSurge
    | TelemetryStale
    | TelemetryLie
    | ClockSkew
    | ConnectorError
    | PushReject
    | PushPartial
    | ProbeFailure
    | SolverOutage
    | LedgerOutage
    | ControllerCrash
    | Flapping,
    Field(discriminator="fault"),
]
FAULTS: tuple[type[Event], ...] = get_args(get_args(Fault)[0])


def kind_of(event: Event) -> str:
    """`cluster-outage`."""
    return str(getattr(event, "fault", ""))


def subject_of(event: Event) -> str:
    """What it happens to, for people."""
    names = ("cluster", "region", "provider", "origin", "service")
    parts = [str(getattr(event, name)) for name in names if getattr(event, name, None)]
    return " ".join(part for part in parts if part != "*") or "everywhere"
