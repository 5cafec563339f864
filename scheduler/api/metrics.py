"""What Prometheus scrapes from us, set from the board after every turn."""

import asyncio
import math
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from placement.cost import COMPONENTS
from scheduler.api.standing import Standing
from scheduler.state import Mode, State
from scheduler.turn import Turn

CONTENT_TYPE = CONTENT_TYPE_LATEST
WORKERS = {"scheduler.tabulation:Elsewhere": "failover tables", "scheduler.placing_apart:Elsewhere": "assignment"}
"""Processes of our own, see scheduler.apart. They are counted from 0, or nobody would see the first loss rise."""
TICK_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One registry per service, so that tests and several controllers in one process do not share counts."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.tick = Histogram(
            "equipoise_tick_duration_seconds",
            "Time of one tick.",
            ["reason"],
            buckets=TICK_BUCKETS_S,
            registry=registry,
        )
        self.steps = Histogram(
            "equipoise_step_duration_seconds", "Time of each step of a tick.", ["step"], buckets=TICK_BUCKETS_S,
            registry=registry,
        )  # fmt: skip
        self.solve = Histogram(
            "equipoise_solve_duration_seconds", "Time of a solve.", ["status"], buckets=TICK_BUCKETS_S,
            registry=registry,
        )  # fmt: skip
        self.gap = Gauge(
            "equipoise_solve_gap_ratio", "Certified distance of the last solved plan from the optimum.",
            registry=registry,
        )  # fmt: skip
        self.cost = Gauge("equipoise_cost_usd_per_hour", "Cost of the routing.", ["component"], registry=registry)
        self.age = Gauge("equipoise_readings_age_seconds", "Age of the readings planned with.", registry=registry)
        self.push = Counter("equipoise_push_total", "Writes to meshes.", ["origin", "result"], registry=registry)
        self.rejected = Counter(
            "equipoise_telemetry_rejected_total", "Measurements refused.", ["source", "signal", "reason"],
            registry=registry,
        )  # fmt: skip
        self.leader = Gauge("equipoise_leader", "1 while this controller leads.", registry=registry)
        self.mode = Gauge("equipoise_mode", "1 for the mode in force.", ["mode"], registry=registry)
        self.panic = Gauge("equipoise_panic", "1 while the probes are in doubt.", registry=registry)
        self.reload_failed = Gauge(
            "equipoise_configuration_reload_failed", "1 while the newest documents are invalid.", registry=registry
        )
        self.ledger_failed = Gauge(
            "equipoise_ledger_failed", "1 while the ledger cannot be written.", registry=registry
        )
        self.source_failed = Gauge(
            "equipoise_telemetry_source_failed", "1 while a source is unavailable.", ["source"], registry=registry
        )
        self.samples = Counter("equipoise_telemetry_samples_total", "Samples that agents sent.", registry=registry)
        self.handed = Gauge("equipoise_telemetry_handed_samples", "Of those, given to the loop.", registry=registry)
        self.standing = Standing()
        registry.register(self.standing)
        self.workers = Counter(
            "equipoise_worker_lost_total", "Processes of our own that died or hung, and were begun anew.", ["kind"],
            registry=registry,
        )  # fmt: skip
        for words in WORKERS.values():
            self.workers.labels(words)
        self.lag = Histogram(
            "equipoise_event_loop_lag_seconds", "How late the event loop wakes up.",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0), registry=registry,
        )  # fmt: skip

    def worker_lost(self, kind: str) -> None:
        """A process of our own died or hung."""
        self.workers.labels(WORKERS[kind]).inc()

    def show(self, state: State, turn: Turn) -> None:
        """Take the result of a tick."""
        self.tick.labels(turn.plan.reason).observe(turn.duration_s)
        self.age.set(turn.snapshot.age_s())
        self.panic.set(turn.verdicts.panic)
        if math.isfinite(turn.plan.gap):
            self.gap.set(turn.plan.gap)
        for mode in Mode:
            self.mode.labels(mode).set(mode is turn.mode)
        for component in COMPONENTS:
            self.cost.labels(component).set(getattr(turn.pushed_cost, component))
        for origin, outcome in turn.outcomes.items():
            self.push.labels(origin, "stored" if outcome.landed else "failed").inc()
        for rejection in turn.rejections.rows:
            self.rejected.labels(rejection.source, rejection.signal, rejection.reason).inc(rejection.count)
        self.standing.newest = state, turn

    def step(self, name: str, took_s: float, failed: bool) -> None:
        """Take the time of one step of a tick."""
        self.steps.labels(name).observe(took_s)
        if name == "solve":
            self.solve.labels("failed" if failed else "done").observe(took_s)

    async def measure_lag(self, every_s: float = 0.1) -> None:
        """How late the event loop is, until cancelled: the proof that nothing blocks it."""
        while True:
            expected_s = time.monotonic() + every_s
            await asyncio.sleep(every_s)
            self.lag.observe(max(0.0, time.monotonic() - expected_s))

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
