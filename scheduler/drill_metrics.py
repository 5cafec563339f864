"""Drills for Prometheus, read when it asks."""

from collections.abc import Callable, Iterable

from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from scheduler.drill_book import PathBook
from scheduler.drill_paths import KINDS
from scheduler.drills import Drills


class DrillMetrics(Collector):
    """Gauges of coverage and of the drill under way, and counts of outcomes."""

    def __init__(
        self, drills: Drills, book: PathBook, wall_s: Callable[[], float], registry: CollectorRegistry
    ) -> None:
        self.drills, self.book, self.wall_s = drills, book, wall_s
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: the first look may come before the first tick."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """What holds now."""
        found = self.book.summary(self.wall_s(), self.drills.ports.policy().kinds or KINDS)
        covered = GaugeMetricFamily(
            "equipoise_drill_coverage_ratio", "Traffic whose failover path was verified in 24 h.", labels=["level"]
        )
        oldest = GaugeMetricFamily(
            "equipoise_drill_oldest_unverified_path_age_seconds", "Of the path longest not verified.", labels=["level"]
        )
        for level, ratio in found["coverage24"].items():
            covered.add_metric([level], ratio)
            oldest.add_metric([level], found["oldest_unverified_path"][level]["age_s"] or 0.0)
        yield covered
        yield oldest
        yield GaugeMetricFamily(
            "equipoise_drill_proof_coverage_ratio", "The same for proofs of the last minute.", found["proof_coverage"]
        )
        yield GaugeMetricFamily(
            "equipoise_drill_flows_proved_ratio",
            "Flows all of whose failover paths were proved in the last minute.",
            found["flows_proved_ratio"],
        )
        yield GaugeMetricFamily(
            "equipoise_drill_oldest_proof_age_seconds", "Of the path proved longest ago.", found["oldest_proof_age_s"]
        )
        yield GaugeMetricFamily(
            "equipoise_drill_stopped", "1 when a fault has ended the drills.", float(bool(self.drills.stopped))
        )
        live = self.drills.live
        ratio = GaugeMetricFamily("equipoise_drill_ratio", "What the drill under way moves.", labels=["level", "loss"])
        if live is not None:
            ratio.add_metric([str(live.drill.level), live.drill.loss], live.drill.ratio)
        yield ratio
        ended = CounterMetricFamily("equipoise_drills", "Drills that ended.", labels=["level", "outcome"])
        for level, outcome in sorted({(d["level"], d["outcome"]) for d in self.drills.ended}):
            count = sum((d["level"], d["outcome"]) == (level, outcome) for d in self.drills.ended)
            ended.add_metric([level, outcome], count)
        yield ended
