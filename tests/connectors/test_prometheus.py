import asyncio
import json
import math
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from connectors.connector import Unavailable
from connectors.prometheus import PrometheusSource
from connectors.telemetry import Batch, Signal
from tests.real import require

HOST = "127.0.0.1"
NOW_S, WALL_S = 5_000.0, 1_790_000_000.0
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def vector(*series: tuple[dict[str, str], object, object]) -> dict[str, object]:
    rows = [{"metric": labels, "value": [at_s, value]} for labels, at_s, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": rows}}


def body(payload: object, status: int = 200) -> Answer:
    """Always answers with this as JSON."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(payload, status=status)

    return answer


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """A server that answers every query so; yields its URL."""
    app = web.Application()
    app.router.add_get("/api/v1/query", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        yield "http://{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def source_of(
    url: str, queries: dict[Signal, str] | None = None, timeout_s: float = 5.0, **more: object
) -> AsyncIterator[PrometheusSource]:
    source = PrometheusSource(
        "prometheus:eu",
        url,
        queries or {Signal.CAPACITY_RPS: "capacity"},
        timeout_s=timeout_s,
        now_s=lambda: NOW_S,
        wall_s=lambda: WALL_S,
        **more,  # type: ignore[arg-type]
    )
    try:
        yield source
    finally:
        source.close()


async def collected(answer: Answer, queries: dict[Signal, str] | None = None, **more: object) -> tuple[Batch, ...]:
    async with serving(answer) as url, source_of(url, queries, **more) as source:  # type: ignore[arg-type]
        return await source.collect()


async def test_collect_makes_keys_of_the_labels_and_times_of_the_age() -> None:
    labels = {"service": "shop", "cluster": "eu", "job": "mesh"}

    (batch,) = await collected(body(vector((labels, WALL_S - 4, "250.5"), (labels | {"cluster": "us"}, WALL_S, "7"))))

    assert (batch.signal, batch.source) == (Signal.CAPACITY_RPS, "prometheus:eu")
    assert batch.keys == (("shop", "eu"), ("shop", "us"))
    assert batch.value.tolist() == [250.5, 7.0]
    assert batch.at_s == pytest.approx(NOW_S - 4)


async def test_collect_asks_every_query_and_keys_each_signal_by_its_labels() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.query["query"])
        return web.json_response(vector(({"service": "shop", "origin": "eu", "cluster": "us"}, WALL_S, "1")))

    found = await collected(answer, {signal: f"{signal} > 0" for signal in Signal})

    assert sorted(asked) == sorted(f"{signal} > 0" for signal in Signal)
    assert {batch.signal: batch.keys[0] for batch in found} == {
        Signal.DEMAND_RPS: ("shop", "eu"),
        Signal.SENT_RPS: ("shop", "eu", "us"),
        Signal.CAPACITY_RPS: ("shop", "us"),
        Signal.LATENCY_MS: ("shop", "us"),
        Signal.LATENCY_P95_MS: ("shop", "us"),
        Signal.ERROR_RATIO: ("shop", "us"),
    }


async def test_collect_of_values_that_are_no_numbers_hands_them_on() -> None:
    series = [({"service": "shop", "cluster": str(n)}, WALL_S, v) for n, v in enumerate(("NaN", "+Inf", "-Inf"))]

    (batch,) = await collected(body(vector(*series)))

    assert [math.isnan(batch.value[0]), *batch.value[1:].tolist()] == [True, math.inf, -math.inf]


async def test_collect_of_an_empty_vector_is_nothing_and_not_zero() -> None:
    assert await collected(body(vector())) == ()


async def test_collect_of_series_without_a_label_counts_them_or_fills_in_the_default() -> None:
    answer = body(vector(({"service": "shop"}, WALL_S, "1"), ({"service": "shop", "cluster": "us"}, WALL_S, "2")))
    async with serving(answer) as url:
        async with source_of(url) as strict:
            (batch,) = await strict.collect()
        async with source_of(url, defaults={"cluster": "eu"}) as lenient:
            (filled,) = await lenient.collect()

    assert batch.keys == (("shop", "us"),)
    assert strict.unlabelled == {Signal.CAPACITY_RPS: 1}
    assert filled.keys == (("shop", "eu"), ("shop", "us"))
    assert lenient.unlabelled == {}


async def redirect(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:9/login")


async def html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>please log in</html>", content_type="text/html")


async def deep(_: web.Request) -> web.StreamResponse:
    return web.Response(text="[" * 200_000, content_type="application/json")


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status": "success"')
    assert request.transport is not None
    request.transport.close()
    return response


SERIES = {"metric": {"service": "shop", "cluster": "eu"}, "value": [WALL_S, "1"]}


def result(rows: object) -> Answer:
    return body({"status": "success", "data": {"resultType": "vector", "result": rows}})


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (html, "JSONDecodeError"),
        (redirect, "TooManyRedirects"),
        (deep, "RecursionError"),
        (cut, "IncompleteRead"),
        (body({"status": "error", "errorType": "bad_data", "error": "unexpected end of input"}, 400), "bad_data"),
        (body({"status": "error"}, 503), "HTTP Status Code 503"),
        (body({"status": "success"}), "not Prometheus's: KeyError('data')"),
        (body([]), "not Prometheus's"),
        (body(None), "not Prometheus's"),
        (result("text"), "the result is no list"),
        (result([WALL_S, "1"]), "must give an instant vector"),
        (result([{**SERIES, "value": [WALL_S, 1]}]), "must give an instant vector"),
        (result([{**SERIES, "value": [WALL_S, "fast"]}]), "must give an instant vector"),
        (result([{**SERIES, "value": [float("nan"), "1"]}]), "must give an instant vector"),
        (result([{**SERIES, "value": ["now", "1"]}]), "must give an instant vector"),
        (result([{"metric": {}, "values": [[WALL_S, "1"]]}]), "must give an instant vector"),
        (result([{"metric": {}, "histogram": [WALL_S, {}]}]), "must give an instant vector"),
        (result([None]), "must give an instant vector"),
    ],
)
async def test_collect_of_a_bad_answer_is_unavailable_and_says_which_query_and_why(answer: Answer, cause: str) -> None:
    with pytest.raises(Unavailable) as raised:
        await collected(answer)

    message = str(raised.value)
    assert message.startswith("Prometheus http://127.0.0.1:")
    assert "query capacity_rps: " in message
    assert cause in message
    assert len(message) < 400


async def test_collect_of_a_huge_body_stops_reading() -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    with pytest.raises(Unavailable, match="more than 1000000 bytes; aggregate the query"):
        await collected(flood, body_max_bytes=1_000_000)


async def test_collect_of_a_dripping_body_ends_its_thread_too() -> None:
    """Every byte keeps the socket alive, so only the total time ends it."""
    ended = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.02)
        finally:
            ended.set()

    async with serving(drip) as url, source_of(url, timeout_s=0.2) as source:
        with pytest.raises(Unavailable, match=r"no answer within 0\.2 s|still coming in"):
            await source.collect()
        async with asyncio.timeout(5):
            await ended.wait()


async def test_collect_of_a_silent_server_gives_up_and_leaves_the_loop_alone() -> None:
    released = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    async with serving(hang) as url, source_of(url, timeout_s=0.2) as source:
        began_s = time.monotonic()
        for _ in range(3):
            with pytest.raises(Unavailable):
                await source.collect()
        assert time.monotonic() - began_s < 5
        released.set()


async def test_collect_from_a_closed_port_is_unavailable() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        address = f"{HOST}:{listener.getsockname()[1]}"

    async with source_of(f"http://user:secret@{address}") as source:
        with pytest.raises(Unavailable, match=f"Prometheus http://{address}, .*Connection refused"):
            await source.collect()


async def test_collect_with_one_bad_query_keeps_the_others() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query["query"] == "bad":
            return web.json_response({"status": "error", "error": "parse error"}, status=400)
        return web.json_response(vector(({"service": "shop", "cluster": "eu"}, WALL_S, "1")))

    queries = {Signal.CAPACITY_RPS: "good", Signal.LATENCY_MS: "bad"}
    async with serving(answer) as url, source_of(url, queries) as source:
        (batch,) = await source.collect()

    assert batch.signal is Signal.CAPACITY_RPS
    assert "parse error" in source.failed[Signal.LATENCY_MS]


async def test_collect_from_a_real_prometheus_reads_what_it_scraped(tmp_path: Path) -> None:
    """The first sample takes about six seconds: Prometheus starts to scrape after its discovery has run once."""
    program = require("prometheus")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text='served_rps{service="shop",cluster="eu"} 42\nserved_rps{service="shop"} 7\n')

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    with socket.socket() as free:
        free.bind((HOST, 0))
        listen = f"{HOST}:{free.getsockname()[1]}"
    scraped = f"{HOST}:{runner.addresses[0][1]}"
    scrape = {"job_name": "mesh", "scrape_interval": "1s", "static_configs": [{"targets": [scraped]}]}
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps({"scrape_configs": [scrape]}))
    process = await asyncio.create_subprocess_exec(
        program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={listen}", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    source = PrometheusSource(
        "prometheus:eu", f"http://{listen}", {Signal.CAPACITY_RPS: "served_rps", Signal.LATENCY_MS: "scalar(up)"},
        timeout_s=5.0, now_s=time.monotonic, wall_s=time.time,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while not (found := await collected_or_nothing(source)):  # noqa: ASYNC110  the effect is in another process
                await asyncio.sleep(0.2)
    finally:
        source.close()
        process.terminate()
        await process.wait()
        await runner.cleanup()

    (batch,) = found
    assert batch.keys == (("shop", "eu"),)
    assert batch.value.tolist() == [42.0]
    assert 0 <= time.monotonic() - batch.at_s < 30
    assert source.unlabelled == {Signal.CAPACITY_RPS: 1}
    assert "instant vector" in source.failed[Signal.LATENCY_MS]


async def collected_or_nothing(source: PrometheusSource) -> tuple[Batch, ...]:
    try:
        return await source.collect()
    except Unavailable:
        return ()
