"""What dashboards are drawn from: weights desired, pushed and observed, drift, headroom and the age of every signal.

Worked out when Prometheus asks, so that a tick pays nothing for it.
"""

from collections.abc import Callable, Iterable
from importlib.metadata import version

import numpy as np
from prometheus_client.core import CollectorRegistry, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from placement.cost import loads
from placement.routing import Routing, RoutingView, moved_share
from scheduler.board import Board
from scheduler.hygiene import FIELDS
from scheduler.state import State
from scheduler.turn import Turn

FLOWS_SHOWN_MAX = 2_000
"""Series per flow are left out of larger fleets: Prometheus would not thank us, and the API has them."""


class Signals(Collector):
    """Gauges over the newest turn of a board."""

    def __init__(self, board: Board, now_s: Callable[[], float], registry: CollectorRegistry) -> None:
        self.board, self.now_s = board, now_s
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: the first look may come before the first tick."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """What holds now."""
        yield InfoMetricFamily("equipoise_build", "What runs.", {"version": version("equipoise")})
        state, turn = self.board.state, self.board.turn
        if state is None or turn is None:
            return
        yield weights(state, turn)
        yield drift(state, turn)
        yield headroom(state, turn)
        yield ages(state, self.now_s())


def weights(state: State, turn: Turn) -> Metric:
    """Shares of every flow: as decided, as written, and as the meshes said when the turn began."""
    family = GaugeMetricFamily(
        "equipoise_traffic_weight_ratio", "Share of a flow.", labels=["service", "origin", "cluster", "kind"]
    )
    if len(state.fleet.flows) > FLOWS_SHOWN_MAX:
        return family
    kinds: dict[str, Routing] = {
        "desired": turn.plan.routing,
        "pushed": turn.pushed,
        "observed": turn.snapshot.routing,
    }
    for kind, routing in kinds.items():
        for name, shares in RoutingView(state.fleet, routing).items():
            service, origin = name.split("@")
            for cluster, share in shares.items():
                family.add_metric([service, origin, cluster, kind], share)
    return family


def drift(state: State, turn: Turn) -> Metric:
    """By origin, the most that a flow in its mesh differs from what was last written."""
    family = GaugeMetricFamily(
        "equipoise_weight_drift_ratio", "Largest share of a flow that a mesh has elsewhere.", labels=["origin"]
    )
    moved = moved_share(turn.snapshot.routing, turn.pushed)
    worst = np.zeros(len(state.fleet.origins.ids))
    np.maximum.at(worst, state.fleet.flows.origin, moved)
    for origin, value in zip(state.fleet.origins.ids, worst.tolist(), strict=True):
        family.add_metric([origin], value)
    return family


def headroom(state: State, turn: Turn) -> Metric:
    """By cluster, the least part of a backend's capacity that is free, below 0 where it is overloaded."""
    family = GaugeMetricFamily(
        "equipoise_cluster_headroom_ratio", "Free part of the fullest backend.", labels=["cluster"]
    )
    problem = state.problem
    if problem is None:
        return family
    capacity = problem.capacity_rps
    used = loads(problem, turn.pushed).backend_rps
    free = np.where(capacity > 0, 1.0 - used / np.where(capacity > 0, capacity, 1.0), np.where(used > 0, -1.0, 1.0))
    least = np.full(len(state.fleet.clusters.ids), np.inf)
    np.minimum.at(least, state.fleet.backends.cluster, free)
    for cluster, value in zip(state.fleet.clusters.ids, least.tolist(), strict=True):
        if np.isfinite(value):
            family.add_metric([cluster], value)
    return family


def ages(state: State, now_s: float) -> Metric:
    """By signal, the time since its newest measurement; a signal that nobody ever sent has no series."""
    family = GaugeMetricFamily("equipoise_signal_age_seconds", "Since the newest measurement.", labels=["signal"])
    for signal in FIELDS:
        taken_s = state.memory.taken_at_s.get(signal)
        if taken_s is not None and np.isfinite(taken_s).any():
            family.add_metric([str(signal)], now_s - float(taken_s[np.isfinite(taken_s)].max()))
    return family
