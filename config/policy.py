"""The Policy document: how carefully to act. All of it has a default, and so has the document."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel

from config.access import Access, Tls, XdsTls
from config.document import Document
from config.drills import Drills
from config.fields import (
    Address,
    Amount,
    Many,
    Milliseconds,
    Name,
    Pause,
    Positive,
    PositiveCount,
    PositiveRatio,
    Ratio,
    Seconds,
    Shape,
    Text,
    Url,
)
from config.floors import Floors
from config.guards import Guards
from config.telemetry import Prometheus
from config.vantages import Vantage, VantageListener


class Tick(Shape):
    """The routing loop."""

    period_seconds: Seconds = 5.0
    """From one decision to the next."""
    readings_max_age_seconds: Seconds = 60.0
    """With measurements older than this the routing is held as it is."""


class Probes(Shape):
    """Health: from single checks to a verdict on a service in a cluster."""

    interval_ms: Milliseconds = 250.0
    """From one check of a target to the next."""
    timeout_ms: Milliseconds = 250.0
    """A check without an answer by then has failed."""
    fast_follow_ms: Milliseconds = 50.0
    """After a failure the next check comes this soon."""
    fall: PositiveCount = 3
    """Failures in a row that take a target out."""
    fall_disputed: PositiveCount = 8
    """The same while another vantage still gets answers."""
    rise: PositiveCount = 20
    """Successes in a row that bring it back."""
    hold_down_seconds: Pause = 5.0
    """A target that went out stays out this long, doubled each time it goes out again soon."""
    hold_down_max_seconds: Pause = 300.0
    """Where the doubling ends."""
    ramp_seconds: Pause = 60.0
    """A target that came back is given its capacity over this time."""
    panic_ratio: PositiveRatio = 0.5
    """When more than this part of a service's targets, or of all clusters, looks dead, the probes are doubted."""
    ejection_ratio: PositiveRatio = 0.2
    """Part of all clusters that probes alone may take out, but always one; more only when clients fail there too."""
    ejection_capacity_ratio: PositiveRatio = 0.34
    """Part of a service's capacity that probes alone may take out, but always one target."""
    quorum: PositiveCount = 1
    """Vantages that must agree."""
    vantages: Many[Vantage] = ()
    """Places that probe besides the controller itself."""
    allow: Many[Text] = ()
    """What may be probed: networks (CIDR), addresses, host names. None: all but link-local and metadata addresses."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.hold_down_max_seconds < self.hold_down_seconds:
            limit, least = self.hold_down_max_seconds, self.hold_down_seconds
            raise ValueError(f"holdDownMaxSeconds {limit:g} is below holdDownSeconds {least:g}")
        if self.fall_disputed < self.fall:
            raise ValueError(f"fallDisputed {self.fall_disputed} is below fall {self.fall}")
        if self.quorum > 1 + len(self.vantages):
            raise ValueError(f"quorum {self.quorum} is never reached by {1 + len(self.vantages)} vantages")
        for shown in ("name", "token_sha256"):
            if len({getattr(v, shown) for v in self.vantages}) < len(self.vantages):
                raise ValueError(f"two vantages have the same {to_camel(shown)}")
        return self


class Weights(Shape):
    """From shares to integer weights."""

    unit: Annotated[int, Field(ge=10, le=1_000_000)] = 10_000
    """The weights of a service add up to this, or to less where a mesh can express less."""
    sticky_band: Ratio = 0.02
    """A service keeps its weights while none of them wants to change by more than this part of the unit."""


class PriceRatios(Shape):
    """Prices that no provider has: multiples of the dearest lawful cost to serve a request of the service."""

    churn_ratio: Amount = 0.02
    """Of moving a request/s to another cluster."""
    shed_multiple: Positive = 10.0
    """Of refusing a request, for priority low; normal is 3 and high 10 times that."""
    headroom_multiple: Amount = 0.5
    """Of using capacity above utilizationTarget, where it begins; it grows from there."""


class Placement(Shape):
    """The slow cadence: where workloads should run. Said, priced and certified; applied where `floors` says so."""

    period_seconds: Pause = 60.0
    """From one look at the fleet to the next; a cluster that is lost does not wait for it. 0: never."""
    shards: PositiveCount = 1
    """Parts that large fleets are solved in, each on a processor of its own."""
    ray: Literal["auto", "always", "never"] = "auto"
    """Whether the parts are actors of a Ray cluster: `auto` for large fleets that have one, or too few processors."""
    ray_address: Text | None = None
    """The Ray cluster. Omitted: one is started here if it is wanted."""
    migration_ratio: Amount = 0.05
    """Price of starting a replica, as a part of what it costs in an hour."""
    short_multiple: Positive = 5.0
    """Price of a request/s that would be lost with a region or provider: a multiple of serving it."""
    floors: Floors = Floors()
    """Whether least replicas follow what is decided."""


class Push(Shape):
    """Writing to the meshes."""

    deadline_seconds: Seconds = 1.0
    """A mesh that has not answered by then is left to the next tick."""


class Server(Shape):
    """Where the controller listens and what it keeps."""

    api: Address = "127.0.0.1:9600"
    """API, dashboard and metrics."""
    tls: Tls | None = None
    """TLS of `api`. Omitted: none, so only this machine may be served, or a proxy that ends TLS."""
    behind_tls_proxy: bool = False
    """Whether something in front of `api` ends TLS, so that it may listen beyond this machine without."""
    access: Access = Access()
    """Who may use `api`."""
    vantages: VantageListener | None = None
    """Where vantages on other machines join. Omitted: on `api` alone."""
    xds: Address = "127.0.0.1:9601"
    """The xDS server that proxies connect to."""
    xds_tls: XdsTls | None = None
    """Mutual TLS of `xds`. Omitted: none, so only proxies on this machine are served."""
    ledger: Url = "sqlite:///equipoise.db"
    """The database of decisions: `sqlite:///FILE` for one controller, `postgresql://USER@HOST/NAME` for several. Never
    with a password: PostgreSQL's own PGPASSFILE or certificates say who we are."""
    lease_seconds: Seconds = 1.5
    """With a shared ledger: a leader that has been silent for this long is followed by a standby."""
    kubernetes_lease: Name | None = None
    """Elect the leader by a Lease object of this name in our own namespace. Omitted: by the ledger."""


class FleetPrometheus(Prometheus):
    """A Prometheus server that knows several origins or clusters."""

    name: Name
    """For messages and metrics."""


class PolicyTelemetry(Shape):
    """Sources of measurements that belong to no single origin."""

    prometheus: Many[FleetPrometheus] = ()
    """Prometheus servers."""


class PolicySpec(Shape):
    """How carefully to act."""

    tick: Tick = Tick()
    probes: Probes = Probes()
    guards: Guards = Guards()
    weights: Weights = Weights()
    prices: PriceRatios = PriceRatios()
    placement: Placement = Placement()
    push: Push = Push()
    drills: Drills = Drills()
    server: Server = Server()
    telemetry: PolicyTelemetry = PolicyTelemetry()


class Policy(Document):
    """The policy: one for the fleet, or none for the defaults."""

    kind: Literal["Policy"]
    spec: PolicySpec
