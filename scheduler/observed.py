"""What meshes say they really sent, by flow and cluster, and when each source was last heard of. Decides nothing."""

import math

from connectors.telemetry import Batch, Signal

SMOOTH_S = 10.0
"""Time in which what was said before falls to a third: a report counts some tens of requests."""
OLD_S = 60.0


class Observed:
    """Hears every batch of telemetry as it comes in."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
        """(service, origin) -> cluster -> (when, requests/s)."""
        self.heard_at_s: dict[tuple[str, str], float] = {}
        """(source, signal) -> when it last measured, on the monotonic clock."""
        self.samples = 0

    def hear(self, batch: Batch) -> None:
        """Take in one batch."""
        self.samples += len(batch.keys)
        self.heard_at_s[batch.source, str(batch.signal)] = batch.at_s
        if batch.signal is not Signal.SENT_RPS:
            return
        for (service, origin, cluster), rps in zip(batch.keys, batch.value.tolist(), strict=True):
            if math.isfinite(rps) and rps >= 0:
                flow = self._sent.setdefault((service, origin), {})
                at_s, before = flow.get(cluster, (-math.inf, rps))
                kept = math.exp(-max(batch.at_s - at_s, 0.0) / SMOOTH_S)
                flow[cluster] = (batch.at_s, kept * before + (1 - kept) * rps)

    def shares(self, service: str, origin: str, now_s: float) -> dict[str, float] | None:
        """How the requests of a flow were really split of late; None where nobody says."""
        found = self._sent.get((service, origin), {})
        rps = {cluster: value for cluster, (at_s, value) in found.items() if now_s - at_s <= OLD_S}
        total = sum(rps.values())
        return {cluster: value / total for cluster, value in rps.items()} if total > 0 else None
