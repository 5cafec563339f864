"""What every mesh that offers to rehearse a failover promises: above all, that it lets go by itself."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.connector import Refused
from connectors.haproxy.runtime import ask
from connectors.rehearsal import Rehearsing, Tally
from tests.contract.harness import SERVICE, UNIT, Harness, eventually, far_off, table
from tests.contract.harness_haproxy import haproxy
from tests.contract.harness_simulated import simulated
from tests.contract.harness_xds import xds_envoy, xds_grpc
from tests.contract.lease_holder import LEASE_S as HOLDERS_LEASE_S

HARNESSES = {"simulated": simulated, "xds-envoy": xds_envoy, "haproxy": haproxy}
REGULAR = {"east": UNIT}
FAILOVER = {"north": 7_500, "west": 2_500}
LEASE_S = 1.5
LONG_S = 60.0
REQUESTS = 1_000


@pytest.fixture(params=sorted(HARNESSES))
async def mesh(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """Each mesh in turn, with all requests in the east."""
    async with HARNESSES[request.param](tmp_path) as harness:
        await harness.connector.write(table(REGULAR))
        await becomes(harness, REGULAR)
        yield harness


def rehearsing(mesh: Harness) -> Rehearsing:
    assert isinstance(mesh.connector, Rehearsing)
    return mesh.connector


def mixed(ratio: float) -> dict[str, int]:
    """Regular weights, and a part of the failover's."""
    names = REGULAR.keys() | FAILOVER.keys()
    return {c: round((1 - ratio) * REGULAR.get(c, 0) + ratio * FAILOVER.get(c, 0)) for c in sorted(names)}


async def becomes(mesh: Harness, weights: dict[str, int]) -> None:
    """Wait for a split; then it holds for many requests."""

    async def right() -> bool:
        return not far_off(await mesh.send(SERVICE, 100), weights)

    await eventually(right, f"the split {weights}")
    assert not far_off(await mesh.send(SERVICE, REQUESTS), weights)


async def drilled(mesh: Harness) -> bool:
    """Whether some request goes the failover's way."""
    return set(await mesh.send(SERVICE, 10)) != set(REGULAR)


async def test_arm_when_accepted_sends_no_request_there(mesh: Harness) -> None:
    receipt = await rehearsing(mesh).arm(table(FAILOVER))

    assert receipt.accepted
    await becomes(mesh, REGULAR)


async def test_drain_moves_its_part_of_the_requests_and_takes_it_back(mesh: Harness) -> None:
    drill = rehearsing(mesh)
    await drill.arm(table(FAILOVER))

    for ratio in (0.1, 0.5, 1.0, 0.0):
        assert (await drill.drain(ratio, LONG_S)).accepted
        await becomes(mesh, mixed(ratio))

    await drill.disarm()
    await becomes(mesh, REGULAR)


async def test_drain_when_it_is_not_renewed_lapses_by_itself(mesh: Harness) -> None:
    drill = rehearsing(mesh)
    await drill.arm(table(FAILOVER))
    await drill.drain(1.0, LEASE_S)
    await eventually(lambda: drilled(mesh), "requests are drilled")

    await becomes(mesh, REGULAR)


async def test_drain_when_the_controller_is_cut_off_lapses_by_itself(mesh: Harness) -> None:
    drill = rehearsing(mesh)
    await drill.arm(table(FAILOVER))
    await drill.drain(1.0, LEASE_S)

    await mesh.cut()

    await becomes(mesh, REGULAR)


async def test_drain_when_renewed_outlives_its_first_lease(mesh: Harness) -> None:
    drill = rehearsing(mesh)
    await drill.arm(table(FAILOVER))
    await drill.drain(0.5, LEASE_S)

    await drill.drain(0.5, LONG_S)

    end_s = time.monotonic() + 1.2 * LEASE_S
    await eventually(lambda: asyncio.sleep(0.01, time.monotonic() > end_s), "the first lease is over")
    await becomes(mesh, mixed(0.5))


async def test_write_during_a_drill_changes_the_regular_part_alone(mesh: Harness) -> None:
    drill = rehearsing(mesh)
    await drill.arm(table(FAILOVER))
    await drill.drain(0.5, LONG_S)

    await mesh.connector.write(table({"north": UNIT}, fence=(1, 2)))

    await becomes(mesh, {"north": 8_750, "west": 1_250})


