"""Numbers of a run, for the whole of it or a window: what expectations, thresholds, tables and reports speak of."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats
from simulator.physics.books import LOST_RATIO
from simulator.play import Played
from simulator.scenario import faults as f
from simulator.scenario.model import Expectation

LOSSES = (
    f.ClusterOutage, f.RegionOutage, f.ProviderOutage, f.GatewayLoss, f.ServiceOutage, f.Partition, f.Flapping,
)  # fmt: skip
HOUR_S = 3_600.0
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the time, and of the fleet."""

    starts_s: float = 0.0
    until_s: float = math.inf
    service: str | None = None
    cluster: str | None = None


def score(played: Played, metric: str, window: Window | None = None) -> float:
    """One number. NaN where there is nothing to measure, such as a percentile of no requests."""
    return METRICS[metric](played, window or Window())


def scores(played: Played) -> dict[str, float]:
    """All numbers that need no cluster, for the whole run."""
    return {name: measure(played, Window()) for name, measure in METRICS.items() if not name.startswith("share")}


@dataclass(frozen=True, slots=True)
class Finding:
    """An expectation and what came of it."""

    text: str
    value: float
    met: bool
    why: str = ""


def findings(played: Played) -> list[Finding]:
    """Every expectation and threshold of a scenario, judged."""
    spec = played.loaded.scenario.spec
    found = []
    for expected in spec.expect:
        until_s = math.inf if expected.until is None else expected.until
        window = Window(expected.starts, until_s, expected.service, expected.cluster)
        value = score(played, expected.metric, window)
        found.append(Finding(_words(expected), value, expected.holds.holds(value), expected.why or ""))
    for metric, bound in spec.thresholds.items():
        value = score(played, metric)
        found.append(Finding(f"{metric} {bound}", value, bound.holds(value)))
    return found


def _words(expected: Expectation) -> str:
    what = " ".join(part for part in (expected.service, expected.cluster) if part)
    when = f"{expected.starts:g} s to {'the end' if expected.until is None else f'{expected.until:g} s'}"
    return f"{expected.metric}{f' of {what}' if what else ''} {expected.holds}, {when}"


def _rows(played: Played, window: Window) -> Bools:
    """(N,) intervals that lie within a window, or overlap it where none does."""
    books = played.books
    ends = books.starts_s + books.length_s
    inside = (books.starts_s >= window.starts_s - 1e-6) & (ends <= window.until_s + 1e-6)
    return inside if inside.any() else (ends > window.starts_s) & (books.starts_s < window.until_s)


def _sum(played: Played, window: Window, name: str) -> float:
    """Integral of a column over a window: requests, or dollars times 3,600."""
    rows = _rows(played, window)
    column: Floats = getattr(played.books, name)[rows]
    if column.ndim > 1:
        services = played.fleet.services.ids
        mine = np.array([window.service in (None, s) for s in services])
        column = column[:, mine].sum(axis=1)
    return float(column @ played.books.length_s[rows])


def _mean(played: Played, window: Window, name: str) -> float:
    return _sum(played, window, name) / max(float(played.books.length_s[_rows(played, window)].sum()), TINY)


def _availability(played: Played, window: Window) -> float:
    """Of what was not refused on purpose and of what was: all that users asked for."""
    asked = _sum(played, window, "asked_rps")
    return _sum(played, window, "good_rps") / asked if asked > TINY else math.nan


def _shed(played: Played, window: Window) -> float:
    asked = _sum(played, window, "asked_rps")
    return _sum(played, window, "shed_rps") / asked if asked > TINY else math.nan


def _failed(played: Played, window: Window) -> float:
    return max(0.0, 1 - _availability(played, window) - _shed(played, window))


def _percentile(played: Played, window: Window, quantile: float) -> float:
    return played.books.percentile_ms(quantile, np.flatnonzero(_rows(played, window)))


