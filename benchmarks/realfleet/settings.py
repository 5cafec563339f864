"""Settings that a planner has for the same fleet: what a millisecond is worth, and a round trip to stay within."""

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.realfleet.build import Day
from placement.columns import floats
from placement.fleet import Fleet

OURS = "equipoise"


@dataclass(frozen=True, slots=True)
class Setting:
    """How ours is set."""

    value: float = 1.0
    """Times what the services say a millisecond is worth."""
    target_ms: float = np.inf
    """Round trip to stay within, of services that are no models."""
    headroom: float = 0.5
    """`prices.headroomMultiple`: what load above the planned utilization costs."""

    def __str__(self) -> str:
        worth = "" if self.value == 1 else f", a millisecond worth {self.value:g} times as much"
        within = "" if np.isinf(self.target_ms) else f", round trips within {self.target_ms:g} ms"
        return OURS + worth + within + ("" if self.headroom == 0.5 else f", headroom at {self.headroom:g}")

    def fleet(self, day: Day) -> Fleet:
        """The fleet with it."""
        services, model = day.fleet.services, np.array([kind == "llm" for kind in day.kind])
        asked = replace(
            services,
            usd_per_request_ms=floats(self.value * services.usd_per_request_ms),
            rtt_target_ms=floats(np.where(model, np.inf, self.target_ms)),
        )
        return replace(day.fleet, services=asked)


SETTINGS = (
    *(Setting(value) for value in (0.25, 1.0, 4.0, 64.0)),
    *(Setting(value, target, headroom) for value in (1.0, 4.0) for target in (110.0, 90.0) for headroom in (0.5, 0.05)),
)
