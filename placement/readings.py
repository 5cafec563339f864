"""What we measured at one instant, after telemetry hygiene, and what the meshes and the probers said then."""

from dataclasses import dataclass

from placement.columns import Bools, Floats, check_numbers
from placement.routing import Routing


@dataclass(frozen=True, slots=True)
class Readings:
    """One look at the metrics. Every number is finite: what is unknown kept its last or declared value."""

    at_s: float
    """When the newest demand in it was measured; what is older than the policy allows makes the loop hold."""
    demand_rps: Floats
    """(F,) offered load of each flow, before any refusal."""
    capacity_rps: Floats
    """(B,) most load each backend serves with the replicas it has now."""
    latency_ms: Floats
    """(B,) time in the backend itself, without the network."""
    error_ratio: Floats
    """(B,) failed over all requests."""

    def __post_init__(self) -> None:
        """Raises ValueError for NaN, infinite and negative numbers: one of them makes nonsense of a whole plan."""
        for name in ("demand_rps", "capacity_rps", "latency_ms", "error_ratio"):
            check_numbers(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Readings, the routing the meshes report, and which backends are judged usable, at one instant."""

    at_s: float
    readings: Readings
    routing: Routing
    usable: Bools
    """(B,) False: no share may go there."""
    warmth: Floats
    """(B,) part of its capacity a backend may be given: 1 in service, less while it ramps after a return."""
    measured: Bools | None = None
    """(B,) whether the capacity was measured and not only declared; None where that is not known apart."""
    cut: Bools | None = None
    """(C,) clusters whose gateway is lost, which are reached from inside alone; None for none."""

    def age_s(self) -> float:
        """How old the readings are."""
        return self.at_s - self.readings.at_s
