"""The slow end of what backends answer: p95 by clients where telemetry has it, else by our own probes."""

import math
from collections.abc import Callable

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import Floats, floats
from placement.fleet import Fleet

OLD_S = 30.0
"""A p95 of clients that is older than this is none."""


class TailMeter:
    """(B,) p95 in ms; hears batches one by one. `probed_ms` gives what the probes of the controller took."""

    def __init__(self, probed_ms: Callable[[], Floats]) -> None:
        self.probed_ms = probed_ms
        self._said: dict[tuple[str, ...], tuple[float, float]] = {}

    def hear(self, batch: Batch) -> None:
        """Take in one batch; what is no LATENCY_P95_MS is not for us."""
        if batch.signal is Signal.LATENCY_P95_MS:
            told = zip(batch.keys, batch.value.tolist(), strict=True)
            self._said |= {key: (batch.at_s, ms) for key, ms in told if math.isfinite(ms) and ms >= 0}

    def ms(self, fleet: Fleet, at_s: float) -> Floats:
        """(B,) NaN where nobody knows."""
        probed = self.probed_ms()
        out = probed.copy() if len(probed) == len(fleet.backends) else np.full(len(fleet.backends), np.nan)
        for backend in range(len(out)) if self._said else ():
            said_at_s, ms = self._said.get(tuple(fleet.backend_name(backend).split("/")), (-math.inf, 0.0))
            if at_s - said_at_s <= OLD_S:
                out[backend] = ms
        return floats(out)
