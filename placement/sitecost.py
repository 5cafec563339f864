"""What load costs at a backend beyond the linear price of compute: convex pieces, one row per backend.

Two kinds of backend. One with the replicas it has (`headroom`): free up to the target utilization, then at rising
prices. One whose autoscaler follows load up to a bound (`autoscaled`), with, for y rps,

    n(y) = clip(y / (target mu), m, N)           replicas          mu rps of one, m the least and N the most of them
    r(y) = y / (mu n(y))                         utilization
    W(r) = service_ms (1 + scv) / 2  r^(sqrt(2 (k + 1)) - 1) / (k (1 - r))     mean wait, k parallel slots per replica
    cost(y) = usd_per_replica n(y) + 3600 V y W(r(y))                          $/h

Once N replicas run more load is free in dollars and paid in waiting, so the cost is not convex: the pieces are its
lower convex hull, a bound that a linear program may use. Load that is uncertain costs its expectation: the hull is of
E cost(y exp(e x - e^2 / 2)), x standard normal, e the relative error of the load, where what does not fit is paid at
`overflow_usd`. An autoscaler that takes time does not follow errors: it runs n(y) replicas whatever comes, and until
it has started more, its backend is given no more than its ready replicas serve. The wait is Sakasegawa's approximation
of M/M/k (1977) with the usual variability factor.
"""

from dataclasses import dataclass, replace

import numpy as np

from placement.columns import Bools, Floats, floats

