"""Shapes that several answers share. The unit of a number stands at the end of its name."""

from scheduler.api.route import Shown

Shares = dict[str, float]
"""Cluster, or SHED for what is refused -> share of the requests."""
Number = float | None
"""None where there is no number."""


class CostParts(Shown):
    """$/h. Compute and egress are billed, the others are what waiting, refusing and moving are worth."""

    compute: float
    egress: float
    latency: float
    quality: float
    headroom: float
    shed: float
    churn: float
    overload: float
    billed: float
    total: float


class Change(Shown):
    """A verdict that changed."""

    at_s: float
    backend: str
    before: str
    after: str


class Backend(Shown):
    """A service in a cluster."""

    service: str
    cluster: str
    load_rps: float
    capacity_rps: float
    utilization: Number
    verdict: str
    latency_ms: Number
    error_ratio: Number


class PushOutcome(Shown):
    """What a mesh said to a write."""

    origin: str
    version: int
    at_s: float
    reason: str
    stored: bool
    accepted: bool | None
    detail: str


class LossRow(Shown):
    """What a loss would do."""

    loss: str
    worst_backend: str
    worst_utilization: Number
    shed_rps: float
    p95_ms: Number
    objective_usd_per_hour: float
    solved: bool
    made_at_s: float
