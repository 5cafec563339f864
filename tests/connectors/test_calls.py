"""Call graphs from the dependency APIs, over real HTTP in front of answers of their documented shape."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from connectors.aws.api import AwsAccess, AwsApi
from connectors.calls import CallRatio, Seen, call_ratios, edges, istio_edges, jaeger, xray, xray_edges, zipkin
from connectors.connector import Unavailable
from connectors.http import Access, Edge
from tests.contract.harness_aws import REGION, credentials

ROWS = [
    {"parent": "gateway", "child": "shop", "callCount": 100},
    {"parent": "shop", "child": "catalog", "callCount": 250, "errorCount": 5},
    {"parent": "shop", "child": "shop", "callCount": 9},
    {"parent": "shop", "child": "payments", "callCount": 10},
]
SEEN = [Seen("gateway", "shop", 100), Seen("shop", "catalog", 250, 5), Seen("shop", "payments", 10)]


@contextlib.asynccontextmanager
async def answering(path: str, answer: object, method: str = "GET") -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers one path so; what it was asked."""
    asked: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.json_response(answer)

    app = web.Application()
    app.router.add_route(method, path, handle)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/"), asked


async def test_dependencies_of_jaeger_and_zipkin_become_the_same_edges() -> None:
    async with answering("/api/dependencies", {"data": ROWS, "total": 0}) as (url, asked):
        edge = Edge(Access(url), "Jaeger")
        assert await jaeger(edge, 2_000.0, 60.0) == SEEN
        await edge.close()
    assert asked == [{"endTs": "2000000", "lookback": "60000"}]
    async with answering("/api/v2/dependencies", ROWS) as (url, _):
        edge = Edge(Access(url), "Zipkin")
        assert await zipkin(edge, 2_000.0, 60.0) == SEEN
        await edge.close()


async def test_service_graph_of_xray_becomes_edges_between_names() -> None:
    graph = {"Services": [
        {"ReferenceId": 0, "Name": "gateway", "Type": "client", "Edges": [
            {"ReferenceId": 1, "SummaryStatistics": {"TotalCount": 100}}]},
        {"ReferenceId": 1, "Name": "shop", "Edges": [
            {"ReferenceId": 2, "SummaryStatistics": {"TotalCount": 250, "FaultStatistics": {"TotalCount": 5}}},
            {"ReferenceId": 7, "SummaryStatistics": {"TotalCount": 3}}]},
        {"ReferenceId": 2, "Name": "catalog", "Edges": []},
    ]}  # fmt: skip
    with credentials():
        async with answering("/ServiceGraph", graph, "POST") as (url, _):
            api = AwsApi("xray", AwsAccess(REGION, url), "X-Ray")
            assert await xray(api, 2_000.0, 60.0) == SEEN[:2]
            await api.close()


def test_ratios_are_calls_over_the_requests_that_the_caller_got_itself() -> None:
    known = ["shop", "catalog", "payments"]

    assert call_ratios(SEEN, known) == [
        CallRatio("shop", "catalog", 2.5, 250, 0.02),
        CallRatio("shop", "payments", 0.1, 10, 0.0),
    ]
    assert call_ratios(SEEN[1:], known)[0].ratio is None, "nobody was seen to call the shop"
    assert call_ratios(SEEN[1:], known, {"shop": 500.0})[0].ratio == 0.5


def test_edges_of_istio_are_read_by_its_labels() -> None:
    labels = {"source_workload": "shop", "destination_service_name": "catalog"}

    assert istio_edges([(labels, 12.0), ({"source_workload": "shop"}, 3.0), (labels, 0.0)]) == [
        Seen("shop", "catalog", 12.0)
    ]


@pytest.mark.parametrize("answer", [{"data": "none"}, [], {"data": [{"callCount": "many"}]}])
async def test_strange_answer_is_unavailable_and_names_whose_it_is(answer: object) -> None:
    async with answering("/api/dependencies", answer) as (url, _):
        edge = Edge(Access(url), "home: Jaeger")
        with pytest.raises(Unavailable, match="home: Jaeger, its dependencies: bad answer"):
            await jaeger(edge, 0.0, 60.0)
        await edge.close()


TEXT = st.sampled_from(["a", "b", "c", ""])
COUNT = st.integers(-5, 10**12)
ROW = st.fixed_dictionaries({}, optional={"parent": TEXT, "child": TEXT, "callCount": COUNT, "errorCount": COUNT})


@given(rows=st.lists(ROW, max_size=12))
def test_ratios_of_any_rows_are_finite_and_not_negative(rows: list) -> None:  # type: ignore[type-arg]
    for found in call_ratios(edges(rows), ["a", "b", "c"]):
        assert found.ratio is None or 0 <= found.ratio < float("inf")
        assert 0 <= found.error_ratio <= 1


PIECES = st.one_of(st.none(), st.integers(-1, 2), st.sampled_from(["", "shop"]), st.just([{"ReferenceId": 1}]))
SERVICES = st.lists(st.one_of(PIECES, st.dictionaries(st.sampled_from(["ReferenceId", "Name", "Edges"]), PIECES)))


@given(services=SERVICES)
def test_service_graphs_of_any_shape_are_read_or_unavailable(services: list) -> None:  # type: ignore[type-arg]
    with contextlib.suppress(Unavailable):
        assert isinstance(xray_edges(services), list)
