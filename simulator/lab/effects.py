"""What something did to the fleet, read off the records: pure functions over requests, attempts and views.

Moments are on the machine's monotonic clock; a span is (from, to).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from simulator.lab.attempts import Attempt
from simulator.lab.load import Served
from simulator.lab.watch import Change, Push, View

Span = tuple[float, float]

WINDOW_MIN_S = 0.5
"""Shortest time of unchanged weights over which a split is judged."""
QUIET_S = 1.0
"""So long without a request means that a cluster was not in use."""
SETTLE_S = 0.3
"""After weights were seen: the longest way to a mesh and one poll."""
HOME_RATIO = 0.9
"""A cluster is fully back when it serves this part of the users around it."""


def within(span: Span, at_s: float) -> bool:
    """Whether a moment is in a span."""
    return span[0] <= at_s < span[1]


def detect_s(changes: Iterable[Change], cluster: str, killed_s: float) -> float | None:
    """Kill to the first verdict DOWN on a service of the cluster; None when there was none."""
    found = [c.at_s for c in changes if c.cluster == cluster and c.verdict == "DOWN" and c.at_s >= killed_s]
    return min(found) - killed_s if found else None


def shift_s(attempts: Iterable[Attempt], cluster: str, dead: Span) -> float:
    """Kill to the last attempt of another cluster's gateway to reach the dead one; 0 when there was none."""
    late = [a.at_s for a in attempts if a.cluster == cluster != a.origin and within(dead, a.at_s)]
    return max(late) - dead[0] if late else 0.0


def tick_to_request_s(
    attempts: Iterable[Attempt], pushes: Iterable[Push], origin: str, cluster: str, since_s: float
) -> float | None:
    """From the start of the tick that gave a cluster some of an origin's requests to the first of these requests.

    None where it had some shortly before `since_s`. Includes deciding, pushing, and the wait for a request.
    """
    there = [a.at_s for a in attempts if (a.origin, a.cluster) == (origin, cluster)]
    if any(since_s - QUIET_S <= at_s < since_s for at_s in there):
        return None
    first_s = min((at_s for at_s in there if at_s >= since_s), default=math.nan)
    before = [push.at_s for push in pushes if push.origin == origin and since_s <= push.at_s <= first_s]
    return first_s - max(before) if before else None


def away_ratio(served: Iterable[Served], region: str, span: Span) -> float:
    """The part of a region's good answers that came from another cluster than its own; 0 without any."""
    seen = [s.cluster != region for s in served if s.region == region and not s.failed and within(span, s.at_s)]
    return sum(seen) / len(seen) if seen else 0.0


def first_served_s(served: Iterable[Served], cluster: str, since_s: float) -> float | None:
    """Until a cluster's front end served a request again."""
    found = [s.at_s for s in served if s.cluster == cluster and not s.failed and s.at_s >= since_s]
    return min(found) - since_s if found else None


def home_again_s(served: Sequence[Served], region: str, span: Span) -> float | None:
    """Until the first whole second in which nearly all users of a region were served at home; None when none was."""
    for second in range(int(span[1] - span[0])):
        if mostly_home(served, region, (span[0] + second, span[0] + second + 1)):
            return second + 1.0
    return None


def mostly_home(served: Iterable[Served], region: str, span: Span) -> bool:
    """Whether there were good answers for a region, and nearly all from its own cluster."""
    own = [s.cluster == region for s in served if s.region == region and not s.failed and within(span, s.at_s)]
    return bool(own) and sum(own) >= HOME_RATIO * len(own)


def weights_moves_s(history: Iterable[View], flow: str, span: Span) -> tuple[float, float] | None:
    """When the weights of a flow (`service@origin`) first and last changed within a span, counted from its start."""
    seen = [(view.seen_s, view.weights().get(flow)) for view in history if within(span, view.seen_s)]
    moved = [at_s for (_, before), (at_s, after) in pairwise(seen) if before != after]
    return (moved[0] - span[0], moved[-1] - span[0]) if moved else None


def percentile(values: Iterable[float], q: float) -> float:
    """The smallest value that is not below a part `q` of them; NaN without values."""
    ordered = sorted(values)
    return ordered[max(math.ceil(q * len(ordered)) - 1, 0)] if ordered else math.nan


@dataclass(frozen=True, slots=True)
class Split:
    """The requests of one flow that one cluster got, over all windows in which its weights stood still."""

    flow: str
    cluster: str
    attempts: int
    """Of the flow, to any cluster."""
    expected: float
    got: int
    variance: float

    @property
    def deviation(self) -> float:
        """In standard errors of a binomial count; infinite for requests that no weight explains."""
        if self.variance:
            return abs(self.got - self.expected) / math.sqrt(self.variance)
        return 0.0 if self.got == self.expected else math.inf


def splits(history: Sequence[View], attempts: Sequence[Attempt]) -> list[Split]:
    """Every (flow, cluster) with a split weight. Windows with a broken attempt are left out: a retry goes elsewhere."""
    sums: dict[tuple[str, str], list[Split]] = {}
    for flow, weights, span in _windows(history):
        service, _, origin = flow.partition("@")
        seen = [a for a in attempts if (a.service, a.origin) == (service, origin) and within(span, a.at_s)]
        if all(a.code == 200 for a in seen):
            counts, n, total = Counter(a.cluster for a in seen), len(seen), sum(weights.values())
            for cluster in weights.keys() | counts.keys():
                p = weights.get(cluster, 0) / total
                part = Split(flow, cluster, n, n * p, counts[cluster], n * p * (1 - p))
                sums.setdefault((flow, cluster), []).append(part)
    return [_sum(parts) for _, parts in sorted(sums.items())]


def _sum(parts: list[Split]) -> Split:
    return Split(
        parts[0].flow, parts[0].cluster, sum(p.attempts for p in parts), sum(p.expected for p in parts),
        sum(p.got for p in parts), sum(p.variance for p in parts),
    )  # fmt: skip


def _windows(history: Sequence[View]) -> Iterator[tuple[str, dict[str, int], Span]]:
    """Flows whose weights name at least two clusters, with the spans in which they stood still."""
    flows = sorted({flow for view in history for flow in view.weights()})
    for flow in flows:
        rows = [(view.seen_s, view.weights().get(flow, {})) for view in history]
        for _, group in groupby(rows, key=lambda row: row[1]):
            stood = list(group)
            span = (stood[0][0] + SETTLE_S, stood[-1][0])
            if len(stood[0][1]) > 1 and span[1] - span[0] >= WINDOW_MIN_S:
                yield flow, stood[0][1], span
