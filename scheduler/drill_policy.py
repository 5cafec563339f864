"""From the Policy document to what drills go by."""

from config.drills import Blocked
from config.drills import Drills as DrillsSpec
from health.drill_harm import Envelope
from scheduler.drill_calendar import DrillPolicy, Window

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def drill_policy(spec: DrillsSpec) -> DrillPolicy:
    """The numbers of the document."""
    limits = spec.limits
    return DrillPolicy(
        automatic=spec.automatic,
        probe_every_s=spec.probe_every_seconds,
        dry_push_every_s=spec.dry_push_every_seconds,
        canary_every_s=spec.canary_every_seconds,
        full_every_s=spec.full_every_seconds,
        step_s=spec.step_seconds,
        hold_s=spec.hold_seconds,
        lease_s=spec.lease_seconds,
        kinds=spec.losses,
        envelope=Envelope(
            utilization_start_max=limits.utilization_start_max,
            utilization_max=limits.utilization_max,
            traffic_max=limits.traffic_max,
            success_drop_max=limits.success_drop_max,
            latency_rise_max=limits.latency_rise_max,
            latency_rise_s=limits.latency_rise_seconds,
            probe_age_max_s=2 * spec.probe_every_seconds,
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
