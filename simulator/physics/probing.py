"""Probes in the simulated world, round by round where something changes, in one stride where nothing does."""

from collections import deque

import numpy as np

from health.rules import Rules
from placement.columns import Bools, Floats, Ints, bools
from placement.fleet import Fleet
from scheduler.watch import ProbeWatch
from simulator.physics.layout import total
from simulator.physics.queues import timely
from simulator.physics.truth import Truth
from simulator.physics.world import Happening

CONTROLLER = "controller"
LEAST_REQUESTS = 1e-3
"""In a step; fewer are nobody."""


def watch_of(fleet: Fleet, rules: Rules, vantages: int) -> ProbeWatch:
    """A watch that remembers nothing yet."""
    backends = fleet.backends
    return ProbeWatch(len(backends), rules, vantages, backends.service, backends.cluster)


class Probing:
    """Every vantage probes every back end once in an interval."""

    def __init__(
        self,
        fleet: Fleet,
        watch: ProbeWatch,
        vantages: tuple[str, ...],
        interval_s: float,
        timeout_ms: float,
        calm: int,
        rng: np.random.Generator,
        patience_s: float = np.inf,
    ) -> None:
        """`patience_s` is how long clients wait: an answer that comes later is no good answer to them."""
        self.patience_s = patience_s
        self.fleet, self.watch, self.interval_s, self.timeout_ms, self.calm = fleet, watch, interval_s, timeout_ms, calm
        self.rng = rng
        self.everything = np.arange(len(fleet.backends))
        names = list(fleet.clusters.ids)
        self.home = [names.index(v) if v != CONTROLLER else -1 for v in vantages]  # type: ignore[arg-type]
        self.passes: list[Floats] = []
        self.late: Bools = np.zeros(len(fleet.backends), dtype=bool)
        """(B,) back ends that answer later than probes wait: a round says so only when their time is over."""
        self.waiting: deque[tuple[float, int, Ints]] = deque()
        """(when it is over, vantage, rows) of probes that nobody answered yet, in order."""
        self.owed: deque[tuple[float, Ints, Floats, Floats, float]] = deque()
        """(when they end, rows, answered, failed, step) of requests that such back ends are still busy with."""
        self.slow_s = np.zeros(len(fleet.backends))
        self.alike = 0

    def alter(self, truth: Truth) -> None:
        """Something changed: from here on every round counts until it is calm again."""
        self.passes = [self._pass_ratio(truth, home) for home in self.home]
        self.late = truth.answers(self.fleet) & (truth.slow_ms >= self.timeout_ms)
        self.slow_s = np.minimum(truth.slow_ms / 1e3, self.patience_s)
        self.alike = 0

    @property
    def quiet(self) -> bool:
        """Whether further rounds would tell nothing new: all certain, and repeated often enough for every rule."""
        certain = all(((p == 0) | (p == 1)).all() for p in self.passes)
        patience = int(np.ceil(self.timeout_ms / 1e3 / self.interval_s)) if self.late.any() else 0
        return certain and self.alike >= self.calm + patience and not self.owed

    def round(self, now_s: float) -> None:
        """One round of all vantages, and what became of those before."""
        while self.waiting and self.waiting[0][0] <= now_s + 1e-9:
            _, vantage, rows = self.waiting.popleft()
            self.watch.report(rows, bools(np.zeros(len(rows))), now_s, vantage)
        soon = np.flatnonzero(~self.late)
        for vantage, passes in enumerate(self.passes):
            if np.isnan(passes).any():
                continue
            drawn = self._draw(passes)
            if len(soon) == len(drawn):
                self.watch.report(self.everything, drawn, now_s, vantage)
                continue
            self.watch.report(soon, bools(drawn[soon]), now_s, vantage)
            self.waiting.append((now_s + self.timeout_ms / 1e3, vantage, np.flatnonzero(self.late)))
        self.alike += 1

    def witness(self, truth: Truth, now: Happening) -> None:
        """What clients saw of every back end in a step, as far as their meshes can tell the controller."""
        entries, passage = now.entries, now.passage
        told = truth.tells()[self.fleet.origins.cluster[entries.origin]]  # -1, outside of clusters, is the last
        sent = np.where(told, passage.sent_rps * now.step_s, 0.0)
        rows = len(self.fleet.backends) + 1
        all_of_them = total(entries.backend, sent, rows)[:-1]
        in_time = now.path_ok * timely(passage.latency_ms, self.patience_s)
        answered = total(entries.backend, sent * in_time, rows)[:-1] * passage.backend_ok[:-1]
        asked = np.flatnonzero(all_of_them > LEAST_REQUESTS)
        failed = np.maximum(all_of_them - answered, 0.0)
        if self.late.any() or self.owed:
            self._owe(asked[self.late[asked]], answered, failed, now)
            answered[self.late], failed[self.late] = 0.0, 0.0
        self.watch.witness(asked, answered[asked], failed[asked], now.at_s - now.step_s, now.at_s)

    def _owe(self, rows: Ints, answered: Floats, failed: Floats, now: Happening) -> None:
        """What slow back ends are asked is known when the answer comes, or nobody waits for it any longer."""
        for wait_s in np.unique(self.slow_s[rows]).tolist():
            some = rows[self.slow_s[rows] == wait_s]
            self.owed.append((now.at_s + wait_s, some, answered[some], failed[some], now.step_s))
        for ends_s, some, good, bad, step_s in [owed for owed in self.owed if owed[0] <= now.at_s + 1e-9]:
            self.watch.witness(some, good, bad, ends_s - step_s, now.at_s)
        self.owed = deque(owed for owed in self.owed if owed[0] > now.at_s + 1e-9)

    def _draw(self, passes: Floats) -> Bools:
        if ((passes == 0) | (passes == 1)).all():
            return bools(passes == 1)
        return bools(self.rng.random(len(passes)) < passes)

    def _pass_ratio(self, truth: Truth, home: int) -> Floats:
        """(B,) part of the probes of a vantage that are answered in time; NaN where it says nothing."""
        fleet = self.fleet
        cluster = fleet.backends.cluster
        ok = truth.answers(fleet) * (1 - truth.probe_error_ratio) * (1 - truth.probe_loss)
        ok = ok * (truth.slow_ms < self.timeout_ms)
        inside = cluster == home
        ok = ok * (inside | truth.gateway_up[cluster])
        if home < 0:
            return np.asarray(ok * truth.control_ok[cluster], dtype=np.float64)
        if not truth.cluster_up[home] or truth.control_ok[home] < 0.5 or not truth.heard[home]:
            return np.full(len(cluster), np.nan)
        origin = int(fleet.origin_of_cluster()[home])
        path = truth.path_ok[origin] if origin >= 0 else np.ones(len(fleet.clusters))
        return np.asarray(ok * np.where(inside, 1.0, path[cluster]), dtype=np.float64)
