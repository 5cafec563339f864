"""A real Envoy's counters, and answers that no Envoy gives."""

import asyncio
import contextlib
import json
import string
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from connectors.connector import Unavailable
from connectors.envoy_stats import EnvoyStats, Stats
from connectors.http import Access, Edge
from connectors.telemetry import Batch, Signal
from tests import real
from tests.contract import http_client
from tests.contract.backends import HttpBackend, free_port
from tests.contract.children import envoy
from tests.contract.harness import eventually

TYPES = "type.googleapis.com/envoy.extensions.filters"


def bootstrap(admin: int, listener: int, backends: dict[str, int]) -> dict[str, object]:
    """An Envoy that splits `shop` over clusters 3 to 1; one destination is of nobody we know."""

    def address(port: int) -> dict[str, object]:
        return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}

    weighted = [{"name": f"shop/{name}", "weight": w} for name, w in zip(backends, (3, 1), strict=True)]
    manager = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": weighted}}}]}]},
        "http_filters": [{"name": "router", "typed_config": {
            "@type": f"{TYPES}.http.router.v3.Router"}}],
    }  # fmt: skip
    clusters = [
        {"name": name, "type": "STATIC", "load_assignment": {
            "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": address(port)}]}]}}
        for name, port in [*((f"shop/{n}", p) for n, p in backends.items()), ("metrics_sink", admin)]
    ]  # fmt: skip
    filters = [{"filters": [{"name": "http", "typed_config": manager}]}]
    return {
        "admin": address(admin),
        "static_resources": {
            "listeners": [{"name": "in", **address(listener), "filter_chains": filters}],
            "clusters": clusters,
        },
    }


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Edge, int]]:
    """The admin interface of an Envoy and the port where it listens."""
    path, admin, listener = real.require("envoy"), free_port(), free_port()
    backends = {name: HttpBackend(name) for name in ("eu", "us")}
    for backend in backends.values():
        await backend.start()
    edge = Edge(Access(f"http://127.0.0.1:{admin}"), "eu: Envoy")
    try:
        async with envoy(path, bootstrap(admin, listener, {n: b.port for n, b in backends.items()}), folder):

            async def ready() -> bool:
                try:
                    return (await edge.ask("GET", "/ready", "ready")).status == 200
                except Unavailable:
                    return False

            await eventually(ready, "Envoy is ready")
            yield edge, listener
    finally:
        await edge.close()
        for backend in backends.values():
            await backend.stop()


def value(batches: tuple[Batch, ...], signal: Signal) -> dict[tuple[str, ...], float]:
    (batch,) = [batch for batch in batches if batch.signal is signal]
    return dict(zip(batch.keys, batch.value.tolist(), strict=True))


async def test_collect_from_a_real_envoy_gives_rates_between_two_looks(tmp_path: Path) -> None:
    async with running(tmp_path) as (edge, listener):
        now = [100.0]
        source = EnvoyStats("eu", edge, lambda: now[0])
        await http_client.send(listener, "shop", 40)
        assert await source.collect() == (), "one look is no rate"

        await http_client.send(listener, "shop", 200)
        now[0] += 10.0
        batches = await source.collect()

    assert value(batches, Signal.DEMAND_RPS) == {("shop", "eu"): 20.0}
    sent = value(batches, Signal.SENT_RPS)
    assert set(sent) == {("shop", "eu", "eu"), ("shop", "eu", "us")}
    assert sum(sent.values()) == pytest.approx(20.0)
    assert sent["shop", "eu", "eu"] == pytest.approx(15.0, abs=3.5), "3 to 1, by chance"
    assert set(value(batches, Signal.ERROR_RATIO).values()) == {0.0}


async def test_collect_after_a_restart_counts_from_zero_and_never_below() -> None:
    answers = [
        {"cluster.shop/eu.upstream_rq_completed": 900, "cluster.shop/eu.upstream_rq_5xx": 10},
        {"cluster.shop/eu.upstream_rq_completed": 50, "cluster.shop/eu.upstream_rq_5xx": 5},
    ]

    async def stats(_: web.Request) -> web.Response:
        said = answers.pop(0)
        return web.json_response({"stats": [{"name": n, "value": v} for n, v in said.items()] + [{"histograms": {}}]})

    app = web.Application()
    app.router.add_get("/stats", stats)
    now = [0.0]
    async with TestServer(app) as server:
        edge = Edge(Access(str(server.make_url("")).rstrip("/")), "eu: Envoy")
        source = EnvoyStats("eu", edge, lambda: now[0])
        await source.collect()
        now[0] = 5.0
        batches = await source.collect()
        await edge.close()

    assert value(batches, Signal.DEMAND_RPS) == {("shop", "eu"): 10.0}
    assert value(batches, Signal.ERROR_RATIO) == {("shop", "eu"): 0.1}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>nope</html>", "bad answer"),
        (b'{"stats": [{"name": 3}]}', r"stats\.0\.name"),
        (b'{"stats": [{"name": "cluster.shop/eu.upstream_rq_completed", "value": "many"}]}', "value"),
        (b'{"stats"', "bad answer"),
        (b"{" + b" " * (5 * 2**20) + b"}", "more than"),
    ],
)
async def test_collect_of_a_strange_answer_is_unavailable_and_says_what_is_strange(body: bytes, words: str) -> None:
    app = web.Application()

    async def stats(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app.router.add_get("/stats", stats)
    async with TestServer(app) as server:
        edge = Edge(Access(str(server.make_url("")).rstrip("/")), "eu: Envoy")
        with pytest.raises(Unavailable, match=f"eu: Envoy.*{words}"):
            await EnvoyStats("eu", edge, lambda: 0.0).collect()
        await edge.close()


NAMES = st.text(string.ascii_lowercase + "./|_", max_size=40)
STATS = st.lists(st.fixed_dictionaries({"name": NAMES, "value": st.integers(0, 2**63)}))


@given(before=STATS, after=STATS)
def test_counters_of_any_names_and_values_become_finite_rates(before: list[dict], after: list[dict]) -> None:  # type: ignore[type-arg]
    source = EnvoyStats("eu", Edge(Access("http://127.0.0.1"), "eu"), lambda: 0.0)
    first, second = (
        source.counted(Stats(stats=json.loads(json.dumps(said))), at_s) for said, at_s in ((before, 0.0), (after, 1.0))
    )
    for batch in source._batches(first, second):
        assert (batch.value >= 0).all()
        assert len(batch.keys) == len(batch.value)


async def test_edge_when_nobody_listens_is_unavailable() -> None:
    edge = Edge(Access(f"http://127.0.0.1:{free_port()}"), "eu: Envoy")
    with pytest.raises(Unavailable, match="its counters"):
        await asyncio.wait_for(EnvoyStats("eu", edge, lambda: 0.0).collect(), 10.0)
    await edge.close()
