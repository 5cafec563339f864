"""`POST /v1/metrics`: OpenTelemetry metrics by OTLP over HTTP, at the path where every exporter sends them."""

import asyncio

from aiohttp import web

from connectors.otlp import NotMetrics, OtlpMetrics
from scheduler.access.role import Role
from scheduler.api.app import read
from scheduler.api.problem import Failure
from scheduler.api.route import KIB, Answer, Call, Route, Shown

BODY_MAX_BYTES = 4 * 1024 * KIB
PROTOBUF = "application/x-protobuf"
ABOUT = (
    "An ExportMetricsServiceRequest in protobuf or JSON. Gauges `equipoise.demand_rps` and so on with attributes "
    "service, origin and cluster are taken as they are; request durations of the semantic conventions become demand, "
    "split, errors and latency. Everything else is left out."
)


class Exported(Shown):
    """OTLP's own answer, which is empty when all was taken."""


class OtlpApi:
    """Hands exports to the source that counts them."""

    def __init__(self, metrics: OtlpMetrics) -> None:
        self.metrics = metrics

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("POST", "/v1/metrics", Role.AGENT, "telemetry", "Take in OpenTelemetry metrics", self.taken,
                  about=ABOUT, body_max_bytes=BODY_MAX_BYTES, answers={200: Exported}, problems=(413, 415, 422),
                  agents=True),
        ]  # fmt: skip

    async def taken(self, call: Call) -> Answer | web.StreamResponse:
        """Decoded off the event loop, counted on it."""
        kind = call.request.content_type
        if kind not in {PROTOBUF, "application/json"}:
            raise Failure(415, f"send {PROTOBUF} or application/json, not {kind}")
        body = await read(call.request, BODY_MAX_BYTES)
        try:
            await asyncio.to_thread(self.metrics.take, body, kind)
        except NotMetrics as no:
            raise Failure(422, str(no)) from None
        if kind == PROTOBUF:
            return web.Response(body=b"", content_type=PROTOBUF)
        return Answer({})
