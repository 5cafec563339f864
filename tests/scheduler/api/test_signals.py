from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from scheduler.api.metrics import Metrics
from scheduler.api.signals import Signals
from scheduler.board import Board
from scheduler.loop import tick
from scheduler.tracing import Trace, traced
from tests.scheduler.ports import bench


def samples(registry: CollectorRegistry) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


async def test_signals_before_the_first_tick_say_only_what_runs() -> None:
    registry = CollectorRegistry()
    Signals(Board(), lambda: 0.0, registry)

    assert set(samples(registry)) == {"equipoise_build_info"}


async def test_signals_after_a_tick_have_weights_of_every_kind_drift_headroom_and_ages() -> None:
    b, board, metrics = bench(), Board(), Metrics()
    b.clock.at_s = 10.0
    b.measure()
    b.state, turn = await tick(b.state, b.ports, b.policy)
    board.show(b.state, turn)
    Signals(board, lambda: 13.0, metrics.registry)

    found = samples(metrics.registry)

    sums: dict[tuple[str, str, str], float] = {}
    for labels, value in found["equipoise_traffic_weight_ratio"].items():
        said = dict(labels)
        key = (said["service"], said["origin"], said["kind"])
        sums[key] = sums.get(key, 0.0) + value
    assert {round(total, 9) for total in sums.values()} == {1.0}
    assert {kind for *_, kind in sums} == {"desired", "pushed", "observed"}
    assert len(found["equipoise_weight_drift_ratio"]) == len(b.fleet.origins.ids)
    assert all(0.0 < value <= 1.0 for value in found["equipoise_cluster_headroom_ratio"].values())
    assert found["equipoise_signal_age_seconds"] == {(("signal", "demand_rps"),): 3.0}


async def test_steps_of_a_traced_tick_are_timed_without_any_exporter() -> None:
    b, metrics = bench(), Metrics()
    trace = Trace(None, metrics.step)
    b.measure()
    b.state, turn = await tick(b.state, traced(b.ports, trace), b.policy)
    trace.finish(turn)

    found = samples(metrics.registry)
    assert found["equipoise_solve_duration_seconds_count"] == {(("status", "done"),): 1.0}
    steps = {dict(labels)["step"] for labels in found["equipoise_step_duration_seconds_count"]}
    assert {"observe", "solve", "guard", "push", "record", "tabulate"} <= steps
