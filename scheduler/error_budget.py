"""Error budgets: how much of what a service may fail it has failed lately, as telemetry says.

A service with the objective 99.9 % may fail one request of a thousand; the budget of a window is that part of the
requests of the window. Older requests fade instead of falling out, so one number per service is enough. What nobody
measures spends nothing. Forgotten on a restart: a drill then sees a full budget for a while.
"""

from dataclasses import dataclass, field

import numpy as np

from connectors.telemetry import Signal
from placement.columns import Bools, Floats
from placement.cost import loads
from placement.fleet import Fleet
from scheduler.state import State

FRESH_S = 10.0
"""Error ratios that were measured longer ago say nothing of the requests of now."""
LEAST_FAILURES = 10.0
"""A budget is never counted as smaller than this many requests: one failure is no burn."""


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """What a service may fail, and how much of that has to be left."""

    objective: float = 0.999
    """Part of the requests that has to succeed."""
    window_s: float = 3_600.0
    left_min: float = 0.5
    """Part of the budget that has to be left for a drill to begin or go on; 0: budgets are not looked at."""


@dataclass(slots=True)
class ErrorBudgets:
    """(S,) what was asked and failed, fading with the window. `count` it once in a while, whatever else happens."""

    fleet: Fleet | None = None
    at_s: float = 0.0
    asked: Floats = field(default_factory=lambda: np.zeros(0))
    failed: Floats = field(default_factory=lambda: np.zeros(0))

    def count(self, state: State, at_s: float, limits: BudgetLimits) -> None:
        """Take in what was measured since the last count."""
        problem = state.problem
        if problem is None or problem.fleet is not state.fleet:
            return
        if self.fleet is not state.fleet:
            self._follow(state.fleet, at_s)
        seconds, self.at_s = min(max(at_s - self.at_s, 0.0), FRESH_S), at_s
        measured = state.memory.taken_at_s.get(Signal.ERROR_RATIO)
        if measured is None or len(measured) != len(state.fleet.backends):
            return
        rps = np.where(at_s - measured <= FRESH_S, loads(problem, state.routing).backend_rps, 0.0)
        service, count = state.fleet.backends.service, len(state.fleet.services)
        fades = np.exp(-seconds / limits.window_s)
        self.asked = self.asked * fades + seconds * np.bincount(service, rps, count)
        self.failed = self.failed * fades + seconds * np.bincount(service, rps * state.readings.error_ratio, count)

    def left(self, limits: BudgetLimits) -> Floats:
        """(S,) part of each budget that is left: 1 untouched, 0 spent, less when overdrawn."""
        allowed = np.maximum(self.asked * (1 - limits.objective), LEAST_FAILURES)
        return np.asarray(1 - self.failed / allowed, dtype=np.float64)

    def spent(self, services: Bools, limits: BudgetLimits) -> str:
        """Which of some services, (S,), has too little of its budget left, for people; empty where none has."""
        if not limits.left_min or self.fleet is None or len(services) != len(self.asked) or not services.any():
            return ""
        left = np.where(services, self.left(limits), np.inf)
        worst = int(left.argmin())
        if left[worst] >= limits.left_min:
            return ""
        return (
            f"{self.fleet.services.ids[worst]} has {max(left[worst], 0.0):.0%} of its error budget left "
            f"({limits.objective:.3%} over {limits.window_s / 60:.0f} min), {limits.left_min:.0%} are asked"
        )

    def _follow(self, fleet: Fleet, at_s: float) -> None:
        """Keep what is known of services that stay."""
        known = {} if self.fleet is None else dict(zip(self.fleet.services.ids, zip(self.asked, self.failed)))  # noqa: B905
        kept = [known.get(name, (0.0, 0.0)) for name in fleet.services.ids]
        self.asked, self.failed = (np.array([row[i] for row in kept]) for i in (0, 1))
        self.fleet, self.at_s = fleet, at_s
