"""OpenTelemetry metrics that are pushed to us: OTLP over HTTP, protobuf or JSON, as signals.

Two kinds are understood. Gauges and sums that are named after our signals (`equipoise.demand_rps`, ...) with attributes
`service`, `origin` and `cluster` are taken as they are. The semantic conventions' histograms of requests are counted:
`http.client.request.duration` and `rpc.client.duration` at an origin become demand, split and errors,
`http.server.request.duration` and `rpc.server.duration` in a cluster latency. Their resource says where they are:
`service.name` (or `peer.service` for whom a client asked) and `k8s.cluster.name`. Delta and cumulative temporality both
work; a cumulative count that fell began anew. (opentelemetry.io: docs/specs/otlp, docs/specs/semconv.)
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, HistogramDataPoint, Metric

from connectors.telemetry import KEYS, Batch, Signal
from placement.columns import floats

PREFIX = "equipoise."
CLIENTS = ("http.client.request.duration", "rpc.client.duration", "rpc.client.call.duration")
SERVERS = ("http.server.request.duration", "rpc.server.duration", "rpc.server.call.duration")
MS = {"s": 1_000.0, "ms": 1.0, "us": 0.001, "": 1_000.0}
"""Milliseconds in a unit; seconds where none is said."""
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
SERIES_MAX = 200_000
"""Cumulative series that are remembered; the one that was silent longest is forgotten first."""
Key = tuple[str, ...]
Attributes = Mapping[str, str]


class NotMetrics(ValueError):  # noqa: N818  a state of the world
    """Not OTLP metrics; says why."""


@dataclass(slots=True)
class Tally:
    """What was counted between two points in time."""

    count: float = 0.0
    failed: float = 0.0
    took_ms: float = 0.0


@dataclass(slots=True)
class OtlpMetrics:
    """A TelemetrySource that is told: many instances export in their own time, and `collect` adds them up.

    Rates are counts since the last `collect` over the time since then.
    """

    now_s: Callable[[], float]
    wall_s: Callable[[], float]
    name: str = "otlp"
    _gauges: dict[Signal, dict[Key, tuple[float, float]]] = field(default_factory=dict)
    _clients: dict[Key, Tally] = field(default_factory=dict)
    _servers: dict[Key, Tally] = field(default_factory=dict)
    _before: dict[tuple[object, ...], tuple[float, float]] = field(default_factory=dict)
    """(count, sum) of every cumulative series when it was last seen, oldest first."""
    _since_s: float | None = None

    def take(self, body: bytes, kind: str) -> int:
        """Count in one export of a content type; returns how many points were understood. Raises NotMetrics."""
        understood = 0
        for resource in decoded(body, kind).resource_metrics:
            about = attributes(resource.resource.attributes)
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                if metric.name.startswith(PREFIX):
                    understood += _gauged(metric, about, self._gauges)
                elif metric.name in CLIENTS:
                    understood += self._counted(metric, about, self._clients, client=True)
                elif metric.name in SERVERS:
                    understood += self._counted(metric, about, self._servers, client=False)
        return understood

    async def collect(self) -> tuple[Batch, ...]:
        """What came in since the last time."""
        now_s, since_s = self.now_s(), self._since_s
        gauges, self._gauges = self._gauges, {}
        clients, self._clients = self._clients, {}
        servers, self._servers = self._servers, {}
        self._since_s = now_s
        rates = (
            [] if since_s is None or now_s <= since_s else list(self._rates(clients, servers, now_s, now_s - since_s))
        )
        return (*self._gauge_batches(gauges), *rates)

    def _counted(self, metric: Metric, about: Attributes, tallies: dict[Key, Tally], client: bool) -> int:
        cumulative = metric.histogram.aggregation_temporality == CUMULATIVE
        understood = 0
        for point in metric.histogram.data_points:
            said = {**about, **attributes(point.attributes)}
            key = _place(said, client)
            if not all(key):
                continue
            understood += 1
            count, took = self._new(metric.name, point, said) if cumulative else (float(point.count), float(point.sum))
            tally = tallies.setdefault(key, Tally())
            tally.count += count
            tally.took_ms += took * MS.get(metric.unit, 1_000.0)
            tally.failed += count if _failed(said) else 0.0
        return understood

    def _new(self, name: str, point: HistogramDataPoint, said: Attributes) -> tuple[float, float]:
        """(count, sum) of a cumulative point since it was last seen; the first time nothing is known to be new."""
        row, count, took = (name, tuple(sorted(said.items()))), float(point.count), float(point.sum)
        last = self._before.pop(row, None)
        self._before[row] = (count, took)
        while len(self._before) > SERIES_MAX:
            self._before.pop(next(iter(self._before)))
        if last is None:
            return 0.0, 0.0
        return (count, took) if count < last[0] else (count - last[0], max(0.0, took - last[1]))

    def _gauge_batches(self, gauges: Mapping[Signal, Mapping[Key, tuple[float, float]]]) -> Iterator[Batch]:
        for signal, rows in gauges.items():
            oldest_s = min(at_s for _, at_s in rows.values())
            at_s = self.now_s() - max(0.0, self.wall_s() - oldest_s)
            yield Batch(signal, self.name, at_s, tuple(rows), floats([value for value, _ in rows.values()]))

    def _rates(
        self, clients: Mapping[Key, Tally], servers: Mapping[Key, Tally], at_s: float, passed_s: float
    ) -> Iterator[Batch]:
        demand: dict[Key, float] = {}
        errors: dict[Key, Tally] = {}
        for (service, origin, cluster), tally in clients.items():
            demand[service, origin] = demand.get((service, origin), 0.0) + tally.count / passed_s
            total = errors.setdefault((service, cluster), Tally())
            total.count, total.failed = total.count + tally.count, total.failed + tally.failed
        made: tuple[tuple[Signal, dict[Key, float]], ...] = (
            (Signal.DEMAND_RPS, demand),
            (Signal.SENT_RPS, {key: tally.count / passed_s for key, tally in clients.items()}),
            (Signal.ERROR_RATIO, {key: tally.failed / tally.count for key, tally in errors.items() if tally.count}),
            (Signal.LATENCY_MS, {key: tally.took_ms / tally.count for key, tally in servers.items() if tally.count}),
        )
        for signal, rows in made:
            if rows:
                yield Batch(signal, self.name, at_s, tuple(rows), floats(list(rows.values())))


def decoded(body: bytes, kind: str) -> ExportMetricsServiceRequest:
    """The request in a body. Raises NotMetrics."""
    try:
        if "json" in kind:
            if not body.lstrip().startswith(b"{"):
                raise NotMetrics("not an OTLP metrics export: no JSON object")
            request: ExportMetricsServiceRequest = Parse(
                body, ExportMetricsServiceRequest(), ignore_unknown_fields=True
            )
            return request
        return ExportMetricsServiceRequest.FromString(body)
    except (DecodeError, ParseError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise NotMetrics(f"not an OTLP metrics export: {' '.join(str(error).split())[:200]}") from None


def attributes(said: Iterable[object]) -> dict[str, str]:
    """Attributes as text."""
    found = {}
    for pair in said:
        value = pair.value  # type: ignore[attr-defined]  # generated messages ship no types
        kind = value.WhichOneof("value")
        found[pair.key] = str(getattr(value, kind)) if kind else ""  # type: ignore[attr-defined]
    return found


def _gauged(metric: Metric, about: Attributes, gauges: dict[Signal, dict[Key, tuple[float, float]]]) -> int:
    try:
        signal = Signal(metric.name.removeprefix(PREFIX))
    except ValueError:
        return 0
    understood = 0
    points = metric.gauge.data_points if metric.WhichOneof("data") == "gauge" else metric.sum.data_points
    for point in points:
        said = {**about, **attributes(point.attributes)}
        key = tuple(said.get(label, "") for label in KEYS[signal])
        value = point.as_double if point.WhichOneof("value") == "as_double" else float(point.as_int)
        if all(key):
            gauges.setdefault(signal, {})[key] = (value, point.time_unix_nano * 1e-9)
            understood += 1
    return understood


def _place(said: Attributes, client: bool) -> Key:
    if client:
        service = said.get("service.peer.name") or said.get("peer.service") or said.get("server.address", "")
        origin = said.get("equipoise.origin") or said.get("k8s.cluster.name", "")
        return service, origin, said.get("equipoise.cluster") or origin
    return said.get("service.name", ""), said.get("equipoise.cluster") or said.get("k8s.cluster.name", "")


def _failed(said: Attributes) -> bool:
    return "error.type" in said or said.get("http.response.status_code", "").startswith("5")