def _backends(played: Played, window: Window) -> Bools:
    fleet = played.fleet
    service = np.array([window.service in (None, s) for s in fleet.services.ids])
    cluster = np.array([window.cluster in (None, c) for c in fleet.clusters.ids])
    return np.asarray(service[fleet.backends.service] & cluster[fleet.backends.cluster], dtype=np.bool_)


def _utilization(played: Played, window: Window) -> float:
    found = played.books.utilization[_rows(played, window)][:, _backends(played, window)]
    return float(found.max(initial=0.0))


def _shares(played: Played, window: Window) -> Floats:
    """(n,) part of the load of a service, or of all, that is in a cluster, interval by interval."""
    load = played.books.load_rps[_rows(played, window)]
    here = load[:, _backends(played, window)].sum(axis=1)
    everywhere = load[:, _backends(played, Window(service=window.service))].sum(axis=1)
    share = np.divide(here, everywhere, out=np.zeros_like(here), where=everywhere > TINY)
    return np.asarray(share, dtype=np.float64)


def _total_usd(played: Played, window: Window) -> float:
    return sum(_mean(played, window, f"{part}_usd") for part in ("compute", "egress", "waiting", "refusing"))


def _failover_s(played: Played, window: Window) -> float:
    """The longest time from a loss until next to nothing goes to what is dead."""
    books, worst = played.books, 0.0
    for event in played.loaded.scenario.spec.events:
        if isinstance(event, LOSSES) and window.starts_s <= event.at <= window.until_s:
            end_s = math.inf if event.lasts is None else event.at + event.lasts
            during = (books.lost_at_s > event.at + 1e-6) & (books.lost_at_s <= end_s + 1e-6)
            lost = np.flatnonzero(during & (books.lost_ratio >= LOST_RATIO))
            worst = max(worst, float(books.lost_at_s[lost[-1]]) - event.at if len(lost) else 0.0)
    return worst


def _moved(played: Played, window: Window) -> float:
    asked = _sum(played, window, "asked_rps")
    rows = _rows(played, window)
    moved = float(played.books.moved_rps_per_s[rows] @ played.books.length_s[rows])
    mean_rps = asked / max(float(played.books.length_s[rows].sum()), TINY)
    hours = float(played.books.length_s[rows].sum()) / HOUR_S
    return moved / mean_rps / hours if mean_rps > TINY else 0.0


def _turns(played: Played, window: Window, reason: str | None) -> float:
    return float(
        sum(
            window.starts_s <= at_s <= window.until_s and (panic if reason is None else why == reason)
            for at_s, why, panic in played.diary.reasons
        )
    )


METRICS: dict[str, Callable[[Played, Window], float]] = {
    "availability": _availability,
    "failed": _failed,
    "shed": _shed,
    "p50Ms": lambda played, window: _percentile(played, window, 0.5),
    "p95Ms": lambda played, window: _percentile(played, window, 0.95),
    "p99Ms": lambda played, window: _percentile(played, window, 0.99),
    "utilization": _utilization,
    "costUsdPerHour": lambda played, window: _mean(played, window, "compute_usd") + _mean(played, window, "egress_usd"),
    "egressUsdPerHour": lambda played, window: _mean(played, window, "egress_usd"),
    "totalUsdPerHour": _total_usd,
    "share": lambda played, window: float(_shares(played, window).max(initial=0.0)),
    "shareMin": lambda played, window: float(_shares(played, window).min(initial=1.0)),
    "failoverS": _failover_s,
    "moved": _moved,
    "pushes": lambda played, window: float(
        sum(window.starts_s <= m.at_s <= window.until_s for m in played.diary.moves)
        if played.diary.reasons
        else played.pushes
    ),
    "failovers": lambda played, window: _turns(played, window, "failover"),
    "holds": lambda played, window: _turns(played, window, "held"),
    "panics": lambda played, window: _turns(played, window, None),
    "goodputRps": lambda played, window: _mean(played, window, "good_rps"),
}
"""By the names that scenarios use."""
