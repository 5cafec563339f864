"""What is written down of a run: columns over time, one row per interval, and totals from them."""

from dataclasses import dataclass

import numpy as np

from placement.columns import Floats, Ints
from placement.fleet import Fleet
from placement.routes import felt_ms
from simulator.physics.layout import Layout, total
from simulator.physics.world import Happening

ROWS_MAX = 480
"""Most intervals of a run."""
EDGES_MS = np.logspace(np.log10(0.5), 5, 241)
"""Of the latency bins."""
BINS_PER_DECADE = (len(EDGES_MS) - 1) / np.log10(EDGES_MS[-1] / EDGES_MS[0])
SPREAD = np.array([0.288, 1.05, 2.3, 4.15])
"""Quantiles of an exponential law, and their weights: the time in a back end differs from request to request, as much
as its variability says."""
SPREAD_WEIGHT = np.array([0.5, 0.3, 0.16, 0.04])
LOST_RATIO = 0.005
"""Requests to what is dead, in parts of all, below which a failover is over."""


@dataclass(frozen=True, slots=True)
class Books:
    """N intervals. Rates are means over an interval; `_usd` are $/h."""

    starts_s: Floats
    length_s: Floats
    asked_rps: Floats
    """(N, S) by users, per service."""
    good_rps: Floats
    """(N, S) answered well and in time."""
    shed_rps: Floats
    """(N, S) refused by weights."""
    compute_usd: Floats
    egress_usd: Floats
    waiting_usd: Floats
    refusing_usd: Floats
    """What failed or was refused, at the price of refusing."""
    moved_rps_per_s: Floats
    """Requests/s that changed cluster, per second."""
    lost_rps: Floats
    """Requests/s sent to what is dead."""
    load_rps: Floats
    """(N, B)"""
    utilization: Floats
    """(N, B) highest of the interval."""
    between_rps: Floats
    """(N, O, C) requests/s of users from origins to clusters."""
    latency: Floats
    """(N, bins) requests/s by latency."""
    lost_at_s: Floats
    """(steps,) ends of steps ..."""
    lost_ratio: Floats
    """(steps,) ... and what part of what was asked went to the dead in them."""

    def percentile_ms(self, quantile: float, rows: slice | Ints = slice(None)) -> float:
        """Upper edge of the bin that holds the quantile; NaN where nothing was answered."""
        counts = (self.latency[rows] * self.length_s[rows][:, None]).sum(axis=0)
        if counts.sum() <= 0:
            return float("nan")
        bin_ = int(np.searchsorted(np.cumsum(counts), quantile * counts.sum()))
        return float(np.append(EDGES_MS, np.inf)[min(bin_, len(EDGES_MS))])


class Keeper:
    """Adds up steps into intervals."""

    def __init__(self, fleet: Fleet, shed_usd: Floats, duration_s: float, step_s: float) -> None:
        self.fleet, self.shed_usd, self.duration_s = fleet, shed_usd, duration_s
        self.every_s = max(duration_s / ROWS_MAX, step_s)
        self.rows: dict[str, list[Floats | float]] = {}
        self.sums: dict[str, Floats | float] = {}
        self.peak = np.zeros(len(fleet.backends))
        self.starts_s, self.length_s = 0.0, 0.0
        self.lost: list[tuple[float, float]] = []

    def add(self, layout: Layout, now: Happening) -> None:
        """One step."""
        if now.at_s <= 0:
            return
        for name, value in _columns(layout, now, self.shed_usd).items():
            self.sums[name] = self.sums.get(name, 0.0) + value * now.step_s
        self.peak = np.maximum(self.peak, now.passage.utilization[:-1])
        self.length_s += now.step_s
        asked = float(now.asked_rps.sum())
        dead = float((now.came_rps[now.entries.row] * now.entries.share)[now.lost].sum())
        self.lost.append((now.at_s, dead / asked if asked else 0.0))
        self.sums["lost_rps"] = float(self.sums.get("lost_rps", 0.0)) + dead * now.step_s
        if self.length_s + 1e-9 >= self.every_s or now.at_s + 1e-9 >= self.duration_s:
            self._close(now.at_s)

    def books(self) -> Books:
        """What was written down."""
        columns = {name: np.array(rows, dtype=np.float64) for name, rows in self.rows.items()}
        lost = np.array(self.lost, dtype=np.float64).reshape(-1, 2)
        return Books(**columns, lost_at_s=lost[:, 0], lost_ratio=lost[:, 1])

    def _close(self, at_s: float) -> None:
        row: dict[str, Floats | float] = {"starts_s": self.starts_s, "length_s": self.length_s}
        row |= {name: value / self.length_s for name, value in self.sums.items()}
        row["utilization"] = self.peak
        for name, value in row.items():
            self.rows.setdefault(name, []).append(value)
        self.sums, self.length_s, self.starts_s = {}, 0.0, at_s
        self.peak = np.zeros_like(self.peak)


