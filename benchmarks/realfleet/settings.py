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

    def __str__(self) -> str:
        worth = "" if self.value == 1 else f", a millisecond worth {self.value:g} times as much"
        return OURS + worth + ("" if np.isinf(self.target_ms) else f", round trips within {self.target_ms:g} ms")

    def fleet(self, day: Day) -> Fleet:
        """The fleet with it."""
        services, model = day.fleet.services, np.array([kind == "llm" for kind in day.kind])
        asked = replace(
            services,
            usd_per_request_ms=floats(self.value * services.usd_per_request_ms),
            rtt_target_ms=floats(np.where(model, np.inf, self.target_ms)),
        )
        return replace(day.fleet, services=asked)


SETTINGS = tuple(Setting(value, target) for value in (0.25, 1.0, 4.0, 64.0) for target in (np.inf, 110.0, 90.0))
