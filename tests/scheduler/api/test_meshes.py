"""What the API says of meshes: four verdicts and every drift."""

import io
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from cli.meshes import meshes_tables
from connectors.drift import OnDrift
from connectors.telemetry import Batch, Signal
from placement.columns import floats
from scheduler.api.meshes import MeshesApi
from scheduler.loop import tick
from scheduler.splits import SplitMeter
from tests.scheduler.ports import bench
from tests.scheduler.test_straying import disturbed


async def asked(api: MeshesApi) -> dict[str, Any]:
    """`GET /api/v1/meshes`, as it is declared."""
    (route,) = api.routes()
    call: Any = None
    answer = await api.meshes(call)
    (shape,) = route.answers.values()
    assert shape is not None
    return shape.model_validate(answer.body).model_dump()


async def test_meshes_after_a_tick_say_verdicts_and_drifts_with_who_changed_what() -> None:
    b, mesh = await disturbed(OnDrift.IGNORE)
    registry = CollectorRegistry()
    api = MeshesApi(b.ports.connectors, SplitMeter(), registry)
    assert {row["stored"] for row in (await asked(api))["meshes"]} == {None}

    b.state, turn = await tick(b.state, b.ports, b.policy)
    api.show(b.state, turn)
    body = await asked(api)

    row = next(row for row in body["meshes"] if row["origin"] == mesh.origin)
    assert row["on_drift"] == "ignore"
    (drift,) = row["drifts"]
    assert (drift["who"], drift["found"], drift["where"]) == ("somebody", "gone", "HTTPRoute a/b")
    assert f'equipoise_mesh_drifts{{origin="{mesh.origin}"}} 1.0' in generate_latest(registry).decode()
    console = Console(width=200, record=True, file=io.StringIO())
    for table in meshes_tables(body):
        console.print(table)
    said = console.export_text()
    assert "somebody" in said
    assert "ignore" in said


async def test_meshes_after_a_push_say_that_it_is_stored_and_what_was_measured_since() -> None:
    b = bench()
    registry = CollectorRegistry()
    api = MeshesApi(b.ports.connectors, SplitMeter(), registry)
    b.state, turn = await tick(b.state, b.ports, b.policy)
    api.show(b.state, turn)
    for at_s in range(12):
        for origin, table in b.state.tables.items():
            rows = [(s, t.cluster, t.weight) for s, targets, _ in table.items() for t in targets if t.weight]
            keys = tuple((service, str(origin), str(cluster)) for service, cluster, _ in rows)
            rates = floats(np.array([weight / 10 for *_, weight in rows]))
            api.meter.hear(Batch(Signal.SENT_RPS, f"lrs:{origin}", float(at_s), keys, rates))
    api.show(b.state, turn)

    for row in (await asked(api))["meshes"]:
        assert (row["stored"], row["accepted"], row["achieved"], row["version"]) == (True, True, True, 1)
        assert row["split_error"] == 0.0
        said = f'equipoise_mesh_verdict{{origin="{row["origin"]}",verdict="achieved"}} 1.0'
        assert said in generate_latest(registry).decode()
