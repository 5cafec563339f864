"""The part of a Policy that says how failovers are rehearsed."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.fields import Many, Positive, PositiveRatio, Ratio, Seconds, Shape

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
LossKind = Literal["cluster", "region", "provider", "tier"]
WEEK_SECONDS = 7 * 86_400
Cadence = Annotated[float, Field(gt=0, le=8 * WEEK_SECONDS, allow_inf_nan=False)]


class Blocked(Shape):
    """A time of the week in which no drill begins."""

    days: Many[Weekday] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    """On which it begins; all where left out."""
    from_utc: Clock
    """HH:MM."""
    until_utc: Clock
    """HH:MM. Before `fromUtc` it is of the next day."""


class DrillLimits(Shape):
    """What a drill may do to others; beyond it is taken back at once, or does not begin."""

    utilization_start_max: PositiveRatio = 0.75
    """Of a receiver, as foreseen after the farthest step."""
    utilization_max: PositiveRatio = 0.85
    """Of a receiver, as measured."""
    traffic_max: PositiveRatio = 0.05
    """Part of all requests that a canary moves at most. A full drill moves what the loss would."""
    success_drop_max: Ratio = 0.001
    """How much less often its requests may succeed than the others of the same minute."""
    latency_rise_max: Positive = 0.2
    """Part by which a receiver may become slower than it was, on average or in the slowest 5 % (p95) ..."""
    latency_rise_seconds: Seconds = 10.0
    """... for no longer than this."""
    success_objective: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.999
    """Part of its requests that every service is to answer well: what it fails beyond is its error budget ..."""
    budget_window_seconds: Seconds = 3_600.0
    """... over this time ..."""
    budget_left_min: Ratio = 0.5
    """... of which this part has to be left, or no drill moves the service's requests. 0: budgets are not looked at."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.utilization_max < self.utilization_start_max:
            raise ValueError(
                f"utilizationMax {self.utilization_max:g} is below utilizationStartMax {self.utilization_start_max:g}"
            )
        return self


class Drills(Shape):
    """How failovers are tried before they are needed. Proofs (L0), probes (L1) and dry pushes (L2) always run."""

    automatic: bool = False
    """Whether drills that move requests, canaries (L3) and full ones (L4), begin by themselves."""
    losses: Many[LossKind] = ("cluster",)
    """Kinds of losses that are drilled by themselves."""
    probe_every_seconds: Seconds = 60.0
    """How often a request is sent along every leg of every path."""
    dry_push_every_seconds: Cadence = 900.0
    """How often the meshes are given the weights of each loss, for no request."""
    canary_every_seconds: Cadence = 86_400.0
    """How often 1, 5 and 10 % of the requests go the failover's way."""
    full_every_seconds: Cadence = float(WEEK_SECONDS)
    """How often all of them do."""
    step_seconds: Seconds = 60.0
    """How long each step is held."""
    hold_seconds: Seconds = 1_800.0
    """How long a full drill holds everything away."""
    lease_seconds: Seconds = 5.0
    """A mesh that hears nothing for this long lets go of a drill by itself."""
    trickle_ratio: Annotated[float, Field(ge=0, le=0.1, allow_inf_nan=False)] = 0.0
    """Part of every flow from outside that stands on one cluster alone which goes to its next best one all the time,
    so that no standby is cold. 0 for none."""
    limits: DrillLimits = DrillLimits()
    blocked: Many[Blocked] = ()
    """When no drill begins."""

    @model_validator(mode="after")
    def _lease_is_short(self) -> Self:
        if self.lease_seconds > self.step_seconds:
            raise ValueError(f"leaseSeconds {self.lease_seconds:g} is longer than stepSeconds {self.step_seconds:g}")
        return self
