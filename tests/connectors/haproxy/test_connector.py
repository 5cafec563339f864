"""A real HAProxy under hands other than ours, and sockets that answer badly."""

import asyncio
from pathlib import Path

import pytest

from connectors.connector import Refused, Unavailable
from connectors.deadline import within
from connectors.haproxy.configuration import configuration
from connectors.haproxy.connector import HaproxyConnector
from connectors.haproxy.runtime import LINE_MAX_BYTES, ask, lines_of
from connectors.haproxy.statistics import HaproxyStatistics
from connectors.telemetry import Signal
from placement.weights import table_of
from tests import real
from tests.connectors.haproxy.answers import MAP, STATE, Imposter, listening, spec
from tests.contract.harness import SERVICE, UNIT, table
from tests.contract.harness_haproxy import HaproxyHarness, haproxy, running

TABLE = table_of("home", 10_000, {"shop": {"east": (5_000, 0), "west": (5_000, 0)}}, (1, 8))


async def say(mesh: HaproxyHarness, line: str) -> str:
    """As an operator does it, with socat."""
    return await ask(str(mesh.socket), line, "test")


async def test_weight_that_an_operator_set_by_hand_is_read_and_written_over(tmp_path: Path) -> None:
    async with haproxy(tmp_path) as mesh:
        await mesh.connector.write(table({"east": UNIT}))
        await say(mesh, f"set server {SERVICE}/north.1 weight 1")

        drifted = await mesh.connector.read()
        await mesh.connector.write(table({"east": UNIT}, fence=(1, 2)))

        assert drifted is not None
        assert drifted.content() == table({"east": 5_000, "north": 5_000}).content()
        assert set(await mesh.send(SERVICE, 20)) == {"east"}


async def test_server_in_maintenance_stays_there_and_the_receipt_says_that_it_is_not_programmed(
    tmp_path: Path,
) -> None:
    async with haproxy(tmp_path) as mesh:
        await say(mesh, f"set server {SERVICE}/east.1 state maint")

        receipt = await mesh.connector.write(table({"east": 5_000, "north": 5_000}))

        assert (receipt.stored, receipt.accepted, receipt.programmed) == (True, True, False)
        assert f"{SERVICE}/east.1" in receipt.detail
        assert set(await mesh.send(SERVICE, 20)) == {"north"}


async def test_table_written_down_as_the_configuration_says_survives_a_restart(tmp_path: Path) -> None:
    written = table({"east": 7_000, "north": 1_000}, ["west"], fence=(2, 5))
    async with haproxy(tmp_path) as mesh:
        await mesh.connector.write(written)
        dumped = await say(mesh, f"show map {mesh.rendered.map_path}")
        (tmp_path / "haproxy.map").write_text("".join(f"{e.partition(' ')[2]}\n" for e in dumped.split("\n") if e))
        (tmp_path / "haproxy.state").write_text(await say(mesh, "show servers state"))
    mesh.socket.unlink(missing_ok=True)

    async with running(real.require("haproxy"), mesh.rendered, tmp_path):
        read = await mesh.connector.read()

    assert read is not None
    assert (read.content(), read.fence) == (written.content(), (2, 5))


async def test_weights_finer_than_haproxy_takes_are_rounded_and_the_receipt_says_by_how_much(tmp_path: Path) -> None:
    async with haproxy(tmp_path) as mesh:
        receipt = await mesh.connector.write(table({"east": 9_973, "north": 27}))

        assert receipt.programmed
        assert "off by up to 0.1" in receipt.detail


async def test_outlier_detection_leaves_a_dead_cluster_before_checks_or_controller_know(tmp_path: Path) -> None:
    async with haproxy(tmp_path, checks="inter 1h", outlier_detection=True) as mesh:
        await mesh.connector.write(table({"east": UNIT}, ["north"]))
        await mesh.kill("east")

        found = await mesh.send(SERVICE, 100)

        assert found["north"] >= 90, f"the first few of 8 connections find out: {found}"


async def test_telemetry_counts_requests_refusals_and_errors_of_a_window(tmp_path: Path) -> None:
    now_s = iter((10.0, 12.0))
    async with haproxy(tmp_path) as mesh:
        await mesh.connector.write(table({"east": 4_000, "north": 4_000}))
        source = HaproxyStatistics(mesh.rendered, lambda: next(now_s))
        first = await source.collect()
        seen = await mesh.send(SERVICE, 200)

        found = {
            batch.signal: dict(zip(batch.keys, batch.value.tolist(), strict=True)) for batch in await source.collect()
        }

        assert first == ()
        assert found[Signal.DEMAND_RPS] == {(SERVICE, "home"): 100.0}
        assert found[Signal.SENT_RPS] == {(SERVICE, "home", c): seen[c] / 2 for c in ("east", "north", "west")}
        assert found[Signal.ERROR_RATIO] == {(SERVICE, "east"): 0.0, (SERVICE, "north"): 0.0}


