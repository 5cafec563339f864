"""What demand is, from what was seen of it, and how wrong that may be: a small filter per flow, in logarithms.

Seen demand is the true one times an error that is new each time; true demand drifts. In logarithms that is the local
level model (Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, section 4.1). Its two variances
show in the changes of what is seen: their variance is drift + 2 noise, and the covariance of a change with the one
before is -noise. Both are averaged over time and drawn towards the mean of all flows, for one flow alone says little.
A change that the model holds impossible (a flash crowd) is believed at once. A flow that shows no change at all says
nothing of the others' noise: nobody asks there, or nothing new was measured.
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, floats, frozen
from placement.demand import caused, handed_down
from placement.fleet import Fleet
from placement.routing import Routing

FORGET = 0.05
"""Weight of the newest change in the averages."""
OWN = 0.1
"""What a flow's own average counts beside that of all flows."""
DRIFT_LEAST = 0.05
"""Of the noise: drift is the small difference of two estimates, and a filter that takes it for none stops listening."""
SURPRISE = 4.0
"""Changes larger than this many standard deviations are not noise."""
FIRST_ERROR = 0.05
"""Relative error taken for granted until changes have been seen."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """(F,) each; what a loop keeps from tick to tick."""

    level: Floats
    """Logarithm of the demand believed true, rps."""
    error: Floats
    """Its relative standard error."""
    drift: Floats
    """Variance of the logarithm of true demand from one look to the next."""
    seen: Floats
    """Logarithm of what was seen last."""
    change: Floats
    """Of `seen`, at the last look."""
    spread: Floats
    """Mean square of changes; NaN before there was one."""
    echo: Floats
    """Mean product of a change and the one before; NaN before there were two."""

    @property
    def rps(self) -> Floats:
        """(F,) demand believed true."""
        return np.asarray(np.exp(self.level), dtype=np.float64)


def first_forecast(seen_rps: Floats) -> Forecast:
    """What to believe after one look at (F,) demand above 0."""
    seen = np.log(seen_rps)
    none, unknown = np.zeros(len(seen)), np.full(len(seen), np.nan)
    return Forecast(
        level=floats(seen),
        error=floats(none + FIRST_ERROR),
        drift=floats(none),
        seen=floats(seen),
        change=floats(unknown),
        spread=floats(unknown),
        echo=floats(unknown),
    )


def next_forecast(before: Forecast, seen_rps: Floats) -> Forecast:
    """What to believe after another look."""
    seen = np.log(seen_rps)
    change = seen - before.seen
    usual = _pooled(before.spread)
    surprising = np.abs(seen - before.level) > SURPRISE * np.sqrt(np.where(np.isnan(usual), np.inf, usual))
    calm = np.where(surprising | (change == 0), np.nan, change)
    spread, echo = _averaged(before.spread, calm**2), _averaged(before.echo, calm * before.change)
    noise, drift = _variances(spread, echo)
    gain = (np.sqrt(drift**2 + 4 * drift * noise) - drift) / np.where(noise > 0, 2 * noise, 1.0)
    gain = np.where((noise > 0) & ~surprising, gain, 1.0)
    error = np.sqrt(gain * noise)
    return Forecast(
        level=frozen(before.level + gain * (seen - before.level)),
        error=frozen(np.where(np.isnan(echo), FIRST_ERROR, error)),
        drift=frozen(np.where(np.isnan(echo), 0.0, drift)),
        seen=frozen(seen),
        change=frozen(calm),
        spread=frozen(spread),
        echo=frozen(echo),
    )


def where_fresh(fresh: Bools, before: Forecast, after: Forecast) -> Forecast:
    """`after` for the flows that were looked at, (F,), and `before` for the others."""
    if fresh.all():
        return after
    columns = {name: getattr(before, name) for name in Forecast.__slots__}
    return Forecast(**{name: floats(np.where(fresh, getattr(after, name), old)) for name, old in columns.items()})


def load_error(fleet: Fleet, external_rps: Floats, routing: Routing, flow_error: Floats) -> Floats:
    """(B,) relative error of each backend's load under a routing, from the (F,) relative errors of outside demand.

    Errors of different flows are independent, so they average out where flows meet, and follow the call graph down.
    """
    outside = (flow_error * external_rps) ** 2
    mean, variance = external_rps, outside
    depth = int(fleet.depth().max(initial=0))
    made = caused(fleet, routing) if depth else None
    for _ in range(depth if made is not None else 0):
        assert made is not None
        down = handed_down(fleet, made, mean[made.row] * made.share, fleet.calls.per_request)
        wider = handed_down(fleet, made, variance[made.row] * made.share**2, fleet.calls.per_request**2)
        mean, variance = external_rps + down, outside + wider
    backend = fleet.backend_of(routing.row, routing.column)
    there = backend >= 0
    row, share = routing.row[there], routing.share[there]
    count = len(fleet.backends)
    load = np.bincount(backend[there], weights=mean[row] * share, minlength=count)
    spread = np.bincount(backend[there], weights=variance[row] * share**2, minlength=count)
    idle = float(np.sqrt(np.mean(flow_error**2))) if len(flow_error) else 0.0
    return np.where(load > 0, np.sqrt(spread) / np.where(load > 0, load, 1.0), idle)


def _averaged(before: Floats, value: Floats) -> Floats:
    """Moving average that starts with its first value and skips what is not known."""
    start = np.where(np.isnan(before), value, before)
    return np.asarray(np.where(np.isnan(value), before, start + FORGET * (value - start)), dtype=np.float64)


def _pooled(values: Floats) -> Floats:
    """OWN of each flow's own value, the rest the mean of all; the mean where it has none."""
    known = ~np.isnan(values)
    if not known.any():
        return values
    mean = values[known].mean()
    return np.asarray(np.where(known, mean + OWN * (values - mean), mean), dtype=np.float64)


def _variances(spread: Floats, echo: Floats) -> tuple[Floats, Floats]:
    """(noise, drift) variances; without two changes all of it is drift, which means: believe what is seen."""
    wide, back = _pooled(spread), _pooled(echo)
    noise = np.clip(np.where(np.isnan(back), 0.0, -back), 0.0, np.where(np.isnan(wide), 0.0, wide / 2))
    drift = np.maximum(wide - 2 * noise, DRIFT_LEAST * noise + 1e-6)
    return noise, np.asarray(np.where(np.isnan(wide), 1.0, drift), dtype=np.float64)
