"""Verdicts and what losses would do, as metrics: worked out when Prometheus asks, no tick pays for it."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from health.states import State as Verdict
from health.verdict import usable
from scheduler.board import SMALL
from scheduler.state import State
from scheduler.turn import Turn


class Standing(Collector):
    """Gauges over the newest turn. What is gone has no series any more."""

    def __init__(self) -> None:
        self.newest: tuple[State, Turn] | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics."""
        verdict = GaugeMetricFamily(
            "equipoise_backend_verdict", "1 for the state a backend is in.", labels=["service", "cluster", "state"]
        )
        gateway = GaugeMetricFamily(
            "equipoise_gateway_lost", "1 while a cluster is reached from inside alone.", labels=["cluster"]
        )
        fullest = GaugeMetricFamily(
            "equipoise_failover_worst_utilization_ratio", "Fullest backend after a loss.", labels=["loss"]
        )
        unmet = GaugeMetricFamily("equipoise_failover_unmet_rps", "Refused after a loss.", labels=["loss"])
        age = GaugeMetricFamily(
            "equipoise_failover_proof_age_seconds", "Since the oldest row of the failover table was proved."
        )
        if self.newest is not None:
            state, turn = self.newest
            _judged(state, turn, verdict, gateway)
            _lost(state, turn, fullest, unmet, age)
        yield from (verdict, gateway, fullest, unmet, age)


def _judged(state: State, turn: Turn, verdict: GaugeMetricFamily, gateway: GaugeMetricFamily) -> None:
    for backend, now in enumerate(turn.verdicts.state.tolist()):
        verdict.add_metric([*state.fleet.backend_name(backend).split("/"), Verdict(now).name], 1)
    for cluster, here in zip(state.fleet.clusters.ids, usable(state.gateways).tolist(), strict=True):
        gateway.add_metric([cluster], not here)


def _lost(
    state: State, turn: Turn, fullest: GaugeMetricFamily, unmet: GaugeMetricFamily, age: GaugeMetricFamily
) -> None:
    rows = state.failover.rows if state.failover is not None else ()
    for row in rows:
        if row.loss.kind not in SMALL:
            fullest.add_metric([str(row.loss)], row.worst_utilization)
            unmet.add_metric([str(row.loss)], row.shed_rps)
    age.add_metric([], turn.at_s - min((row.made_at_s for row in rows), default=turn.at_s))
