"""Users: which gateway they come out at, when they give up, how many there are."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from simulator.lab.load import Crowd, Plan, Region, Served, ask, client, plan_of, swing
from simulator.lab.processes import free_ports
from simulator.lab.workload import CLUSTER_HEADER, INNER_HEADER


@asynccontextmanager
async def gateway(name: str, status: int = 200) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Host"] == "frontend"
        return web.Response(status=status, headers={CLUSTER_HEADER: name, INNER_HEADER: "inner"})

    app = web.Application()
    app.add_routes([web.get("/", answer)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_ports(1)[0]
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        await runner.cleanup()


def dead() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}/"


def region(**gateways: str) -> Region:
    return Region("here", 200.0, 0.0, gateways)


async def test_ask_with_the_nearest_gateway_up_stays_with_it() -> None:
    async with gateway("near") as near, gateway("far") as far, client() as session:
        served = await ask(session, region(near=near, far=far), "frontend")

    assert (served.gateway, served.cluster, served.inner, served.status) == ("near", "near", "inner", 200)
    assert not served.rerouted
    assert not served.failed


async def test_ask_with_the_nearest_gateway_refusing_comes_out_at_the_next() -> None:
    async with gateway("far") as far, client() as session:
        served = await ask(session, region(near=dead(), far=far), "frontend")

    assert (served.gateway, served.status, served.rerouted, served.failed) == ("far", 200, True, False)


async def test_ask_with_an_answer_of_503_fails_and_does_not_ask_another() -> None:
    async with gateway("near", 503) as near, gateway("far") as far, client() as session:
        served = await ask(session, region(near=near, far=far), "frontend")

    assert (served.gateway, served.status, served.rerouted, served.failed) == ("near", 503, False, True)


async def test_ask_with_every_gateway_dead_fails_without_a_status() -> None:
    async with client() as session:
        served = await ask(session, region(near=dead(), far=dead()), "frontend")

    assert (served.status, served.cluster, served.failed) == (0, "", True)


async def test_crowd_at_twice_its_rate_sends_twice_as_many_without_waiting_for_answers() -> None:
    served: list[Served] = []
    async with gateway("near") as near, client() as session:
        here = region(near=near)
        crowd = Crowd(here, Plan((here,), "frontend", 1e9, seed=7), session, served)
        crowd.factor = 2.0
        started_s = time.monotonic()
        running = asyncio.create_task(crowd.run())
        while len(served) < 400:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        running.cancel()

    took_s = served[399].at_s - started_s
    assert took_s == pytest.approx(1.0, abs=0.2), "400 Poisson arrivals at 400/s; four standard deviations"


def test_swing_over_a_day_has_the_mean_of_one_and_comes_later_in_the_west() -> None:
    day = [swing(t, 100.0, 0.0) for t in range(100)]

    assert sum(day) / 100 == pytest.approx(1)
    assert max(day) == pytest.approx(1.25)
    assert swing(25, 100.0, 0.0) == pytest.approx(swing(50, 100.0, -90.0))


def test_plan_of_its_own_line_is_the_same() -> None:
    plan = Plan((region(near="http://a/", far="http://b/"),), "frontend", 60.0, 1)

    assert plan_of(plan.line()) == plan
    assert list(plan_of(plan.line()).regions[0].gateways) == ["near", "far"], "the order of distance is kept"
