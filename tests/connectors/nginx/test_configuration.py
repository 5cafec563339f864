"""The file of an NGINX, and a real NGINX under hands other than ours."""

from pathlib import Path

import pytest

from connectors.connector import Unavailable
from connectors.fenced import Row
from connectors.nginx.configuration import LINE_MAX, configuration, record_in, rows_in, version_in
from connectors.nginx.spec import NginxSpec
from placement.fleet import ClusterId, OriginId, ServiceId
from tests.contract.harness import SERVICE, UNIT, table
from tests.contract.harness_nginx import nginx

EAST, WEST, SHOP = ClusterId("east"), ClusterId("west"), ServiceId("shop")
BOOK = {(SHOP, EAST): (("10.0.0.1", 80), ("10.0.0.2", 80), ("10.0.0.3", 80)), (SHOP, WEST): (("2001:db8::1", 80),)}
SPEC = NginxSpec(OriginId("home"), "equipoise.conf", BOOK, ("0.0.0.0", 80), ("127.0.0.1", 81))  # noqa: S104


def test_rows_of_a_file_are_those_it_was_made_from_whatever_the_numbers_of_endpoints() -> None:
    row = Row({EAST: 6_667, WEST: 2_083}, (), 1_250)

    text = configuration(SPEC, {SHOP: row}, "x" * (2 * LINE_MAX + 1))

    assert rows_in(text) == {SHOP: row}
    assert record_in(text) == "x" * (2 * LINE_MAX + 1)
    assert max(map(len, text.split("\n"))) < 4_096


def test_version_of_a_file_follows_from_all_but_the_record() -> None:
    row = Row({EAST: UNIT})
    first, second = (configuration(SPEC, {SHOP: row}, record) for record in ("a", "b"))

    assert version_in(first) == version_in(second) != version_in(configuration(SPEC, {SHOP: Row({WEST: UNIT})}))


async def test_new_fence_over_the_same_weights_reloads_nothing_and_a_hand_edit_is_written_over(tmp_path: Path) -> None:
    async with nginx(tmp_path) as mesh:
        await mesh.connector.write(table({"east": UNIT}))
        master = (tmp_path / "nginx.pid").read_text()
        text = mesh.file.read_text()

        await mesh.connector.write(table({"east": UNIT}, fence=(1, 2)))
        assert version_in(mesh.file.read_text()) == version_in(text)
        mesh.file.write_text(text.replace("weight=1 ", "weight=7 ", 1).replace(version_in(text), "by hand"))
        drifted = await mesh.connector.read()
        await mesh.connector.write(table({"east": UNIT}, fence=(1, 3)))

        assert drifted is not None
        assert drifted.services == ()
        assert set(await mesh.send(SERVICE, 20)) == {"east"}
        assert (tmp_path / "nginx.pid").read_text() == master


async def test_reload_waits_while_too_many_old_workers_are_at_work(tmp_path: Path) -> None:
    async with nginx(tmp_path, workers_max=-1) as mesh:
        with pytest.raises(Unavailable, match=r"home: NGINX with .*, reload: \d+ old workers are still at work"):
            await mesh.connector.write(table({"east": UNIT}))

        assert await mesh.connector.read() is None
