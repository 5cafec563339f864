"""L1 over real sockets: who is asked, what the request says, and what is known of a leg afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from config.load import load
from health.destinations import Destinations
from health.probe import ProbeTarget
from placement.columns import ints
from scheduler.drill_probes import Legs, PathProbes, legs_of
from scheduler.translate import loop_configuration

EXAMPLE = Path(__file__).parents[2] / "config" / "example"


@asynccontextmanager
async def listening(status: int, heard: list[str]) -> AsyncIterator[int]:
    """The port of a server that answers one status and keeps what it was asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {status} so\r\ncontent-length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def legs(*targets: ProbeTarget) -> Legs:
    """Leg 10 asks the first target, leg 20 all of them."""
    count = len(targets)
    return Legs(ints([10, 20]), ints([0, 1, 1 + count]), ints([0, *range(count)]), targets)


async def test_leg_when_every_address_answers_is_good_and_the_request_says_what_it_is() -> None:
    heard: list[str] = []
    async with listening(200, heard) as good, listening(503, heard) as bad:
        probes = PathProbes(lambda: 50.0)
        targets = [ProbeTarget("http", "127.0.0.1", port, tag="L1") for port in (good, bad)]
        probes.replace(legs(*targets), 60.0)

        await probes.ask_legs(ints([10, 20]))

    assert probes.leg_at_s(ints([10, 20, 30])).tolist() == [50.0, -np.inf, -np.inf]
    assert len(heard) == 2, "a shared address is asked once"
    assert all("x-equipoise-drill: L1\r\n" in request for request in heard)


async def test_address_that_may_not_be_probed_is_not_asked_and_no_leg_over_it_is_good() -> None:
    heard: list[str] = []
    async with listening(200, heard) as port:
        probes = PathProbes(lambda: 50.0)
        elsewhere = Destinations.of(["192.0.2.0/24"])
        probes.replace(legs(ProbeTarget("http", "127.0.0.1", port)), 60.0, elsewhere)

        await probes.ask_legs(ints([10]))

    assert probes.leg_at_s(ints([10])).tolist() == [-np.inf]
    assert heard == []


async def test_probes_when_documents_change_keep_what_they_know_of_targets_that_stay() -> None:
    stays, goes = (ProbeTarget("tcp", "192.0.2.1", port) for port in (1, 2))
    probes = PathProbes(lambda: 50.0)
    probes.replace(legs(stays, goes), 60.0)
    probes.good_at_s[:] = (7.0, 8.0)

    probes.replace(legs(replace(goes, port=3), stays), 60.0)

    assert probes.good_at_s.tolist() == [-np.inf, 7.0]


async def test_probes_when_running_ask_every_target_within_the_round() -> None:
    heard: list[str] = []
    async with listening(200, heard) as port:
        probes = PathProbes(asyncio.get_running_loop().time)
        probes.replace(legs(ProbeTarget("http", "127.0.0.1", port), ProbeTarget("tcp", "127.0.0.1", port)), 0.1)
        running = asyncio.create_task(probes.run())
        async with asyncio.timeout(5):
            while not np.isfinite(probes.good_at_s).all():  # noqa: ASYNC110  probes tell nobody
                await asyncio.sleep(0.01)
        running.cancel()

    assert np.isfinite(probes.leg_at_s(ints([10, 20]))).all()


def test_legs_of_the_example_are_its_flows_times_their_backends_and_tagged() -> None:
    documents = load(EXAMPLE)
    fleet = loop_configuration(documents).fleet

    found = legs_of(documents, fleet)

    assert len(found.key) == sum((fleet.backends.service == s).sum() for s in fleet.flows.service.tolist())
    assert sorted(found.key.tolist()) == found.key.tolist()
    assert len(found.targets) < len(found.key), "origins share addresses"
    assert {target.tag for target in found.targets} == {"L1"}
