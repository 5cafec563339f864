import asyncio

import numpy as np

from connectors.connector import MeshLimits, Receipt
from health.rules import Rules
from placement.columns import bools
from placement.fleet import OriginId
from placement.weights import WeightTable, table_of
from scheduler.push import AT_ONCE, read_tables, write_tables
from scheduler.watch import ProbeWatch
from simulator.mesh import SimulatedMesh

TABLE = table_of("slow", 100, {"web": {"a": (100, 0)}})
SLOW, FAST = OriginId("slow"), OriginId("fast")


class SleepyMesh(SimulatedMesh):
    """A mesh that never answers."""

    async def write(self, table: WeightTable) -> Receipt:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def read(self) -> WeightTable | None:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


def watch_of() -> ProbeWatch:
    return ProbeWatch(2, Rules(fall=2))


async def test_write_when_one_mesh_never_answers_ends_at_the_deadline_and_keeps_the_others() -> None:
    meshes = {SLOW: SleepyMesh(SLOW, MeshLimits()), FAST: SimulatedMesh(FAST)}

    outcomes = await write_tables(meshes, {SLOW: TABLE, FAST: TABLE}, 0.05, watch_of(), 0.0)

    assert outcomes[FAST].landed
    assert not outcomes[SLOW].landed
    assert outcomes[SLOW].detail == "slow: write: no answer within 0.05 s"


async def test_write_when_the_alarm_goes_off_stops_waiting() -> None:
    watch = watch_of()
    waiting = asyncio.create_task(write_tables({SLOW: SleepyMesh(SLOW, MeshLimits())}, {SLOW: TABLE}, 60.0, watch, 0.0))
    await asyncio.sleep(0)

    for at_s in (1.0, 2.0):
        watch.report(np.array([0]), bools([False]), at_s)
    outcomes = await asyncio.wait_for(waiting, 5.0)

    assert not outcomes[SLOW].landed
    assert "went down" in outcomes[SLOW].detail


async def test_read_when_a_mesh_is_silent_leaves_it_out() -> None:
    fast = SimulatedMesh(FAST)
    fast.table = TABLE

    assert await read_tables({SLOW: SleepyMesh(SLOW, MeshLimits()), FAST: fast}, 0.05, watch_of()) == {FAST: TABLE}


async def test_write_to_many_meshes_lets_others_work_in_between_and_ends_at_an_alarm_with_the_rest_unwritten() -> None:
    watch, looks = watch_of(), 0
    meshes = {OriginId(f"mesh-{i}"): SimulatedMesh(OriginId(f"mesh-{i}")) for i in range(20 * AT_ONCE)}
    tables = {origin: table_of(origin, 100, {"web": {"a": (100, 0)}}) for origin in meshes}

    async def look() -> None:
        nonlocal looks
        while True:
            looks += 1
            if looks == 15:
                for at_s in (1.0, 2.0):
                    watch.report(np.array([0]), bools([False]), at_s)
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    outcomes = await write_tables(meshes, tables, 60.0, watch, 0.0)
    looking.cancel()

    landed = [outcome.landed for outcome in outcomes.values()]
    assert len(landed) == len(meshes), "something is said of each"
    assert landed == sorted(landed, reverse=True)
    assert 0 < sum(landed) < len(landed), "it began with some, and left the others when it heard the alarm"
