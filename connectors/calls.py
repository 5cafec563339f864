"""Who calls whom, as tracing systems and meshes saw it: a call graph to hold the documents' `calls` against.

What comes in is a count of calls from one service to another; what a document says is calls per request. The requests
of a caller are the calls that it got itself; of one that nobody was seen to call, nothing can be said.

jaeger     GET /api/dependencies?endTs&lookback (jaegertracing.io: APIs; `[{parent, child, callCount}]`)
zipkin     GET /api/v2/dependencies?endTs&lookback (zipkin.io/zipkin-api; the same, with `errorCount`)
x-ray      GetServiceGraph (docs.aws.amazon.com/xray/latest/api: edges by reference id, with SummaryStatistics)
istio      istio_requests_total by source_workload and destination_service_name, from Prometheus
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from connectors.aws.api import AwsApi
from connectors.connector import Unavailable
from connectors.http import Edge


@dataclass(frozen=True, slots=True)
class Seen:
    """Calls from one service to another in the time that was looked at."""

    parent: str
    child: str
    calls: float
    failed: float = 0.0


@dataclass(frozen=True, slots=True)
class CallRatio:
    """Calls of `child` for each request of `parent`."""

    parent: str
    child: str
    ratio: float | None
    """None where the requests of the parent are not known."""
    calls: float
    error_ratio: float


class Dependency(TypedDict, total=False):
    """What Jaeger and Zipkin say of one edge."""

    parent: str
    child: str
    callCount: int
    errorCount: int


class JaegerAnswer(TypedDict):
    """Jaeger wraps it."""

    data: list[Dependency]


async def jaeger(edge: Edge, end_s: float, lookback_s: float) -> list[Seen]:
    """The dependencies that a Jaeger kept. Raises Unavailable."""
    answer = await edge.ask("GET", "/api/dependencies", "its dependencies", params=_times(end_s, lookback_s))
    return list(edges(answer.understood(JaegerAnswer)["data"]))


async def zipkin(edge: Edge, end_s: float, lookback_s: float) -> list[Seen]:
    """The dependencies that a Zipkin kept. Raises Unavailable."""
    answer = await edge.ask("GET", "/api/v2/dependencies", "its dependencies", params=_times(end_s, lookback_s))
    return list(edges(answer.understood(list[Dependency])))


async def xray(api: AwsApi, end_s: float, lookback_s: float) -> list[Seen]:
    """The edges of X-Ray's service graph, all pages. Raises Unavailable or Refused."""
    times = [dt.datetime.fromtimestamp(at_s, dt.UTC) for at_s in (end_s - lookback_s, end_s)]
    services: list[dict[str, Any]] = []
    token: str | None = ""
    while token is not None:
        page = await api.call(
            "GetServiceGraph", "its service graph", StartTime=times[0], EndTime=times[1],
            **({"NextToken": token} if token else {}),
        )  # fmt: skip
        services += page.get("Services", [])
        token = page.get("NextToken") or None
    return xray_edges(services)


def edges(said: Iterable[Dependency]) -> Iterable[Seen]:
    """What is whole of some dependencies; a service that calls itself is left out."""
    for row in said:
        parent, child, calls = row.get("parent"), row.get("child"), row.get("callCount", 0)
        if parent and child and parent != child and calls > 0:
            yield Seen(parent, child, calls, min(max(row.get("errorCount", 0), 0), calls))


def xray_edges(services: list[dict[str, Any]]) -> list[Seen]:
    """Edges with the names of services. Clients are the ones of type `client`, and count as parents."""
    try:
        names = {service["ReferenceId"]: str(service["Name"]) for service in services}
        found = []
        for service in services:
            for edge in service.get("Edges", []):
                counts = edge.get("SummaryStatistics", {})
                child, calls = names.get(edge["ReferenceId"]), float(counts.get("TotalCount", 0))
                failed = float(counts.get("FaultStatistics", {}).get("TotalCount", 0))
                if child and calls > 0 and child != names[service["ReferenceId"]]:
                    found.append(Seen(names[service["ReferenceId"]], child, calls, failed))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"X-Ray: bad answer: {error!r}") from None
    return found


ISTIO = (
    "sum by (source_workload, destination_service_name) "
    '(increase(istio_requests_total{{reporter="source"}}[{window:.0f}s]))'
)
"""PromQL for Istio's call graph."""


def istio_edges(series: Iterable[tuple[Mapping[str, str], float]]) -> list[Seen]:
    """Edges of Istio's series; `unknown` workloads are the outside."""
    return [
        Seen(labels.get("source_workload", ""), labels.get("destination_service_name", ""), calls)
        for labels, calls in series
        if calls > 0 and labels.get("destination_service_name")
    ]


def call_ratios(
    seen: Iterable[Seen], known: Iterable[str], requests: Mapping[str, float] | None = None
) -> list[CallRatio]:
    """Ratios between known services, sorted by name. `requests` adds what is known of the requests of some of them."""
    services, rows = set(known), list(seen)
    got: dict[str, float] = {}
    for row in rows:
        got[row.child] = got.get(row.child, 0.0) + row.calls
    got |= dict(requests or {})
    sums: dict[tuple[str, str], tuple[float, float]] = {}
    for row in rows:
        if row.parent in services and row.child in services and row.parent != row.child:
            calls, failed = sums.get((row.parent, row.child), (0.0, 0.0))
            sums[row.parent, row.child] = (calls + row.calls, failed + row.failed)
    return [
        CallRatio(parent, child, calls / got[parent] if got.get(parent) else None, calls, failed / calls)
        for (parent, child), (calls, failed) in sorted(sums.items())
    ]


def _times(end_s: float, lookback_s: float) -> dict[str, str]:
    return {"endTs": str(int(1_000 * end_s)), "lookback": str(int(1_000 * lookback_s))}
