"""What model servers say of themselves in ORCA named metrics, as proxies report it: queue, cache, time to first token.

A server adds a header or trailer `endpoint-load-metrics` to its answers (vLLM says `kv_cache_usage_perc` and
`num_requests_waiting`, where a request asks for them by the header `endpoint-load-metrics-format`). Envoy adds up what
its upstreams are told to report (`lrs_report_endpoint_metrics`) and sends the sums with its load reports. Each number
is a mean over the requests that carried it, and so of the servers that answered them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from connectors.telemetry import Batch, Signal
from placement.columns import floats
from placement.fleet import ClusterId, ServiceId

PREFIX = "named_metrics."
REPORTED = f"{PREFIX}*"
"""What an Envoy is told to report."""
CACHE = frozenset({"kv_cache_usage_perc", "kv_cache_utilization"})
"""0 to 1, how full the cache of keys and values is: by it a GPU is full or not."""
QUEUE = frozenset({"num_requests_waiting", "queue"})
"""Requests that wait in a server."""
FIRST_TOKEN_MS = frozenset({"time_to_first_token_ms"})
BUSY_LEAST = 0.3
"""A server whose cache is emptier than this says little about how much it could serve."""
WAITING_LEAST = 1.0
"""Where so many wait in each server, it serves all that it can."""
NAMES_MAX = 64
"""Most names of a report that are looked at."""

Key = tuple[ServiceId, ClusterId]


@dataclass(slots=True)
class Named:
    """Sums of one backend since the last look."""

    issued: int = 0
    by_name: dict[str, tuple[int, float]] = field(default_factory=dict)
    """(requests that carried it, sum of its values)."""

    def mean(self, names: frozenset[str]) -> float | None:
        """Of the first of some names that was said."""
        found = [self.by_name[name] for name in sorted(names & self.by_name.keys())]
        return found[0][1] / found[0][0] if found and found[0][0] > 0 else None


@dataclass(slots=True)
class Serving:
    """What the proxies of one origin were told by model servers."""

    now_s: Callable[[], float]
    since_s: float = 0.0
    named: dict[Key, Named] = field(default_factory=lambda: defaultdict(Named))

    def add(self, key: Key, issued: int, said: Iterable[tuple[str, int, float]]) -> None:
        """Take in one row of a report: (name, requests with it, sum of its values)."""
        if not self.since_s:
            self.since_s = self.now_s()
        row = self.named[key]
        row.issued += issued
        for name, requests, total in said:
            plain = name.removeprefix(PREFIX)
            if requests > 0 and 0.0 <= total < float("inf") and (plain in row.by_name or len(row.by_name) < NAMES_MAX):
                had = row.by_name.get(plain, (0, 0.0))
                row.by_name[plain] = had[0] + requests, had[1] + total

    def taken(self, at_s: float) -> tuple[float, Mapping[Key, Named]]:
        """Seconds since the last look, and the sums of that time."""
        found, seconds = self.named, at_s - self.since_s if self.since_s else 0.0
        self.named, self.since_s = defaultdict(Named), at_s
        return seconds, found


class ServingQuality:
    """A TelemetrySource over the proxies of all origins, for a server's fullness is the work of all of them.

    Capacity is what it serves now over how full it is, an estimate that is made above BUSY_LEAST alone; where requests
    wait, what it serves is all. Latency is the time to the first token: what users wait for.
    """

    name = "orca"

    def __init__(self, of: Callable[[], Iterable[Serving]], now_s: Callable[[], float]) -> None:
        self._of, self._now_s = of, now_s

    async def collect(self) -> tuple[Batch, ...]:
        """Since the last look; nothing where no server said anything."""
        at_s = self._now_s()
        served: dict[Key, float] = defaultdict(float)
        whole: dict[Key, Named] = defaultdict(Named)
        for serving in self._of():
            seconds, found = serving.taken(at_s)
            for key, row in found.items():
                served[key] += row.issued / seconds if seconds > 0 else 0.0
                _merge(whole[key], row)
        capacity = {key: served[key] / full for key, row in whole.items() if (full := _full(row)) and served[key] > 0}
        waits = {key: took for key, row in whole.items() if (took := row.mean(FIRST_TOKEN_MS)) is not None}
        found_ = ((Signal.CAPACITY_RPS, capacity), (Signal.LATENCY_MS, waits))
        return tuple(
            Batch(signal, self.name, at_s, tuple(values), floats(list(values.values())))
            for signal, values in found_
            if values
        )


def _merge(into: Named, row: Named) -> None:
    into.issued += row.issued
    for name, (requests, total) in row.by_name.items():
        had = into.by_name.get(name, (0, 0.0))
        into.by_name[name] = had[0] + requests, had[1] + total


def _full(row: Named) -> float | None:
    """How full the servers are, 0 to 1; None where they are too idle to tell."""
    cache, queue = row.mean(CACHE), row.mean(QUEUE)
    if queue is not None and queue >= WAITING_LEAST:
        return 1.0
    return min(cache, 1.0) if cache is not None and cache > BUSY_LEAST else None
