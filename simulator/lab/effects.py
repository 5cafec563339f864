"""What something did to the fleet, read off the records: pure functions over requests, attempts and views.

Moments are on the machine's monotonic clock; a span is (from, to).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from simulator.lab.attempts import Attempt
from simulator.lab.load import Served
from simulator.lab.watch import Change, Push, View

Span = tuple[float, float]

WINDOW_MIN_S = 2.0
"""Shortest time of unchanged weights over which a split is judged."""
SETTLE_S = 0.3
"""After weights were seen: the longest way to a mesh and one poll."""
FULL_RATIO = 0.8
"""A cluster is fully back when it serves this part of what it served before."""


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


def push_to_request_s(
    attempts: Iterable[Attempt], pushes: Iterable[Push], origin: str, cluster: str, since_s: float
) -> float | None:
    """From the push that first gives a cluster some of an origin's requests to the first of these requests.

    The cluster must have had none before `since_s`. Includes the wait for a request that meets the new weights.
    """
    first_s = min((a.at_s for a in attempts if (a.origin, a.cluster) == (origin, cluster) and a.at_s >= since_s),
                  default=math.nan)  # fmt: skip
    before = [push.at_s for push in pushes if push.origin == origin and since_s <= push.at_s <= first_s]
    return first_s - max(before) if before else None


def away_ratio(served: Iterable[Served], region: str, span: Span) -> float:
    """The part of a region's good answers that came from another cluster than its own; 0 without any."""
    seen = [s.cluster != region for s in served if s.region == region and not s.failed and within(span, s.at_s)]
    return sum(seen) / len(seen) if seen else 0.0


def served_rps(served: Iterable[Served], cluster: str, span: Span) -> float:
    """Good answers per second of a cluster's front end."""
    return sum(s.cluster == cluster and not s.failed and within(span, s.at_s) for s in served) / (span[1] - span[0])


def first_served_s(served: Iterable[Served], cluster: str, since_s: float) -> float | None:
    """Until a cluster's front end served a request again."""
    found = [s.at_s for s in served if s.cluster == cluster and not s.failed and s.at_s >= since_s]
    return min(found) - since_s if found else None


def full_again_s(served: Sequence[Served], cluster: str, span: Span, usual_rps: float) -> float | None:
    """Until the first whole second in which a cluster served most of its usual load; None when it did not."""
    for second in range(int(span[1] - span[0])):
        bin_span = (span[0] + second, span[0] + second + 1)
        if served_rps(served, cluster, bin_span) >= FULL_RATIO * usual_rps:
            return second + 1.0
    return None


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
    """One flow while its weights stood still: how far the achieved split is from them."""

    flow: str
    attempts: int
    z: float
    """Largest deviation over the clusters, in standard deviations of a binomial count."""


def splits(history: Sequence[View], attempts: Sequence[Attempt]) -> Iterator[Split]:
    """Every window of unchanged, split weights without a broken attempt: retries go elsewhere on purpose."""
    for flow, weights, span in _windows(history):
        service, _, origin = flow.partition("@")
        seen = [a for a in attempts if (a.service, a.origin) == (service, origin) and within(span, a.at_s)]
        if seen and all(a.code == 200 for a in seen):
            yield Split(flow, len(seen), deviation(Counter(a.cluster for a in seen), weights))


def deviation(counts: Mapping[str, int], weights: Mapping[str, int]) -> float:
    """Largest |observed - expected| / sqrt(n p (1 - p)) over the clusters; infinite for one without a weight."""
    n, total = sum(counts.values()), sum(weights.values())
    if any(cluster not in weights for cluster in counts):
        return math.inf
    shares = {cluster: weight / total for cluster, weight in weights.items()}
    return max((abs(counts.get(c, 0) - n * p) / math.sqrt(n * p * (1 - p)) for c, p in shares.items() if p < 1),
               default=0.0)  # fmt: skip


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
