"""Achieved splits: requests that every origin was seen to send, counted from the moment its weights took effect."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.achieved import achieved, split_error
from connectors.telemetry import Batch, Signal
from placement.fleet import OriginId
from placement.weights import WeightTable

GAP_MAX_S = 60.0
"""A rate says nothing of a longer time than this before it was measured."""
REQUESTS_KEPT = 10_000.0
"""Beyond so many requests of one service older ones count half, so that a change of heart is seen."""


@dataclass(slots=True)
class Watched:
    """The table of one origin and what was sent under it."""

    table: WeightTable
    since_s: float
    """Requests before this followed other weights."""
    counts: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    """Requests by service and cluster."""


class SplitMeter:
    """Counts from SENT_RPS, batch by batch, whoever measured: proxies or a Prometheus."""

    def __init__(self) -> None:
        self._watched: dict[OriginId, Watched] = {}
        self._said_at_s: dict[tuple[str, str], float] = {}

    def written(self, table: WeightTable, at_s: float, settle_s: float) -> None:
        """An origin has these weights; what is measured before they settled is of others.

        The same weights again, be it under another fence, go on counting.
        """
        known = self._watched.get(table.origin)
        if known is not None and (known.table is table or known.table.same_weights(table)):
            known.table = table
        else:
            self._watched[table.origin] = Watched(table, at_s + settle_s)

    def hear(self, batch: Batch) -> None:
        """Take in one batch; what is no SENT_RPS is not for us."""
        if batch.signal is not Signal.SENT_RPS:
            return
        for (service, origin, cluster), rps in zip(batch.keys, batch.value.tolist(), strict=True):
            watched = self._watched.get(OriginId(origin))
            if watched is None or not math.isfinite(rps) or rps < 0:
                continue
            before_s = self._said_at_s.get((batch.source, origin), -math.inf)
            from_s = max(before_s, watched.since_s, batch.at_s - GAP_MAX_S)
            if before_s > -math.inf and batch.at_s > from_s:
                self._count(watched.counts[service], cluster, rps * (batch.at_s - from_s))
        for origin in {key[1] for key in batch.keys}:
            self._said_at_s[batch.source, origin] = batch.at_s

    @staticmethod
    def _count(counts: dict[str, float], cluster: str, requests: float) -> None:
        counts[cluster] += requests
        if sum(counts.values()) > REQUESTS_KEPT:
            for name in counts:
                counts[name] /= 2

    def verdict(self, origin: OriginId) -> bool | None:
        """Whether every service that sent enough is split as its weights say; None where none did."""
        watched = self._watched.get(origin)
        if watched is None:
            return None
        rows = [(row, watched.counts.get(s)) for row, s in enumerate(watched.table.services)]
        said = [achieved(watched.table.targets(row), counts) for row, counts in rows if counts]
        known = [verdict for verdict in said if verdict is not None]
        return all(known) if known else None

    def worst(self, origin: OriginId) -> tuple[float, int]:
        """The largest difference between a measured share and its weight, and requests counted in all."""
        watched = self._watched.get(origin)
        if watched is None:
            return math.nan, 0
        counts: Mapping[str, Mapping[str, float]] = watched.counts
        errors = [split_error(targets, counts.get(service, {})) for service, targets, _ in watched.table.items()]
        sound = [error for error in errors if not math.isnan(error)]
        requests = sum(sum(by_cluster.values()) for by_cluster in counts.values())
        return max(sound, default=math.nan), round(requests)
