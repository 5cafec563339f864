"""What the loop plans with, made of what was measured: demand freed of its noise, and how wrong it may still be.

Measurements come when they come, each flow at its own pace; a flow that was not measured again keeps what is believed.
Latency that was measured where replicas follow load holds the waiting of that moment, which the problem prices anew for
every load: it is taken out, so that nobody waits twice.
"""

from dataclasses import dataclass, replace

import numpy as np

from connectors.telemetry import Signal
from placement.columns import Floats, floats
from placement.cost import backend_loads
from placement.demand import external_demand
from placement.fleet import Fleet
from placement.forecast import FORGET, Forecast, first_forecast, load_error, next_forecast, where_fresh
from placement.problem import DEMAND_FLOOR_RPS, Prices, Problem, formulate
from placement.readings import Snapshot
from scheduler.hygiene import Memory

NOISE_MAX = 1.0
"""Relative error of a load beyond which it says nothing more."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """(F,) each; carried from tick to tick, and begun anew with every fleet."""

    forecast: Forecast
    seen_at_s: Floats
    """When the demand of each flow was last measured; -inf: never."""
    interval_s: Floats
    """Mean time between measurements; inf before there were two."""


def usual_interval_s(last: Foresight | None, fleet: Fleet) -> Floats | None:
    """(F,) the usual time between two measurements of each flow of a fleet; None before anything was measured of it."""
    return last.interval_s if last is not None and len(last.interval_s) == len(fleet.flows) else None


def foresee(last: Foresight | None, snapshot: Snapshot, memory: Memory) -> Foresight | None:
    """What to believe after what `memory` says was measured; None while nothing was."""
    seen_at_s = memory.taken_at_s.get(Signal.DEMAND_RPS)
    if seen_at_s is None or not np.isfinite(seen_at_s).any():
        return last
    seen_rps = np.maximum(snapshot.readings.demand_rps, DEMAND_FLOOR_RPS)
    if last is None or len(last.seen_at_s) != len(seen_at_s):
        return Foresight(first_forecast(seen_rps), seen_at_s, floats(np.full(len(seen_at_s), np.inf)))
    fresh = seen_at_s > last.seen_at_s
    if not fresh.any():
        return last
    with np.errstate(invalid="ignore"):
        passed = seen_at_s - last.seen_at_s
        mean = last.interval_s + FORGET * (passed - last.interval_s)
    interval_s = np.where(fresh, np.where(np.isinf(last.interval_s), passed, mean), last.interval_s)
    forecast = where_fresh(fresh, last.forecast, next_forecast(last.forecast, seen_rps))
    return Foresight(forecast, seen_at_s, floats(interval_s))


def problem_ahead(fleet: Fleet, snapshot: Snapshot, prices: Prices, foresight: Foresight | None) -> Problem:
    """The problem of believed demand, with its error priced; of what was declared or last read where there is none."""
    if foresight is None:
        return formulate(fleet, snapshot, prices)
    believed = foresight.forecast.rps
    believed = np.where(believed > DEMAND_FLOOR_RPS * (1 + 1e-9), believed, 0.0)
    demand = np.where(np.isfinite(foresight.seen_at_s), believed, snapshot.readings.demand_rps)
    calm = replace(snapshot, readings=replace(snapshot.readings, demand_rps=floats(demand)))
    return formulate(fleet, _without_waiting(fleet, calm), prices, load_error=_error(fleet, calm, foresight))


def _error(fleet: Fleet, snapshot: Snapshot, foresight: Foresight) -> Floats:
    """(B,) relative error of the load that each backend sees before its autoscaler has answered.

    None is taken for granted before changes of demand have shown it.
    """
    forecast = foresight.forecast
    external = external_demand(fleet, snapshot.readings.demand_rps, snapshot.routing)
    shown = np.where(np.isnan(forecast.echo), 0.0, forecast.error)
    now = load_error(fleet, external, snapshot.routing, shown)
    if fleet.scaler is None:
        return np.minimum(now, NOISE_MAX)
    per_s = np.sqrt(forecast.drift / foresight.interval_s)
    later = load_error(fleet, external, snapshot.routing, per_s) ** 2 * fleet.scaler.lead_s
    return np.minimum(np.sqrt(now**2 + np.where(fleet.scaler.follows, later, 0.0)), NOISE_MAX)


def _without_waiting(fleet: Fleet, snapshot: Snapshot) -> Snapshot:
    if fleet.scaler is None:
        return snapshot
    waiting = fleet.scaler.wait_at(backend_loads(fleet, snapshot.readings.demand_rps, snapshot.routing))
    latency = np.maximum(snapshot.readings.latency_ms - waiting, 0.0)
    return replace(snapshot, readings=replace(snapshot.readings, latency_ms=floats(latency)))
