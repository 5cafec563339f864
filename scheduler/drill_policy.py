"""From the Policy document to what drills go by."""

from config.drills import Blocked
from config.drills import Drills as DrillsSpec
from health.drill_harm import Envelope
from scheduler.drill_calendar import DrillPolicy, Window
from scheduler.error_budget import BudgetLimits
from scheduler.sections import numbers

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def drill_policy(spec: DrillsSpec) -> DrillPolicy:
    """The numbers of the document."""
    return numbers(
        DrillPolicy,
        spec,
        kinds=spec.losses,
        envelope=numbers(Envelope, spec.limits, probe_age_max_s=2 * spec.probe_every_seconds),
        budget=BudgetLimits(
            spec.limits.success_objective, spec.limits.budget_window_seconds, spec.limits.budget_left_min
        ),
        blocked=tuple(window(blocked) for blocked in spec.blocked),
    )


def window(blocked: Blocked) -> Window:
    """A blocked time of the week."""
    days = frozenset(WEEKDAYS.index(day) for day in blocked.days)
    return Window(days, _minute(blocked.from_utc), _minute(blocked.until_utc))


def _minute(clock: str) -> int:
    hours, minutes = clock.split(":")
    return 60 * int(hours) + int(minutes)
