"""Telemetry that agents send: taken in at once, looked at by the loop's hygiene like any other.

A sample is never trusted for who sends it: keys that the fleet does not know, numbers that cannot be and jumps are
refused and counted at the next tick. What is answered here is only that it was taken in.
"""

import time
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from connectors.telemetry import Batch, Signal
from scheduler.access.role import Role
from scheduler.api.metrics import Metrics
from scheduler.api.problem import Failure
from scheduler.api.route import KIB, Answer, Call, Route, Said, Shown
from scheduler.intake import AGENT, Collector

TAG = "telemetry"
BODY_MAX_BYTES = 4 * 1024 * KIB
SAMPLES_MAX = 50_000
AGE_MAX_S = 60.0
ABOUT = (
    "Columns: `keys[i]` was measured to be `value[i]`. Keys are (service, origin) for `demand_rps`, (service, origin, "
    "cluster) for `sent_rps`, else (service, cluster). `age_s` says how long ago, on the sender's own clock, so that "
    "clocks need not be in step. 503: the loop does not keep up; send again, newer."
)
Word = Annotated[str, Field(min_length=1, max_length=63)]
PARTS = {"demand_rps": 2, "sent_rps": 3, "capacity_rps": 2, "latency_ms": 2, "error_ratio": 2}


class Column(Said):
    """One signal."""

    signal: Literal["demand_rps", "sent_rps", "capacity_rps", "latency_ms", "error_ratio"]
    age_s: Annotated[float, Field(ge=0, le=AGE_MAX_S)] = 0.0
    keys: Annotated[list[list[Word]], Field(min_length=1, max_length=SAMPLES_MAX)]
    value: Annotated[list[float], Field(min_length=1, max_length=SAMPLES_MAX)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.keys) != len(self.value):
            raise ValueError(f"{len(self.keys)} keys and {len(self.value)} values")
        parts = PARTS[self.signal]
        if any(len(key) != parts for key in self.keys):
            raise ValueError(f"a key of {self.signal} has {parts} names")
        return self


class TelemetrySent(Said):
    """What an agent measured since it last sent."""

    columns: Annotated[list[Column], Field(min_length=1, max_length=50)]


class TelemetryTaken(Shown):
    """So many samples wait for the next tick."""

    samples: int


class TelemetryApi:
    """Posts to the collector."""

    def __init__(self, collector: Collector, metrics: Metrics) -> None:
        self.collector, self.metrics = collector, metrics
        metrics.handed.set_function(lambda: float(collector.handed))

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("POST", "/api/v1/telemetry", Role.AGENT, TAG, "Take in what was measured", self.taken, about=ABOUT,
                  body=TelemetrySent, body_max_bytes=BODY_MAX_BYTES, answers={202: TelemetryTaken}, agents=True),
        ]  # fmt: skip

    async def taken(self, call: Call) -> Answer:
        """202 is a promise: it is lost only with the process."""
        columns, now_s = call.sent(TelemetrySent).columns, time.monotonic()
        if self.collector.room() < len(columns):
            raise Failure(503, "the loop does not keep up; send again, newer", headers={"Retry-After": "1"})
        source = f"{AGENT}{call.principal.name}"
        self.collector.post(
            Batch(Signal(c.signal), source, now_s - c.age_s, tuple(map(tuple, c.keys)), np.array(c.value))
            for c in columns
        )
        samples = sum(len(c.value) for c in columns)
        self.metrics.samples.inc(samples)
        return Answer(TelemetryTaken(samples=samples), 202)