async def test_tally_counts_rehearsed_and_regular_requests_apart(mesh: Harness) -> None:
    drill = rehearsing(mesh)
    await drill.arm(table(FAILOVER))
    await drill.drain(0.5, LONG_S)
    await becomes(mesh, mixed(0.5))
    await grows(mesh, drill, Tally())  # an Envoy counts for an upstream that is new to it from the next report on

    new = await grows(mesh, drill, drill.tally())

    assert 0.3 < new.rehearsed / (new.rehearsed + new.regular) < 0.7
    assert (new.rehearsed_failed, new.regular_failed) == (0, 0)


async def grows(mesh: Harness, drill: Rehearsing, since: Tally) -> Tally:
    """What is counted after `since`, once that are some hundred rehearsed requests."""

    async def enough() -> bool:
        await mesh.send(SERVICE, 100)
        return (drill.tally() - since).rehearsed > REQUESTS / 3

    await eventually(enough, "requests are counted")
    return drill.tally() - since


async def test_arm_when_the_mesh_says_no_is_refused_and_the_regular_weights_stay(mesh: Harness) -> None:
    with pytest.raises(Refused, match=r"\w+"):
        await rehearsing(mesh).arm(mesh.refusable(table(FAILOVER)))

    await becomes(mesh, REGULAR)


async def test_drain_without_arming_is_refused(mesh: Harness) -> None:
    with pytest.raises(Refused, match="armed"):
        await rehearsing(mesh).drain(0.5, LONG_S)


async def test_drain_of_clients_that_know_no_lease_is_refused_and_a_dry_push_is_not(tmp_path: Path) -> None:
    async with xds_grpc(tmp_path) as mesh:
        await mesh.connector.write(table(REGULAR))
        assert (await mesh.connector.arm(table(FAILOVER))).accepted

        with pytest.raises(Refused, match="home/client take no runtime layer"):
            await mesh.connector.drain(0.1, LONG_S)

        await becomes(mesh, REGULAR)


async def test_tally_minus_an_earlier_one_is_what_came_between() -> None:
    assert Tally(5, 1, 9, 2) - Tally(3, 0, 4, 2) == Tally(2, 1, 5, 0)


async def test_haproxy_whose_controller_is_killed_at_a_full_drain_is_back_when_the_lease_is_over(
    tmp_path: Path,
) -> None:
    async with haproxy(tmp_path) as mesh:
        await mesh.connector.write(table(REGULAR))
        ports = [f"{cluster}={backend.port}" for cluster, backend in mesh.backends.items()]
        command = [
            sys.executable,
            "-m",
            "tests.contract.lease_holder",
            str(mesh.socket),
            mesh.rendered.map_path,
            *ports,
        ]
        holder = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
        try:
            await eventually(lambda: drilled(mesh), "everything is drained")
            end_s = time.monotonic() + 1.5 * HOLDERS_LEASE_S
            while time.monotonic() < end_s:
                assert set(await mesh.send(SERVICE, 20)) == {"north"}, "it is renewed"
        finally:
            holder.kill()
            await holder.wait()
        killed_s = time.monotonic()

        await becomes(mesh, REGULAR)

        assert time.monotonic() - killed_s < 2 * HOLDERS_LEASE_S + 1.0, "the lease, a slow machine, and the counting"


async def test_haproxy_without_the_backends_of_a_drill_is_unfit_and_still_takes_weights(tmp_path: Path) -> None:
    async with haproxy(tmp_path, drills=False) as mesh:
        await mesh.connector.write(table(REGULAR))
        await becomes(mesh, REGULAR)

        assert "equipoise bootstrap" in rehearsing(mesh).unfit()
        with pytest.raises(Refused, match="no backend to rehearse with"):
            await rehearsing(mesh).arm(table(FAILOVER))


async def test_haproxy_that_has_forgotten_the_failover_is_refused_a_farther_step_and_taken_back(tmp_path: Path) -> None:
    async with haproxy(tmp_path) as mesh:
        await mesh.connector.write(table(REGULAR))
        await rehearsing(mesh).arm(table(FAILOVER))
        await ask(str(mesh.socket), f"clear map {mesh.rendered.map_path}", "as a restart would")

        with pytest.raises(Refused, match="forgotten the failover"):
            await rehearsing(mesh).drain(0.5, LONG_S)
        assert (await rehearsing(mesh).drain(0.0, 0.0)).accepted
