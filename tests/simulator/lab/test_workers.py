"""The limit of a service: how many at once, how many may wait, what happens to the next."""

import asyncio
import time

import pytest

from simulator.lab.workers import Full, Workers


async def test_serve_with_every_worker_busy_and_the_queue_full_refuses_at_once() -> None:
    workers = Workers(count=2, service_s=0.2, seed=1, queue_max=3)
    accepted = [asyncio.create_task(workers.serve()) for _ in range(5)]
    await asyncio.sleep(0)

    with pytest.raises(Full, match="3 requests wait, the limit is 3"):
        await workers.serve()

    assert (workers.in_service, workers.waiting) == (2, 3)
    await asyncio.gather(*accepted)
    assert (workers.in_service, workers.waiting) == (0, 0)


async def test_serve_when_a_waiting_request_gives_up_frees_its_place() -> None:
    workers = Workers(count=1, service_s=0.05, seed=1, queue_max=1)
    first = asyncio.create_task(workers.serve())
    second = asyncio.create_task(workers.serve())
    await asyncio.sleep(0)

    second.cancel()
    await asyncio.gather(second, return_exceptions=True)

    await workers.serve()
    await first


async def test_serve_at_full_load_completes_as_many_a_second_as_the_capacity_says() -> None:
    workers = Workers(count=20, service_s=0.05, seed=3, queue_max=400)
    started_s = time.monotonic()

    await asyncio.gather(*(workers.serve() for _ in range(400)))

    assert workers.capacity_rps == pytest.approx(400)
    assert 0.9 < time.monotonic() - started_s < 4.0
