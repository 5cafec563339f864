"""What one fault did to one data plane, read off its log and its users: pure functions over spans (from, to)."""

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.lab.effects import Span, within
from simulator.lab.trial.attempts import Attempt
from simulator.lab.trial.clients import Asked
from simulator.lab.trial.ground import FAULTY
from simulator.lab.watch import Change

LEFT_S = 1.0
"""A cluster has been left when nothing was sent there for this long before the end of the fault."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one fault, for one data plane."""

    shift_s: float | None
    """From the fault to the last request sent to the faulty cluster; None where it was not left in time."""
    detect_s: float | None
    """From the fault to the moment at which the cluster was given up; None where that is not known."""
    failed: int
    """Requests of its users that failed."""
    requests: int
    """All that they sent while the fault lasted."""


def shift_s(sent_at_s: Iterable[float], span: Span) -> float | None:
    """See Outcome; 0 where nothing was sent there at all."""
    last_s = max((at_s for at_s in sent_at_s if within(span, at_s)), default=span[0])
    return last_s - span[0] if last_s < span[1] - LEFT_S else None


def behind_a_gateway(
    attempts: Iterable[Attempt], detections: Iterable[float], asked: Iterable[Asked], entry: str, span: Span
) -> Outcome:
    """The outcome for the users of one gateway."""
    there = (attempt.at_s for attempt in attempts if FAULTY in attempt.clusters)
    found = min((at_s for at_s in detections if within(span, at_s)), default=None)
    own = [row for row in asked if row.entry == entry and within(span, row.at_s)]
    detect_s = None if found is None else found - span[0]
    return Outcome(shift_s(there, span), detect_s, sum(row.failed for row in own), len(own))


def by_name(asked: Iterable[Asked], entry: str, span: Span) -> Outcome:
    """The outcome for clients that look up a name. When its server knew is its own affair."""
    own = [row for row in asked if row.entry == entry and within(span, row.at_s)]
    there = (row.at_s for row in own if row.to == FAULTY)
    return Outcome(shift_s(there, span), None, sum(row.failed for row in own), len(own))


def verdicts_s(changes: Iterable[Change], since_s: float) -> list[float]:
    """When the controller condemned the faulty cluster, after a moment."""
    return [c.at_s for c in changes if c.cluster == FAULTY and c.verdict == "DOWN" and c.at_s >= since_s]
