"""What backends are really sent: the load reports of all origins, added up. Listens only while a drill is under way."""

import math
from collections.abc import Mapping

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import Floats, floats
from placement.fleet import Fleet

SMOOTH_S = 4.0
"""Time in which what was said before falls to a third: a report counts some tens of requests."""
OLD_S = 5.0


class SentMeter:
    """Requests/s that each backend is sent, from SENT_RPS; hears batches one by one."""

    def __init__(self) -> None:
        self._row: Mapping[tuple[str, str], int] = {}
        self._said: dict[str, tuple[float, Floats, Floats]] = {}
        """When, as it was said, and smoothed."""
        self._backends = 0

    def follow(self, fleet: Fleet) -> None:
        """Listen for the backends of a fleet from now on."""
        names = (fleet.backend_name(b).split("/") for b in range(len(fleet.backends)))
        self._row = {(service, cluster): b for b, (service, cluster) in enumerate(names)}
        self._said, self._backends = {}, len(fleet.backends)

    def rest(self) -> None:
        """Listen no more."""
        self._row, self._said = {}, {}

    def hear(self, batch: Batch) -> None:
        """Take in one batch; what is no SENT_RPS is not for us. The newest word on an origin counts."""
        if batch.signal is not Signal.SENT_RPS or not self._row:
            return
        sums: dict[str, Floats] = {}
        for (service, origin, cluster), rps in zip(batch.keys, batch.value.tolist(), strict=True):
            row = self._row.get((service, cluster), -1)
            if row >= 0 and math.isfinite(rps):
                sums.setdefault(origin, np.zeros(self._backends))[row] += rps
        for origin, rps in sums.items():
            self._said[origin] = (batch.at_s, rps, self._smoothed(origin, rps, batch.at_s))

    def rps(self, at_s: float) -> Floats | None:
        """(B,) all origins together, as last said; None where nobody said anything of late."""
        return self._sum([rps for said_at_s, rps, _ in self._said.values() if at_s - said_at_s <= OLD_S])

    def smooth_rps(self, at_s: float) -> Floats | None:
        """The same, smoothed: for what must not be decided by one report."""
        return self._sum([rps for said_at_s, _, rps in self._said.values() if at_s - said_at_s <= OLD_S])

    def _sum(self, parts: list[Floats]) -> Floats | None:
        return floats(np.sum(parts, axis=0)) if parts else None

    def _smoothed(self, origin: str, rps: Floats, at_s: float) -> Floats:
        before_at_s, _, before = self._said.get(origin, (-math.inf, rps, rps))
        kept = math.exp(-max(at_s - before_at_s, 0.0) / SMOOTH_S)
        return kept * before + (1 - kept) * rps
