"""What a fleet is asked for over time: rates of flows, each with a shape."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.fields import Amount, Label, Many, Name, Positive, PositiveRatio, Shape, Text
from simulator.scenario.fields import Duration, Factor


class Stage(Shape):
    """A straight way from where demand is to a factor."""

    lasts: Duration = Field(alias="for")
    """How long it takes."""
    to: Factor
    """The factor at its end."""


class Diurnal(Shape):
    """A day: a cosine between a trough and a peak, by the local time of each origin."""

    peak_hour: Annotated[float, Field(ge=0, lt=24)] = 20.0
    """Local hour of the peak, at which the factor is 1."""
    trough: PositiveRatio = 0.3
    """The factor twelve hours later."""
    starts_hour: Annotated[float, Field(ge=0, lt=24)] = 0.0
    """Hour, UTC, at which the scenario begins."""
    weekend: Factor = 1.0
    """What days six and seven are multiplied by."""


class FlashCrowd(Shape):
    """A sudden crowd that goes slowly."""

    at: Duration
    """When it begins to come."""
    rise: Duration = 60.0
    """How long until it is there."""
    hold: Duration = 300.0
    """How long it stays."""
    fall: Duration = 600.0
    """How long until it is gone."""
    factor: Factor
    """What demand is multiplied by at its height."""


class Replay(Shape):
    """A recorded series, read from a CSV file with a header."""

    file: Text
    """Relative to the scenario, or below `$EQUIPOISE_DATA` when it begins with `data:`."""
    time: Label = "t_offset_s"
    """The column of times: seconds, or timestamps (ISO 8601)."""
    value: Label | None = None
    """The column of requests/s. Omitted: every row is one request, counted per `every`."""
    every: Duration = 60.0
    """With `value` omitted: the length of a count."""
    starts: Duration = 0.0
    """Where in the series the scenario begins."""
    speed: Positive = 1.0
    """Recorded seconds per simulated one."""


class DemandShape(Shape):
    """Demand of some flows. Several entries for one flow add up."""

    service: Name | Literal["*"] = "*"
    """Whose; `*`: every exposed service."""
    origin: Name | Literal["*"] | Many[Name] = "*"
    """Where it comes in; `*`: everywhere."""
    rps: Amount | None = None
    """Requests/s of each flow at factor 1. Omitted: `expectedRps` of the documents, or what was drawn."""
    stages: Many[Stage] = ()
    """Straight pieces of the factor; it begins at 1 and ends where the last one does."""
    diurnal: Diurnal | None = None
    """A day."""
    crowd: FlashCrowd | None = None
    """A flash crowd."""
    replay: Replay | None = None
    """A recorded series; its mean over the scenario becomes factor 1."""
    noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Relative error that comes and goes within minutes, each flow on its own."""

    @model_validator(mode="after")
    def _shapes(self) -> Self:
        if self.replay and (self.stages or self.diurnal):
            raise ValueError("replay has its own shape: leave out stages and diurnal")
        return self
