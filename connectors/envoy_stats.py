"""The counters of one Envoy, read from its admin interface: for proxies that nobody scrapes and that report no load.

`GET /stats?filter=...&format=json` gives counters since the proxy started; two looks make rates. A counter that fell is
a proxy that was started again: that look counts from zero. Names of clusters say service and destination, by the
expression of a `connectors.promql.Scope`. (envoyproxy.io: operations/admin, configuration/upstream/cluster_manager/
cluster_stats.)
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from typing_extensions import TypedDict

from connectors.expressions import DESTINATION
from connectors.http import Edge
from connectors.telemetry import Batch, Signal
from placement.columns import floats

FILTER = r"^cluster\..*\.upstream_rq_(completed|5xx)$"
NAME = re.compile(r"cluster\.(?P<cluster>.+)\.upstream_rq_(?P<counter>completed|5xx)")
PARTS = re.compile(r"\.(internal|external|canary)$|\.zone\.")
"""Counts of a part of the requests, which the whole has too."""


class Stat(TypedDict, total=False):
    """One statistic; histograms have other fields."""

    name: str
    value: int


class Stats(TypedDict):
    """The answer."""

    stats: list[Stat]


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests by (service, cluster) since the proxy started."""

    at_s: float
    all: dict[tuple[str, str], int]
    failed: dict[tuple[str, str], int]


class EnvoyStats:
    """A TelemetrySource for the admin interface of one Envoy of one origin."""

    def __init__(
        self, origin: str, edge: Edge, now_s: Callable[[], float], home: str = "", destination: str = DESTINATION
    ) -> None:
        self.name, self.origin, self.home = f"envoy:{origin}", origin, home
        self.edge, self.now_s, self.destination = edge, now_s, re.compile(destination)
        self._last: Counts | None = None

    async def collect(self) -> tuple[Batch, ...]:
        """Demand, its split and errors since the last look; nothing the first time. Raises Unavailable."""
        answer = await self.edge.ask(
            "GET", "/stats", "its counters", params={"format": "json", "filter": FILTER, "usedonly": ""}
        )
        counts = self.counted(answer.understood(Stats), self.now_s())
        last, self._last = self._last, counts
        return () if last is None or counts.at_s <= last.at_s else self._batches(last, counts)

    def counted(self, stats: Stats, at_s: float) -> Counts:
        """The counters of destinations; clusters that are none of ours are left out."""
        counts = Counts(at_s, {}, {})
        for stat in stats["stats"]:
            said = NAME.fullmatch(stat.get("name", ""))
            whole = said is not None and not PARTS.search(said["cluster"])
            found = self.destination.fullmatch(said["cluster"]) if said and whole else None
            if said is None or found is None or "value" not in stat:
                continue
            groups = found.groups()
            key = (groups[0], groups[1] if len(groups) > 1 and groups[1] else self.home)
            kind = counts.failed if said["counter"] == "5xx" else counts.all
            kind[key] = kind.get(key, 0) + stat["value"]
        return counts

    def _batches(self, last: Counts, now: Counts) -> tuple[Batch, ...]:
        passed_s, keys = now.at_s - last.at_s, sorted(now.all)
        sent = {key: _since(now.all, last.all, key) for key in keys}
        failed = {key: _since(now.failed, last.failed, key) for key in keys}
        demand: dict[str, int] = {}
        for (service, _), count in sent.items():
            demand[service] = demand.get(service, 0) + count
        asked = [key for key in keys if sent[key] > 0]
        made = (
            (Signal.DEMAND_RPS, [(s, self.origin) for s in demand], [count / passed_s for count in demand.values()]),
            (Signal.SENT_RPS, [(s, self.origin, c) for s, c in keys], [sent[key] / passed_s for key in keys]),
            (Signal.ERROR_RATIO, asked, [min(1.0, failed[key] / sent[key]) for key in asked]),
        )
        return tuple(
            Batch(signal, self.name, now.at_s, tuple(keyed), floats(values)) for signal, keyed, values in made if keyed
        )


def _since(now: dict[tuple[str, str], int], last: dict[tuple[str, str], int], key: tuple[str, str]) -> int:
    count, before = now.get(key, 0), last.get(key, 0)
    return count - before if count >= before else count
