"""Meshes in which somebody else changed weights: which of them get ours back, and telling people once."""

from collections.abc import Mapping

import structlog

from connectors.connector import Connector
from connectors.drift import Drift, Drifting, OnDrift
from placement.fleet import OriginId

log = structlog.get_logger()


def drifts_of(connectors: Mapping[OriginId, Connector]) -> tuple[Drift, ...]:
    """What the last reads found changed, in all meshes that can tell."""
    can = (c for c in connectors.values() if hasattr(c, "on_drift"))  # asking for a protocol is slow
    return tuple(drift for c in can if isinstance(c, Drifting) for drift in c.drifts)


def astray(connectors: Mapping[OriginId, Connector]) -> frozenset[OriginId]:
    """Meshes to be written again though their table is the one wanted: somebody else's hand is to be undone."""
    return frozenset(
        origin
        for origin, c in connectors.items()
        # Asking a protocol is slow, and this is every mesh of every tick.
        if getattr(c, "on_drift", None) is OnDrift.REVERT and isinstance(c, Drifting) and c.drifts
    )


class Witness:
    """Logs every drift when it is first seen, and when it is over."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()

    def tell(self, drifts: tuple[Drift, ...]) -> None:
        """Take what the reads of a tick found."""
        now = frozenset(map(str, drifts))
        for words in sorted(now - self._known):
            log.warning("drift", detail=words)
        for words in sorted(self._known - now):
            log.info("drift over", detail=words)
        self._known = now
