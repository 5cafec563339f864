"""What one fault did to one data plane, read off its log and its users: pure functions over spans (from, to)."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace

from simulator.lab.effects import Span, within
from simulator.lab.trial.attempts import Attempt
from simulator.lab.trial.clients import Asked
from simulator.lab.trial.ground import FAULTY
from simulator.lab.watch import Change

LEFT_S = 1.0
"""A cluster has been left when nothing was sent there for this long before the end of the fault."""

TRICKLE = 0.1
"""Less than this part of the requests, over a second, is a trickle: what shows whether a gray failure is over."""


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


def trickle_s(attempts: Iterable[Attempt], span: Span) -> float | None:
    """From the fault to the last request after which more than a trickle still went there; None as for a shift."""
    seen = sorted((a.at_s, FAULTY in a.clusters) for a in attempts if within(span, a.at_s))
    moments = [at_s for at_s, _ in seen]
    before = [0]
    for _, is_there in seen:
        before.append(before[-1] + is_there)
    ends = [bisect_left(moments, at_s + LEFT_S) for at_s in moments]
    shares = [(before[end] - before[row]) / (end - row) for row, end in enumerate(ends)]
    many = [at_s for (at_s, is_there), share in zip(seen, shares, strict=True) if is_there and share > TRICKLE]
    return shift_s(many, span)


def kept_away_s(attempts: Iterable[Attempt], span: Span) -> list[float]:
    """The moments at which requests were sent elsewhere from the start."""
    return [a.at_s for a in attempts if FAULTY not in a.clusters and within(span, a.at_s)]


def in_part(attempts: list[Attempt], asked: Iterable[Asked], entry: str, span: Span) -> Outcome:
    """The outcome where load is moved away in steps: detected with the first of them, shifted but for a trickle."""
    outcome = behind_a_gateway(attempts, kept_away_s(attempts, span), asked, entry, span)
    return replace(outcome, shift_s=trickle_s(attempts, span))


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