async def test_telemetry_sees_the_errors_of_a_cluster_that_refuses_connections(tmp_path: Path) -> None:
    now_s = iter((10.0, 12.0))
    async with haproxy(tmp_path) as mesh:
        await mesh.connector.write(table({"east": UNIT}))
        source = HaproxyStatistics(mesh.rendered, lambda: next(now_s))
        await source.collect()
        await mesh.kill("east")
        await mesh.send(SERVICE, 4)

        errors = next(b for b in await source.collect() if b.signal is Signal.ERROR_RATIO)

        assert dict(zip(errors.keys, errors.value.tolist(), strict=True)) == {(SERVICE, "east"): 1.0}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([b""], "cut off"),
        ([STATE.encode()[:-30]], "cut off"),
        ([b"<html><body>502 Bad Gateway</body></html>\n\n"], "html"),
        ([STATE.encode(), b"0x1 one two three\n\n"], "three"),
        ([b"\xff\xfe\n\n"], "UnicodeDecodeError"),
        ([b"x" * (5 * 2**20)], "more than"),
        ([STATE.replace(" 200 ", " NaN ").encode(), MAP.encode()], "NaN"),
        ([b"Permission denied\n\n"], "Permission denied"),
    ],
)
async def test_bad_answer_is_unavailable_and_names_origin_socket_and_cause(
    answers: list[bytes], words: str, tmp_path: Path
) -> None:
    async with listening(Imposter(*answers), tmp_path) as socket:
        connector = HaproxyConnector(spec(socket))

        with pytest.raises(Unavailable, match=f"home: HAProxy at {socket}.*{words}"):
            await connector.read()
        with pytest.raises(Unavailable):
            await HaproxyStatistics(spec(socket), lambda: 0.0).collect()


async def test_socket_that_is_not_there_or_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="FileNotFoundError"):
        await HaproxyConnector(spec(str(tmp_path / "none"))).read()
    async with listening(Imposter(b"1\n", hold=True), tmp_path) as socket:
        with pytest.raises(Unavailable, match=r"no answer within 0\.05 s"):
            await within(0.05, HaproxyConnector(spec(socket)).read(), "home: read")


async def test_write_without_the_right_to_is_refused_and_says_which_level_it_needs(tmp_path: Path) -> None:
    answers = (STATE.encode(), MAP.encode(), b"Permission denied\n\n", STATE.encode(), MAP.encode())
    async with listening(Imposter(*answers), tmp_path) as socket:
        with pytest.raises(Refused, match=r"home: HAProxy at .*Permission denied.*level admin"):
            await HaproxyConnector(spec(socket)).write(TABLE)


async def test_write_that_another_controller_overtakes_is_refused_and_undoes_nothing(tmp_path: Path) -> None:
    overtaken = MAP.replace("1,7,10000", "2,1,10000").encode()
    imposter = Imposter(STATE.encode(), MAP.encode(), b"\n\n\n\n", STATE.encode(), overtaken)
    async with listening(imposter, tmp_path) as socket:
        with pytest.raises(Refused, match=r"overtaken by .*2, 1.*1, 8"):
            await HaproxyConnector(spec(socket)).write(TABLE)

    assert len(imposter.asked) == 5, "it asks for state and map, writes, and asks again"


async def test_map_that_haproxy_does_not_have_is_refused_with_what_to_do(tmp_path: Path) -> None:
    answers = (STATE.encode(), b"Unknown map identifier. Please use #<id> or <file>.\n\n")
    async with listening(Imposter(*answers), tmp_path) as socket:
        with pytest.raises(Refused, match=r"equipoise\.map: Unknown map.*add it to its configuration"):
            await HaproxyConnector(spec(socket)).read()


def test_lines_hold_all_commands_in_their_order_and_none_is_too_long() -> None:
    commands = [f"set server shop/cluster-{place}.1 weight {place % 257}" for place in range(1_000)]

    lines = lines_of(commands)

    assert ";".join(lines).split(";") == commands
    assert max(map(len, lines)) < LINE_MAX_BYTES


async def test_configuration_over_tcp_is_one_that_haproxy_takes_as_valid(tmp_path: Path) -> None:
    async with haproxy(tmp_path) as mesh:
        path = tmp_path / "tcp.cfg"
        over_tcp = configuration(spec("127.0.0.1:9999")).replace(
            "/etc/haproxy/equipoise.map", f"{mesh.socket.stem}.map"
        )
        path.write_text(over_tcp)
        check = await asyncio.create_subprocess_exec("haproxy", "-c", "-f", str(path), cwd=tmp_path)

        assert await check.wait() == 0