FULL = 0.98
"""Utilization at which an autoscaled backend starts to refuse."""
LOW = np.array([0.0, 0.3, 0.6, 0.85, 1.0])
"""Grid below the load at which the first replica is used to its target, as parts of that load."""
HIGH = np.array([0.0, 0.15, 0.3, 0.45, 0.55, 0.65, 0.73, 0.8, 0.86, 0.91, 0.95, 0.98, 1.0])
"""Grid between the load that brings the last replica and FULL; denser where waiting bends."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class Pieces:
    """(B, K) convex pieces. The slopes of a row ascend over its pieces of some width."""

    rps: Floats
    """Width of each piece; a row sums to the most its backend serves."""
    usd: Floats
    """$/h per rps on top of the routes' linear price of compute; below 0 where a replica is paid for anyway."""

    @property
    def served_rps(self) -> Floats:
        """(B,) the most each backend serves."""
        return np.asarray(self.rps.sum(axis=1), dtype=np.float64)

    def cost(self, load_rps: Floats) -> Floats:
        """(B,) $/h of a load, as far as it fits."""
        before = np.cumsum(self.rps, axis=1) - self.rps
        filled = np.clip(load_rps[:, None] - before, 0.0, self.rps)
        return np.asarray((filled * self.usd).sum(axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """(B,) each: how the replicas of a backend follow its load, and what waiting there is like."""

    follows: Bools
    """False: replicas stay as they are, and the other columns mean nothing."""
    rps_per_replica: Floats
    """At full use."""
    usd_per_replica_hour: Floats
    replicas_min: Floats
    replicas_max: Floats
    """0 where nothing may run."""
    utilization_target: Floats
    service_ms: Floats
    slots: Floats
    """Requests a replica works on at once."""
    variability: Floats
    """Squared coefficient of variation of the service time."""
    lead_s: Floats
    """From a load that asks for a replica to the replica; 0 where replicas follow at once."""

    def wait_at(self, load_rps: Floats) -> Floats:
        """(B,) mean wait in ms at (B,) loads, with the replicas that they bring about; 0 where replicas stay."""
        load = load_rps[:, None]
        running = np.maximum(self.rps_per_replica[:, None] * self.running(load), 1e-12)
        return np.where(self.follows, self.wait_ms(np.minimum(load / running, FULL))[:, 0], 0.0)

    def running(self, load_rps: Floats) -> Floats:
        """(B, N) replicas that (B, N) loads bring about in the end."""
        wanted = load_rps / np.maximum(self.utilization_target * self.rps_per_replica, 1e-12)[:, None]
        most = self.replicas_max[:, None]
        return np.asarray(np.clip(wanted, np.minimum(self.replicas_min[:, None], most), most), dtype=np.float64)

    def wait_ms(self, utilization: Floats) -> Floats:
        """(B, N) mean wait at (B, N) utilizations below 1."""
        k = self.slots[:, None]
        power = np.sqrt(2 * (k + 1)) - 1
        scale = (self.service_ms * (1 + self.variability) / 2)[:, None]
        return np.asarray(scale * utilization**power / (k * (1 - utilization)), dtype=np.float64)

    def cost(self, running: Floats, load_rps: Floats, usd_per_request_ms: Floats) -> Floats:
        """(B, N) $/h of (B, N) replicas and of waiting, at loads that use them to FULL at most."""
        used = np.minimum(load_rps / np.maximum(self.rps_per_replica[:, None] * running, 1e-12), FULL)
        waiting = 3600 * usd_per_request_ms[:, None] * load_rps * self.wait_ms(used)
        return np.asarray(self.usd_per_replica_hour[:, None] * running + waiting, dtype=np.float64)


def headroom(capacity_rps: Floats, target: Floats, slopes: Floats) -> Pieces:
    """Pieces of a backend that keeps its replicas: the target's part of capacity, then the (B, n) headroom slopes."""
    n = slopes.shape[1]
    above = np.repeat(((1 - target) * capacity_rps / n)[:, None], n, axis=1)
    free = (target * capacity_rps)[:, None]
    return Pieces(floats(np.hstack([free, above])), floats(np.hstack([np.zeros_like(free), slopes])))


@dataclass(frozen=True, slots=True)
class Curve:
    """(B, N) the cost of each backend at ascending loads, straight between them, convex or not."""

    rps: Floats
    usd: Floats
    """$/h, on top of the routes' linear price of compute; 0 without load."""

    def cost(self, load_rps: Floats) -> Floats:
        """(B,) $/h of a load, as far as it fits."""
        width = np.diff(self.rps, axis=1)
        filled = np.clip(load_rps[:, None] - self.rps[:, :-1], 0.0, width)
        return np.asarray((filled * self._slopes()).sum(axis=1), dtype=np.float64)

    def hull(self) -> Pieces:
        """The largest convex pieces that nowhere exceed the curve: a bound."""
        width, slope = lower_hull(self.rps, self.usd)
        return Pieces(floats(width), floats(slope))

    def majorant(self, load_rps: Floats) -> Pieces:
        """Convex pieces that touch the curve at a load and are nowhere below it (but for a constant).

        Slopes are a rising part less a falling-away part; the latter is taken as it is at the load. To minimise this
        again and again is the convex-concave procedure (Yuille and Rangarajan 2003): the true cost never rises.
        """
        slope = self._slopes()
        jump = np.diff(slope, axis=1, prepend=slope[:, :1])
        fallen = np.cumsum(np.maximum(-jump, 0.0), axis=1)
        at = np.clip((load_rps[:, None] >= self.rps[:, 1:-1]).sum(axis=1), 0, slope.shape[1] - 1)
        steady = slope + fallen - np.take_along_axis(fallen, at[:, None], axis=1)
        return Pieces(floats(np.diff(self.rps, axis=1)), floats(steady))

    def load_within(self, usd_per_rps: float) -> Floats:
        """(B,) the largest load on the grid up to which the last piece costs no more than this per rps; 0 if none."""
        cheap = self._slopes() <= usd_per_rps
        pieces = np.where(cheap.any(axis=1), cheap.shape[1] - cheap[:, ::-1].argmax(axis=1), 0)
        return np.asarray(np.take_along_axis(self.rps, pieces[:, None], axis=1)[:, 0], dtype=np.float64)

    def _slopes(self) -> Floats:
        width = np.diff(self.rps, axis=1)
        slope = np.diff(self.usd, axis=1) / np.where(width > 0, width, 1.0)
        # A piece without width takes the slope before it, so that it is no kink.
        for i in range(1, slope.shape[1]):
            slope[:, i] = np.where(width[:, i] > 0, slope[:, i], slope[:, i - 1])
        return np.asarray(slope, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Outlook:
    """(B,) each: what a backend has to reckon with."""

    warm: Floats
    """Part of its replicas that it may be given; 0: none."""
    ready_rps: Floats
    """What its replicas of now serve at full use."""
    error: Floats
    """Relative error of its load."""


@dataclass(frozen=True, slots=True)
class SitePrices:
    """(B,) each."""

    usd_per_request_ms: Floats
    linear_usd: Floats
    """$/h per rps of compute that the routes charge already."""
    overflow_usd: Floats
    """$/h per rps of load that comes and does not fit."""


def autoscaled(scaler: Autoscaler, outlook: Outlook, prices: SitePrices) -> Curve:
    """Curves of autoscaled backends; of the others they mean nothing."""
    bound = replace(scaler, replicas_max=floats(scaler.replicas_max * outlook.warm))
    mu, most = bound.rps_per_replica, bound.replicas_max
    slow = (scaler.lead_s > 0)[:, None]
    first = (scaler.utilization_target * mu * np.minimum(bound.replicas_min, most))[:, None]
    last, full = (scaler.utilization_target * mu * most)[:, None], (FULL * mu * most)[:, None]
    load = np.hstack([first * LOW, last + (full - last) * HIGH])
    load = np.where(slow, np.minimum(load, FULL * outlook.ready_rps[:, None]), load)
    settled = bound.running(load)
    expected = np.zeros_like(load)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        come = load * np.exp(outlook.error * node - outlook.error**2 / 2)[:, None]
        running = np.where(slow, settled, bound.running(come))
        served = np.minimum(come, FULL * mu[:, None] * running)
        over = (come - served) * prices.overflow_usd[:, None]
        expected += weight * (bound.cost(running, served, prices.usd_per_request_ms) + over)
    beyond = expected - expected[:, :1] - load * prices.linear_usd[:, None]
    return Curve(floats(load), floats(beyond))


def expected(pieces: Pieces, error: Floats, overflow_usd: Floats) -> Pieces:
    """Pieces of load that is uncertain: (B,) relative `error`, and `overflow_usd` per rps that comes and does not fit.

    What does not fit costs no less than the last that did. Twice as many pieces as before: the expectation of a convex
    cost is convex, so its chords are pieces, if a little dear.
    """
    steep = np.ascontiguousarray(pieces.usd.T)  # (pieces, B) from here on: long rows are quick
    width = np.repeat(np.ascontiguousarray(pieces.rps.T) / 2, 2, axis=0)
    load = np.cumsum(width, axis=0)
    # A cost of pieces is a sum of kinks: at the beginning of each, and where nothing fits any more, it gets steeper.
    kinks = np.zeros((len(steep) + 1, len(error)))
    np.cumsum(pieces.rps.T, axis=0, out=kinks[1:])
    bends = np.vstack([steep, np.maximum(overflow_usd, steep.max(axis=0))])
    bends[1:] -= steep
    come = load * np.exp(error * NODES[:, None] - error**2 / 2)[:, None]  # (nodes, pieces, B)
    usd, over = np.zeros_like(load), np.empty_like(come)
    for kink, bend in zip(kinks, bends, strict=True):  # in place: new arrays take longer than the sums
        if bend.any():  # mostly not at the first: load within the target is free
            np.maximum(np.subtract(come, kink, out=over), 0.0, out=over)
            usd += bend * (WEIGHTS @ over.reshape(len(NODES), -1)).reshape(load.shape)
    more = usd.copy()
    more[1:] -= usd[:-1]
    return Pieces(floats(width.T), floats((more / np.where(width > 0, width, 1.0)).T))


def either(follows: Bools, curve: Curve, pieces: Pieces) -> Curve:
    """The curve where replicas follow load, and elsewhere the pieces, padded to as many points."""
    pad = ((0, 0), (1, curve.rps.shape[1] - pieces.rps.shape[1] - 1))
    rps = np.cumsum(np.pad(pieces.rps, pad), axis=1)
    usd = np.cumsum(np.pad(pieces.rps * pieces.usd, pad), axis=1)
    here = follows[:, None]
    return Curve(floats(np.where(here, curve.rps, rps)), floats(np.where(here, curve.usd, usd)))


def lower_hull(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """(B, N - 1) widths and slopes of the lower convex hull of each row of points, x ascending; width 0 pads.

    Andrew's monotone chain (1979) on all rows at once.
    """
    rows, points = x.shape
    every = np.arange(rows)
    chain = np.zeros((rows, points), dtype=np.int64)
    top = np.zeros(rows, dtype=np.int64)
    for i in range(1, points):
        todo = top > 0
        while todo.any():
            b, a = chain[every, top], chain[every, np.maximum(top - 1, 0)]
            cross = (x[every, b] - x[every, a]) * (y[:, i] - y[every, a])
            cross -= (y[every, b] - y[every, a]) * (x[:, i] - x[every, a])
            todo &= cross <= 0
            top -= todo
            todo &= top > 0
        top += 1
        chain[every, top] = i
    end = np.minimum(np.arange(points), top[:, None])
    at_x, at_y = (np.take_along_axis(v, np.take_along_axis(chain, end, axis=1), axis=1) for v in (x, y))
    width = np.diff(at_x, axis=1)
    slope = np.diff(at_y, axis=1) / np.where(width > 0, width, 1.0)
    return width, slope
