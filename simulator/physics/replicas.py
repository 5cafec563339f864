"""Replicas in time: an autoscaler that is late, and caches that are cold."""

from collections import deque

import numpy as np

from placement.columns import Bools, Floats
from placement.fleet import Fleet
from simulator.physics.layout import total
from simulator.physics.queues import approached
from simulator.scenario.model import WorldShape


class Replicas:
    """(B,) columns. Without autoscaling what was declared stays; a cache knows as much load as it saw lately."""

    def __init__(self, fleet: Fleet, declared_rps: Floats, shape: WorldShape) -> None:
        self.fleet, self.scaling, self.caches = fleet, shape.autoscaling, shape.caches
        sites, backends = fleet.sites, len(fleet.backends)
        each = np.ones(backends)
        each[sites.backend] = sites.rps_per_replica
        self.rps_each = each
        self.usd_each = total(sites.backend, sites.usd_per_replica_hour, backends) / np.maximum(
            np.bincount(sites.backend, minlength=backends), 1
        )
        self.declared = declared_rps / each
        self.target = fleet.services.utilization_target[fleet.backends.service]
        self.ready = self.declared.copy()
        self.coming: deque[tuple[float, Floats]] = deque()
        self.less_since_s = np.full(backends, np.inf)
        self.looked_s = -np.inf
        self.known_rps = np.full(backends, np.inf)
        """Load that the caches know."""
        self.load_rps = np.zeros(backends)

    def capacity_rps(self) -> Floats:
        """(B,) of the replicas that are ready, warm."""
        return np.asarray(self.ready * self.rps_each, dtype=np.float64)

    def warmth(self) -> Floats:
        """(B,) part of the capacity that the caches leave."""
        if self.caches.cold_ratio >= 1:
            return np.ones(len(self.ready))
        known = np.divide(self.known_rps, self.load_rps, out=np.ones_like(self.load_rps), where=self.load_rps > 1e-9)
        return np.asarray(self.caches.cold_ratio + (1 - self.caches.cold_ratio) * np.minimum(known, 1.0))

    def usd_per_hour(self) -> float | None:
        """Of what runs or starts; None without autoscaling."""
        if self.scaling is None:
            return None
        starting = np.sum([more for _, more in self.coming], axis=0) if self.coming else 0.0
        return float(((self.ready + starting) * self.usd_each).sum())

    def cool(self, revived: Bools) -> None:
        """What comes back knows nothing."""
        self.known_rps = np.where(revived, 0.0, self.known_rps)

    def follow(self, load_rps: Floats, now_s: float, step_s: float) -> None:
        """Let time pass under a load."""
        self.load_rps = load_rps
        if self.caches.cold_ratio < 1:
            start = np.where(np.isinf(self.known_rps), load_rps, self.known_rps)
            self.known_rps = approached(start, load_rps, step_s, self.caches.warm_up)
        if self.scaling is None:
            return
        while self.coming and self.coming[0][0] <= now_s:
            self.ready = self.ready + self.coming.popleft()[1]
        if now_s - self.looked_s >= self.scaling.every:
            self.looked_s = now_s
            self._scale(load_rps, now_s)

    def _scale(self, load_rps: Floats, now_s: float) -> None:
        """As the Kubernetes horizontal autoscaler: up at once (to be ready later), down after a while of less."""
        assert self.scaling is not None
        least, most = self.scaling.min_ratio * self.declared, self.scaling.max_ratio * self.declared
        wanted = np.clip(np.ceil(load_rps / (self.target * self.rps_each)), np.ceil(least), np.floor(most))
        starting = np.sum([more for _, more in self.coming], axis=0) if self.coming else np.zeros_like(wanted)
        more = np.maximum(wanted - self.ready - starting, 0.0)
        if more.any():
            self.coming.append((now_s + self.scaling.startup, more))
        less = wanted < self.ready
        self.less_since_s = np.where(less, np.minimum(self.less_since_s, now_s), np.inf)
        long = now_s - self.less_since_s >= self.scaling.down_after
        self.ready = np.where(long, np.maximum(wanted, 0.0), self.ready)
