"""What it means that something is not measured any more: clients went elsewhere, and old troubles may be over."""

from dataclasses import replace

import numpy as np

from connectors.telemetry import Signal
from placement.columns import Bools, Floats, floats
from placement.fleet import Fleet
from placement.readings import Readings
from scheduler.hygiene import Memory

SILENT_AFTER_S = 3.0
"""A mesh in a lost cluster that said nothing for this long carries nothing ..."""
SILENT_AFTER = 2.5
"""... and for so many times as long as it takes it from one report to the next: two of them are missing."""
FADE_AFTER_S = 5.0
"""A backend that nobody measured for this long is no longer as bad as it was last seen, nor as good."""
FADE_S = 10.0
"""Time in which what is left of it falls to a third."""


def silenced(
    readings: Readings, memory: Memory, fleet: Fleet, lost: Bools, at_s: float, interval_s: Floats | None = None
) -> Readings:
    """The readings without the demand of meshes that went down with their cluster, (C,) `lost`.

    Their clients come in elsewhere and are measured there; what such a mesh last said would count them twice. A mesh
    that still says something keeps its demand: its clients are there, though nothing behind it answers. `interval_s`
    (F,) is the usual time between two measurements of a flow, inf where that is not known.
    """
    home = fleet.origins.cluster[fleet.flows.origin]
    said_at_s = memory.taken_at_s.get(Signal.DEMAND_RPS, floats(np.full(len(fleet.flows), -np.inf)))
    usual_s = np.zeros(len(home)) if interval_s is None else np.where(np.isinf(interval_s), 0.0, interval_s)
    patience_s = np.maximum(SILENT_AFTER_S, SILENT_AFTER * usual_s)
    silent = (home >= 0) & lost[np.maximum(home, 0)] & (at_s - said_at_s > patience_s)
    return (
        replace(readings, demand_rps=floats(np.where(silent, 0.0, readings.demand_rps))) if silent.any() else readings
    )


def faded(readings: Readings, memory: Memory, fleet: Fleet, at_s: float) -> Readings:
    """The readings with old errors and latencies of backends forgotten.

    A backend without requests is not measured. Believing its last error ratio for ever would keep it empty for ever
    after an outage; believing a latency of 0 that nobody measured would make it the best. Errors fade to none, latency
    to that of the quickest backend of the service that is measured now. The step bound limits what a wrong hope costs.
    """
    errors = readings.error_ratio * _left(memory, Signal.ERROR_RATIO, at_s, len(fleet.backends))
    left = _left(memory, Signal.LATENCY_MS, at_s, len(fleet.backends))
    quickest = np.full(len(fleet.services), np.inf)
    np.minimum.at(quickest, fleet.backends.service, np.where(left >= 1.0, readings.latency_ms, np.inf))
    like = quickest[fleet.backends.service]
    like = np.where(np.isfinite(like), like, readings.latency_ms)
    latency = left * readings.latency_ms + (1 - left) * like
    return replace(readings, error_ratio=floats(errors), latency_ms=floats(latency))


def _left(memory: Memory, signal: Signal, at_s: float, rows: int) -> Floats:
    """(rows,) how much of the last measurement still counts: 1 while it is fresh, 0 where there never was one."""
    age_s = at_s - memory.taken_at_s.get(signal, floats(np.full(rows, -np.inf)))
    return np.asarray(np.exp(-np.maximum(age_s - FADE_AFTER_S, 0.0) / FADE_S), dtype=np.float64)
