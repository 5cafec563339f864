"""Exports as OpenTelemetry's own SDK makes them, and bytes that nobody should send."""

import contextlib

import pytest
from google.protobuf.json_format import MessageToJson
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from connectors.otlp import NotMetrics, OtlpMetrics
from connectors.telemetry import Batch, Signal

PROTOBUF = "application/x-protobuf"


class Instance:
    """A process that measures with the SDK."""

    def __init__(self, name: str, cluster: str, delta: bool = False) -> None:
        wanted = {Histogram: AggregationTemporality.DELTA} if delta else {}
        self.reader = InMemoryMetricReader(preferred_temporality=wanted)
        about = {"service.name": name, "k8s.cluster.name": cluster, "service.instance.id": f"{name}-{id(self)}"}
        meter = MeterProvider([self.reader], Resource(about)).get_meter("test")
        self.client = meter.create_histogram("http.client.request.duration", unit="s")
        self.server = meter.create_histogram("http.server.request.duration", unit="s")
        self.demand = meter.create_gauge("equipoise.demand_rps")

    def export(self) -> bytes:
        data = self.reader.get_metrics_data()
        assert data is not None
        return bytes(encode_metrics(data).SerializeToString())


class Time:
    """In the hands of the test."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now_s(self) -> float:
        return self.at_s


def source(time: Time) -> OtlpMetrics:
    return OtlpMetrics(time.now_s, lambda: 0.0)


def value(batches: tuple[Batch, ...], signal: Signal) -> dict[tuple[str, ...], float]:
    return {
        key: v for batch in batches if batch.signal is signal for key, v in zip(batch.keys, batch.value, strict=True)
    }


@pytest.mark.parametrize("delta", [False, True])
async def test_histograms_of_several_clients_add_up_to_demand_split_and_errors(delta: bool) -> None:
    time = Time()
    otlp, clients = source(time), [Instance("web", "eu", delta) for _ in range(2)]
    for client in clients:
        client.client.record(0.1, {"peer.service": "shop"})
        otlp.take(client.export(), PROTOBUF)
    await otlp.collect()

    for client in clients:
        for _ in range(6):
            client.client.record(0.1, {"peer.service": "shop", "equipoise.cluster": "us"})
            client.client.record(0.1, {"peer.service": "shop"})
        client.client.record(0.1, {"peer.service": "shop", "http.response.status_code": 503})
        otlp.take(client.export(), PROTOBUF)
        for _ in range(2):
            client.client.record(0.1, {"peer.service": "shop"})
        otlp.take(client.export(), PROTOBUF)
    time.at_s = 2.0
    found = await otlp.collect()

    new = 0 if not delta else 1  # a cumulative series that was never seen before says nothing of when it was counted
    assert value(found, Signal.DEMAND_RPS) == {("shop", "eu"): 8 + new * 7}
    assert value(found, Signal.SENT_RPS).get(("shop", "eu", "us"), 0.0) == new * 6
    assert value(found, Signal.ERROR_RATIO)["shop", "eu"] == pytest.approx(new * 2 / 18)


async def test_server_durations_are_latency_in_milliseconds() -> None:
    time = Time()
    otlp, server = source(time), Instance("shop", "us", delta=True)
    await otlp.collect()
    for took_s in (0.010, 0.030):
        server.server.record(took_s)
    assert otlp.take(server.export(), PROTOBUF) == 1
    time.at_s = 1.0

    assert value(await otlp.collect(), Signal.LATENCY_MS) == pytest.approx({("shop", "us"): 20.0})


async def test_gauge_named_after_a_signal_is_taken_as_it_is_in_json_too() -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    agent, otlp = Instance("agent", "eu"), source(Time())
    agent.demand.set(120.5, {"service": "shop", "origin": "eu"})
    agent.demand.set(7, {"service": "shop"})
    text = MessageToJson(ExportMetricsServiceRequest.FromString(agent.export()))

    assert otlp.take(text.encode(), "application/json; charset=utf-8") == 1, "one has no origin"
    assert value(await otlp.collect(), Signal.DEMAND_RPS) == {("shop", "eu"): 120.5}
    assert await otlp.collect() == ()


async def test_cumulative_count_that_fell_began_anew() -> None:
    time = Time()
    otlp, server = source(time), Instance("shop", "us")
    for _ in range(9):
        server.server.record(0.1)
    otlp.take(server.export(), PROTOBUF)
    await otlp.collect()
    again = Instance("shop", "us")
    again.server.record(0.5)
    restarted = again.export().replace(str(id(again)).encode(), str(id(server)).encode())
    otlp.take(restarted, PROTOBUF)
    time.at_s = 1.0

    assert value(await otlp.collect(), Signal.LATENCY_MS) == pytest.approx({("shop", "us"): 500.0})


@pytest.mark.parametrize(
    ("body", "kind"), [(b"\xff\xff", PROTOBUF), (b"{", "application/json"), (b"[]", "application/json")]
)
def test_body_that_is_no_export_is_refused_with_its_reason(body: bytes, kind: str) -> None:
    with pytest.raises(NotMetrics, match="not an OTLP metrics export"):
        source(Time()).take(body, kind)


@given(body=st.binary(max_size=400))
def test_any_bytes_are_refused_or_counted_but_never_break_anything(body: bytes) -> None:
    for kind in (PROTOBUF, "application/json"):
        with contextlib.suppress(NotMetrics):
            assert source(Time()).take(body, kind) >= 0
