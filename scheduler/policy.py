"""What an operator fixes for the loop: plain numbers, parsed from the Policy document by the wiring."""

from dataclasses import dataclass, field

from health.rules import Rules
from placement.guard import Limits
from placement.problem import Prices
from placement.quantize import Rounding
from scheduler.conduct import ConductLimits
from scheduler.hygiene import HygieneLimits


@dataclass(frozen=True, slots=True)
class Policy:
    """Every limit of the loop."""

    period_s: float = 5.0
    """One tick in this time; a loss does not wait for it."""
    readings_age_max_s: float = 60.0
    """Older demand than this is not planned with: the loop holds."""
    push_deadline_s: float = 1.0
    """How long one tick waits for a mesh to answer."""
    prices: Prices = field(default_factory=Prices)
    limits: Limits = field(default_factory=Limits)
    rounding: Rounding = field(default_factory=Rounding)
    rules: Rules = field(default_factory=Rules)
    hygiene: HygieneLimits = field(default_factory=HygieneLimits)
    conduct: ConductLimits = field(default_factory=ConductLimits)
    trickle_ratio: float = 0.0
    """Least part of a flow from outside that goes to its next best cluster, so that a standby is never cold."""
