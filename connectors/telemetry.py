"""Measurements as they come in: unchecked, possibly missing, late, repeated or wrong. Hygiene is the scheduler's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from placement.columns import Floats
from placement.fleet import ClusterId, ServiceId


class Signal(StrEnum):
    """What is measured, with its unit and what its keys are."""

    DEMAND_RPS = "demand_rps"
    """Offered requests/s; keys (service, origin)."""
    SENT_RPS = "sent_rps"
    """Requests/s that an origin sent to a cluster; keys (service, origin, cluster)."""
    CAPACITY_RPS = "capacity_rps"
    """Most requests/s that a backend serves now; keys (service, cluster)."""
    LATENCY_MS = "latency_ms"
    """Time in the backend, without the network; keys (service, cluster)."""
    LATENCY_P95_MS = "latency_p95_ms"
    """95 % of the requests are answered within this; keys (service, cluster)."""
    ERROR_RATIO = "error_ratio"
    """Failed over all requests; keys (service, cluster)."""


KEYS: Mapping[Signal, tuple[str, ...]] = {
    Signal.DEMAND_RPS: ("service", "origin"),
    Signal.SENT_RPS: ("service", "origin", "cluster"),
    Signal.CAPACITY_RPS: ("service", "cluster"),
    Signal.LATENCY_MS: ("service", "cluster"),
    Signal.LATENCY_P95_MS: ("service", "cluster"),
    Signal.ERROR_RATIO: ("service", "cluster"),
}
"""What the keys of each signal name; also the labels of its series."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Measurements of one signal from one source: row i is `keys[i]`, `value[i]`."""

    signal: Signal
    source: str
    """Who says so: `lrs:eu-west`, `prometheus:eu-west`."""
    at_s: float
    """When it was measured, on the clock of the one who asked."""
    keys: tuple[tuple[str, ...], ...]
    value: Floats
    """NaN where the source had the series but no number."""


Witness = Callable[[list[tuple[ServiceId, ClusterId, int, int]], float, float], None]
"""Takes what clients saw: (service, cluster, answered well, failed), counted between two moments."""


class TelemetrySource(Protocol):
    """Something that measures."""

    @property
    def name(self) -> str:
        """For messages and metrics."""

    async def collect(self) -> tuple[Batch, ...]:
        """What is new since the last call; raises Unavailable."""
