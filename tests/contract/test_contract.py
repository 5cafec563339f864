"""What every connector promises, whatever mesh is behind it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.connector import Refused, Unavailable
from placement.weights import WeightTable
from tests.contract.harness import SERVICE, SHED, UNIT, Harness, eventually, far_off, table
from tests.contract.harnesses import HARNESSES, REAL

SPLIT = {"east": 6_000, "north": 3_000, "west": 1_000}
OTHER = {"east": 1_000, "north": 2_000, "west": 7_000}
REQUESTS = 1_500


@pytest.fixture(params=sorted(HARNESSES | REAL))
async def mesh(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    """Each mesh in turn, fresh."""
    async with (HARNESSES | REAL)[request.param](tmp_path) as harness:
        yield harness


async def achieves(mesh: Harness, weights: dict[str, int]) -> None:
    """Wait for the split, because an acknowledgement may precede its effect; two of two looks must be right."""
    said = [""]

    async def right() -> bool:
        said[0] = far_off(await mesh.send(SERVICE, 100), weights)
        return not said[0]

    await eventually(right, f"the split {weights}: {said}")
    assert not far_off(await mesh.send(SERVICE, REQUESTS), weights)


async def settles(mesh: Harness, wanted: WeightTable) -> None:
    """Write until the mesh says that it has it, as ticks do."""

    async def accepted() -> bool:
        try:
            return bool((await mesh.connector.write(wanted)).accepted)
        except Unavailable:
            return False

    await eventually(accepted, "the mesh accepts the table")


async def test_read_before_any_write_is_none(mesh: Harness) -> None:
    assert await mesh.connector.read() is None


async def test_write_then_read_gives_the_table_and_its_fence(mesh: Harness) -> None:
    written = table(SPLIT, fence=(2, 7))

    receipt = await mesh.connector.write(written)

    assert (receipt.stored, receipt.accepted, receipt.epoch, receipt.version) == (True, True, 2, 7)
    read = await mesh.connector.read()
    assert read is not None
    assert (read.content(), read.fence) == (written.content(), (2, 7))


async def test_second_write_of_the_same_weights_is_accepted_and_only_renews_the_fence(mesh: Harness) -> None:
    await mesh.connector.write(table(SPLIT, fence=(1, 1)))

    receipt = await mesh.connector.write(table(SPLIT, fence=(1, 2)))

    assert (receipt.stored, receipt.accepted, receipt.version) == (True, True, 2)
    read = await mesh.connector.read()
    assert read is not None
    assert read.fence == (1, 2)
    await achieves(mesh, SPLIT)


async def test_write_with_a_lower_fence_is_refused_and_changes_nothing(mesh: Harness) -> None:
    await mesh.connector.write(table(SPLIT, fence=(2, 1)))

    with pytest.raises(Refused, match=r"1, 9.*2, 1"):
        await mesh.connector.write(table(OTHER, fence=(1, 9)))

    read = await mesh.connector.read()
    assert read is not None
    assert read.fence == (2, 1)
    await achieves(mesh, SPLIT)


async def test_weights_once_written_are_achieved_and_follow_the_next_write(mesh: Harness) -> None:
    await mesh.connector.write(table(SPLIT))
    await achieves(mesh, SPLIT)

    await mesh.connector.write(table(OTHER, fence=(1, 2)))

    await achieves(mesh, OTHER)


async def test_cluster_left_out_of_the_next_table_gets_nothing_more(mesh: Harness) -> None:
    await mesh.connector.write(table(SPLIT))

    await mesh.connector.write(table({"east": 4_000, "north": 6_000}, fence=(1, 2)))

    await achieves(mesh, {"east": 4_000, "north": 6_000})


async def test_shed_share_is_refused_at_the_origin(mesh: Harness) -> None:
    if not mesh.connector.limits.shed:
        pytest.skip("this mesh cannot refuse a share")

    await mesh.connector.write(table({"east": 4_000, "north": 3_000}))
    await achieves(mesh, {"east": 4_000, "north": 3_000})

    await mesh.connector.write(table({}, fence=(1, 2)))
    await eventually(lambda: all_shed(mesh), "all is shed")


async def all_shed(mesh: Harness) -> bool:
    """Whether nothing gets through."""
    return set(await mesh.send(SERVICE, 50)) == {SHED}


async def test_standby_takes_over_when_the_weighted_cluster_dies_and_hands_back(mesh: Harness) -> None:
    if not mesh.connector.limits.standby:
        pytest.skip("this mesh has no fail-over of its own")
    await mesh.connector.write(table({"east": UNIT}, standbys=["north", "west"]))
    await achieves(mesh, {"east": UNIT})

    await mesh.kill("east")
    await achieves(mesh, {"north": UNIT})

    await mesh.revive("east")
    await achieves(mesh, {"east": UNIT})


async def test_refused_table_leaves_the_last_good_one_and_says_why(mesh: Harness) -> None:
    await mesh.connector.write(table(SPLIT))

    with pytest.raises(Refused, match=r"\w+"):
        await mesh.connector.write(mesh.refusable(table(OTHER, fence=(1, 2))))

    read = await mesh.connector.read()
    assert read is not None
    assert read.content() == table(SPLIT).content()
    await achieves(mesh, SPLIT)


async def test_write_after_a_refused_one_is_accepted(mesh: Harness) -> None:
    await mesh.connector.write(table(SPLIT))
    with pytest.raises(Refused):
        await mesh.connector.write(mesh.refusable(table(OTHER, fence=(1, 2))))

    await settles(mesh, table(OTHER, fence=(1, 3)))

    await achieves(mesh, OTHER)


async def test_mesh_that_is_cut_off_keeps_its_weights_and_takes_the_next_table_once_mended(mesh: Harness) -> None:
    await mesh.connector.write(table(SPLIT))
    await achieves(mesh, SPLIT)

    await mesh.cut()
    assert not await reaches(mesh, table(OTHER, fence=(1, 2)))
    await achieves(mesh, SPLIT)

    await mesh.mend()
    await settles(mesh, table(OTHER, fence=(1, 2)))
    await achieves(mesh, OTHER)


async def reaches(mesh: Harness, wanted: WeightTable) -> bool:
    """Whether a mesh says that it has taken a table."""
    try:
        return (await mesh.connector.write(wanted)).accepted is True
    except Unavailable:
        return False
