"""What we decided: a routing, what it costs, and the reason."""

from dataclasses import dataclass
from enum import StrEnum

from placement.cost import Cost
from placement.routing import Routing


class Reason(StrEnum):
    """Why a routing is what it is."""

    SOLVED = "solved"
    HELD = "held"
    FAILOVER = "failover"
    FROZEN = "frozen"
    ROLLBACK = "rollback"
    """Back to the last known good: a push made something worse."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A routing we want."""

    routing: Routing
    cost: Cost
    reason: Reason
    detail: str = ""
    """For people: which loss, why held."""
    lower_bound_usd_per_hour: float = float("nan")
    """No routing of this problem costs less; NaN where none was computed."""

    @property
    def gap(self) -> float:
        """Certified relative distance to the optimum of the problem; NaN where none was computed."""
        return self.cost.objective_usd_per_hour / self.lower_bound_usd_per_hour - 1
