"""Rehearsals on a real Envoy that no other mesh has to stand: controllers that come and go in the middle of one."""

import asyncio
from collections import Counter
from pathlib import Path

from connectors.xds.connector import XdsConnector
from connectors.xds.server import XdsServer
from tests.contract.harness import SERVICE, UNIT, eventually, table
from tests.contract.harness_xds import EnvoyHarness, xds_envoy

REGULAR = table({"east": UNIT})
FAILOVER = table({"north": 7_500, "west": 2_500})


async def sending(mesh: EnvoyHarness, seen: Counter[str]) -> None:
    """Requests without a pause, for ever."""
    while True:
        seen.update(await mesh.send(SERVICE, 50))


async def all_back(mesh: EnvoyHarness) -> None:
    async def east() -> bool:
        return set(await mesh.send(SERVICE, 50)) == {"east"}

    await eventually(east, "everything is back in the east")


async def test_controller_that_starts_anew_within_the_lease_takes_the_drill_back_and_loses_no_request(
    tmp_path: Path,
) -> None:
    async with xds_envoy(tmp_path) as mesh:
        await mesh.connector.write(REGULAR)
        await all_back(mesh)
        await mesh.connector.arm(FAILOVER)
        await mesh.connector.drain(1.0, 60.0)
        seen: Counter[str] = Counter()
        users = asyncio.create_task(sending(mesh, seen))
        await eventually(lambda: asyncio.sleep(0, seen["north"] > 100), "requests are drilled")

        await mesh.server.stop()
        server = XdsServer()
        XdsConnector(mesh.spec, server).prime(REGULAR)
        await server.start("127.0.0.1", mesh.port)
        await all_back(mesh)
        users.cancel()
        await server.stop()

    assert set(seen) == {"east", "north", "west"}, "and not one error"


async def test_drill_after_drill_when_armed_and_disarmed_under_load_loses_no_request(tmp_path: Path) -> None:
    async with xds_envoy(tmp_path) as mesh:
        await mesh.connector.write(REGULAR)
        await all_back(mesh)
        seen: Counter[str] = Counter()
        users = asyncio.create_task(sending(mesh, seen))
        for number in range(20):
            await mesh.connector.arm(FAILOVER)
            await mesh.connector.drain((number % 4 + 1) / 4, 60.0)
            await mesh.send(SERVICE, 20)
            await mesh.connector.drain(0.0, 0.0)
            await mesh.connector.disarm()
        users.cancel()

    assert set(seen) == {"east", "north", "west"}, "and not one error"
