"""The two services of a cluster over HTTP: who answered, what is full, what is counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp

from simulator.lab.cluster import application, start
from simulator.lab.places import Workload
from simulator.lab.processes import free_ports
from simulator.lab.workload import CLUSTER_HEADER, INNER_HEADER, Meter, Running, inner_session

INNER = Workload("inner", {"here": 1}, 1, 20.0, 100)
OUTER = Workload("outer", {"here": 1}, 4, 1.0, 300, calls="inner")


@asynccontextmanager
async def service(workload: Workload, gateway: str = "http://127.0.0.1:9/") -> AsyncIterator[str]:
    """A service on a free port; its URL."""
    port = free_ports(1)[0]
    meter = Meter()
    async with inner_session() as session:
        runner = await start(
            application(partial(Running("here", workload, meter, gateway, 1).answer, session), meter), port
        )
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            await runner.cleanup()


async def test_service_with_more_requests_than_its_queue_holds_answers_503() -> None:
    async with service(INNER) as url, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def status() -> int:
            async with session.get(url) as response:
                assert response.headers[CLUSTER_HEADER] == "here"
                return response.status

        statuses = await asyncio.gather(*(status() for _ in range(30)))
        async with session.get(f"{url}metrics") as response:
            metrics = await response.text()

    assert statuses.count(200) == 17, "one in service and sixteen in the queue"
    assert statuses.count(503) == 13
    assert 'lab_requests_total{code="503",service="inner"} 13.0' in metrics
    assert 'lab_capacity_rps{service="inner"} 50.0' in metrics
    assert 'lab_in_flight{service="inner"} 0.0' in metrics


async def test_front_end_when_its_call_succeeds_names_both_clusters() -> None:
    async with (
        service(INNER) as inner,
        service(OUTER, gateway=inner) as outer,
        aiohttp.ClientSession() as session,
        session.get(outer) as response,
    ):
        body = await response.read()

    assert (response.status, len(body)) == (200, 300)
    assert (response.headers[CLUSTER_HEADER], response.headers[INNER_HEADER]) == ("here", "here")


async def test_front_end_without_a_gateway_answers_502() -> None:
    async with service(OUTER) as outer, aiohttp.ClientSession() as session, session.get(outer) as response:
        assert response.status == 502


async def test_healthz_of_a_full_service_still_answers() -> None:
    async with service(INNER) as url, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        busy = [asyncio.create_task(session.get(url)) for _ in range(20)]
        async with session.get(f"{url}healthz") as response:
            assert response.status == 200
        for answer in await asyncio.gather(*busy):
            answer.release()