def _columns(layout: Layout, now: Happening, shed_usd: Floats) -> dict[str, Floats | float]:
    """Rates of one step."""
    fleet, entries, passage = layout.fleet, now.entries, now.passage
    flows, services, clusters = len(fleet.flows), len(fleet.services), len(fleet.clusters)
    of = fleet.flows.service
    first, again = (
        now.came_rps[entries.row] * entries.share,
        ((1 - entries.shed) * now.again_rps)[entries.row] * now.again,
    )
    well = total(entries.row, (first + again) * passage.ok, flows)
    shed = now.came_rps * entries.shed
    good = np.minimum(well, np.maximum(now.came_rps - shed, 0.0))
    value = 3600 * fleet.services.usd_per_request_ms[of]
    hop_ms = felt_ms(fleet, of[entries.row], entries.rtt_ms) + passage.backend_ms[entries.backend]
    served = passage.load_rps * passage.served
    compute = float(served @ layout.compute_usd) if now.replica_usd is None else now.replica_usd
    pair = entries.origin * clusters + entries.cluster
    between = total(pair, first + again, len(fleet.origins) * clusters)
    return {
        "asked_rps": total(of, now.asked_rps, services),
        "good_rps": total(of, good, services),
        "shed_rps": total(of, shed, services),
        "compute_usd": compute,
        "egress_usd": 3600 * float(passage.sent_rps @ entries.usd_per_request),
        "waiting_usd": float((passage.sent_rps * passage.ok) @ (hop_ms * value[entries.row])),
        "refusing_usd": float((now.asked_rps - good) @ shed_usd),
        "moved_rps_per_s": now.moved_rps / now.step_s,
        "load_rps": passage.load_rps[:-1],
        "between_rps": between.reshape(len(fleet.origins), clusters),
        "latency": _latencies(layout, now, (first + again) * passage.ok),
    }


def _latencies(layout: Layout, now: Happening, rps: Floats) -> Floats:
    """(bins,) requests/s by latency: the mean of each route, with the spread of its back end's time."""
    entries, passage = now.entries, now.passage
    some = rps > 1e-9
    own_ms = passage.backend_ms[entries.backend[some]]
    varies = np.sqrt(layout.variability[entries.backend[some]])
    spread = passage.latency_ms[some, None] + (own_ms * varies)[:, None] * (SPREAD - 1)
    weight = rps[some, None] * SPREAD_WEIGHT
    bins = bins_of(spread.ravel())
    return np.asarray(np.bincount(bins, weights=weight.ravel(), minlength=len(EDGES_MS) + 1), dtype=np.float64)


def bins_of(latency_ms: Floats) -> Ints:
    """(n,) the first of EDGES_MS that is not below each latency, one past the last where all are: the edges are even on
    a logarithmic scale, so nothing is searched.
    """
    decades = np.log10(np.maximum(latency_ms, EDGES_MS[0]) / EDGES_MS[0])
    return np.asarray(np.minimum(np.ceil(decades * BINS_PER_DECADE), len(EDGES_MS)), dtype=np.int64)
