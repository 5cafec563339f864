"""Traces of real ticks, in memory and over real OTLP/HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer

from connectors.connector import Connector
from connectors.xds.connector import XdsConnector
from connectors.xds.server import XdsServer
from placement.fleet import OriginId
from scheduler.loop import tick
from scheduler.tracing import Trace, traced, tracer_of
from tests.connectors.xds.proxy import Proxy
from tests.connectors.xds.specs import spec
from tests.contract.harness import eventually
from tests.contract.harness_xds import xds_envoy
from tests.scheduler.ports import Bench, bench


def tracer(exporter: SpanExporter) -> Tracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("test")


async def ticked(b: Bench, trace: Trace, turns: int = 1) -> None:
    for at_s in range(turns):
        b.clock.at_s += 5.0 * (at_s + 1)
        b.measure()
        b.state, turn = await tick(b.state, traced(b.ports, trace), b.policy)
        trace.finish(turn)


def named(spans: tuple[ReadableSpan, ...], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name == name]


async def test_trace_of_a_tick_that_pushes_has_the_verbs_of_the_loop_in_their_order() -> None:
    exporter = InMemorySpanExporter()
    await ticked(bench(), Trace(tracer(exporter)))

    spans = exporter.get_finished_spans()
    (root,) = named(spans, "tick")
    first = {span.name: span.start_time or 0 for span in reversed(spans)}
    order = ["collect", "observe", "solve", "guard", "intend", "push", "verify", "record", "tabulate"]
    assert sorted(order, key=lambda name: first[name]) == order
    children = [span for span in spans if span is not root]
    assert all(span.parent is not None and span.parent.span_id == root.context.span_id for span in children)
    assert root.attributes is not None
    assert (root.attributes["equipoise.turn"], root.attributes["equipoise.reason"]) == (1, "solved")
    push = named(spans, "push")[0]
    assert push.attributes is not None
    assert push.attributes["equipoise.accepted"] is True, "it ends with the answer of the mesh"


async def test_trace_of_a_push_to_a_real_envoy_holds_its_ack_with_node_and_version(tmp_path: Path) -> None:
    exporter, b = InMemorySpanExporter(), bench()
    origin, services, clusters = b.fleet.origins.ids[0], b.fleet.services.ids, b.fleet.clusters.ids
    address = (("127.0.0.1", 1),)
    known: dict[str, Any] = {
        "origin": origin, "endpoints": {(s, c): address for s in services for c in clusters},
        "protocol": dict.fromkeys(services, "http1"),
    }  # fmt: skip
    async with xds_envoy(tmp_path, **known) as envoy:
        connectors: dict[OriginId, Connector] = {**b.meshes, origin: envoy.connector}
        b.ports = replace(b.ports, connectors=connectors)
        await ticked(b, Trace(tracer(exporter)))

    spans = exporter.get_finished_spans()
    (tick_span,) = named(spans, "tick")
    (ack,) = named(spans, "ack")
    (push,) = [span for span in named(spans, "push") if (span.attributes or {})["equipoise.origin"] == origin]
    assert ack.parent is not None
    assert (ack.parent.span_id, ack.context.trace_id) == (push.context.span_id, tick_span.context.trace_id)
    attributes = ack.attributes or {}
    assert attributes["equipoise.node"] == "home/envoy"
    assert attributes["equipoise.version"] == (push.attributes or {})["equipoise.version"] == 1
    times = (push.start_time, ack.start_time, ack.end_time, push.end_time)
    assert [time or 0 for time in times] == sorted(time or 0 for time in times), "sent, answered, and then known"


async def test_trace_of_a_push_that_was_given_up_gets_the_ack_that_comes_after_the_deadline() -> None:
    exporter, b = InMemorySpanExporter(), bench()
    trace, origin = Trace(tracer(exporter)), b.fleet.origins.ids[0]
    places = [(s, c) for s in b.fleet.services.ids for c in b.fleet.clusters.ids]
    server = XdsServer()
    connector = XdsConnector(spec(origin=origin, endpoints=dict.fromkeys(places, (("127.0.0.1", 1),))), server)
    b.ports = replace(b.ports, connectors={**b.meshes, origin: connector})
    b.policy = replace(b.policy, push_deadline_s=0.2)
    port = await server.start("127.0.0.1", 0)
    try:
        async with Proxy(port, "home").connected() as proxy:
            proxy.silent = True
            await eventually(connected(connector), "the proxy is there")
            await ticked(b, trace)
            assert not named(exporter.get_finished_spans(), "ack")
            await proxy.speak()
            await eventually(asked(connector), "the proxy has taken all")
            await ticked(b, trace)
    finally:
        await server.stop()

    spans = exporter.get_finished_spans()
    push = next(span for span in named(spans, "push") if (span.attributes or {})["equipoise.origin"] == origin)
    (ack,) = named(spans, "ack")
    assert push.status.status_code is StatusCode.ERROR, "nobody waited for it"
    assert ack.parent is not None
    assert (ack.parent.span_id, ack.context.trace_id) == (push.context.span_id, push.context.trace_id)
    assert (ack.attributes or {})["equipoise.version"] == 1
    assert (ack.end_time or 0) > (push.end_time or 0)
    assert len({span.context.trace_id for span in spans}) == 2, "the later tick has a trace of its own, without it"


def connected(connector: XdsConnector) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return bool(connector.proxies)

    return look


def asked(connector: XdsConnector) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        known = await connector.read()
        receipt = await connector.write(known) if known else None
        return receipt is not None and receipt.accepted is True

    return look


async def test_trace_of_two_ticks_is_two_traces_and_the_loop_decides_the_same_without_any() -> None:
    exporter, watched, alone = InMemorySpanExporter(), bench(), bench()
    await ticked(watched, Trace(tracer(exporter)), turns=2)
    for at_s in range(2):
        alone.clock.at_s += 5.0 * (at_s + 1)
        alone.measure()
        alone.state, _ = await tick(alone.state, alone.ports, alone.policy)

    assert len({span.context.trace_id for span in exporter.get_finished_spans()}) == 2
    assert (alone.state.routing.share == watched.state.routing.share).all()


async def test_trace_when_the_ledger_is_down_says_so_and_does_not_hide_it() -> None:
    exporter, b = InMemorySpanExporter(), bench()
    b.notebook.broken = True
    await ticked(b, Trace(tracer(exporter)))

    (intend,) = named(exporter.get_finished_spans(), "intend")
    assert intend.status.status_code is StatusCode.ERROR
    assert "disk full" in (intend.status.description or "")
    assert not named(exporter.get_finished_spans(), "push")


async def test_tracer_when_nothing_is_asked_for_or_disabled_is_none() -> None:
    assert tracer_of({}) is None
    assert tracer_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}) is None


async def test_export_over_http_is_understood_by_the_published_protocol() -> None:
    got: list[ExportTraceServiceRequest] = []

    async def collect(request: web.Request) -> web.Response:
        got.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", collect)
    async with TestServer(app) as server:
        exporter = OTLPSpanExporter(endpoint=str(server.make_url("/v1/traces")))
        memory = InMemorySpanExporter()
        await ticked(bench(), Trace(tracer(memory)))
        await asyncio.to_thread(exporter.export, memory.get_finished_spans())
        await asyncio.to_thread(exporter.shutdown)

    names = [span.name for request in got for r in request.resource_spans for s in r.scope_spans for span in s.spans]
    assert {"tick", "solve", "push"} <= set(names)
