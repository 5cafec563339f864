"""What real Envoys and gRPC clients do with our resources, beyond what every connector promises."""

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grpc.aio
import httpx
import pytest

from connectors.telemetry import Signal
from connectors.xds.connector import XdsConnector
from connectors.xds.server import XdsServer
from placement.fleet import ServiceId
from tests.contract.backends import WHO, GrpcBackend, HttpBackend, free_port
from tests.contract.harness import SERVICE, UNIT, eventually, far_off, table
from tests.contract.harness_xds import BROKEN, EnvoyHarness, XdsHarness, mesh_spec, xds_envoy, xds_grpc

PLANES = pytest.mark.parametrize("start", [xds_envoy, xds_grpc])


async def achieved(mesh: XdsHarness, weights: dict[str, int], requests: int = 1_000) -> None:
    """Wait until a hundred requests look right, then see many."""

    async def right() -> bool:
        return not far_off(await mesh.send(SERVICE, 100), weights)

    await eventually(right, f"the split {weights}")
    assert not far_off(await mesh.send(SERVICE, requests), weights)


async def without_broken(mesh: XdsHarness) -> None:
    """Take the broken address out of the book."""
    sound = {place: at for place, at in mesh.spec.endpoints.items() if place[1] != BROKEN}
    await mesh.connector.replace_spec(replace(mesh.spec, endpoints=sound))


@PLANES
async def test_weighted_clusters_split_shed_fail_over_and_shed_no_more(start: Callable, tmp_path: Path) -> None:
    async with start(tmp_path, split={ServiceId(SERVICE): "weighted-clusters"}) as mesh:
        await without_broken(mesh)
        await mesh.connector.write(table({"east": 6_000, "north": 3_000}, standbys=["west"]))
        await achieved(mesh, {"east": 6_000, "north": 3_000})

        await mesh.kill("east")
        await achieved(mesh, {"west": 6_000, "north": 3_000})

        await mesh.connector.write(table({"west": 4_000, "north": 6_000}, fence=(1, 2)))
        await achieved(mesh, {"west": 4_000, "north": 6_000})

        await mesh.connector.write(table({}, fence=(1, 3)))
        await achieved(mesh, {})


@PLANES
async def test_load_reports_say_what_was_sent_where_and_what_was_dropped(start: Callable, tmp_path: Path) -> None:
    async with start(tmp_path) as mesh:
        await mesh.connector.write(table({"east": 4_000, "north": 3_000}))
        seen: dict[Signal, Counter[tuple[str, ...]]] = {}

        async def reported() -> bool:
            await mesh.send(SERVICE, 50)
            for batch in await mesh.reports.collect():
                seen[batch.signal] = Counter(dict(zip(batch.keys, batch.value.tolist(), strict=True)))
            return seen.get(Signal.DEMAND_RPS, Counter())[SERVICE, "home"] > 0

        await eventually(reported, "load is reported")

        sent = seen[Signal.SENT_RPS]
        demand_rps = seen[Signal.DEMAND_RPS][SERVICE, "home"]
        assert sent[SERVICE, "home", "east"] == pytest.approx(0.4 * demand_rps, rel=0.5)
        assert sent[SERVICE, "home", "west"] == 0
        assert sent.total() < demand_rps, "what was dropped is part of the demand"


@PLANES
async def test_cluster_that_dies_under_load_loses_no_request_that_may_be_repeated(
    start: Callable, tmp_path: Path
) -> None:
    async with start(tmp_path) as mesh:
        await mesh.connector.write(table({"east": UNIT}, standbys=["north"]))
        await achieved(mesh, {"east": UNIT}, requests=100)

        sending = asyncio.create_task(mesh.send(SERVICE, 2_000))
        already = mesh.backends["east"].served

        async def flowing() -> bool:
            return mesh.backends["east"].served > already + 200

        await eventually(flowing, "requests flow")
        await mesh.kill("east")
        seen = await sending

        lost = {outcome: n for outcome, n in seen.items() if outcome not in {"east", "north"}}
        assert seen["north"]
        # A gRPC call that was under way is the caller's to repeat; Envoy knows that a GET may be.
        assert sum(lost.values()) <= (16 if start is xds_grpc else 0), lost


async def test_cluster_that_dies_with_hundreds_of_requests_in_flight_loses_none_that_may_be_repeated(
    tmp_path: Path,
) -> None:
    async with xds_envoy(tmp_path) as mesh:
        await mesh.connector.write(table({"east": UNIT}, standbys=["north"]))
        await achieved(mesh, {"east": UNIT}, requests=100)
        east = mesh.backends["east"]
        assert isinstance(east, HttpBackend)

        east.answering.clear()
        already = east.served
        sending = [asyncio.create_task(mesh.send(SERVICE, 8)) for _ in range(40)]

        async def taken() -> bool:
            return east.served == already + 320

        await eventually(taken, "all of them are in flight")
        await mesh.kill("east")

        assert sum(await asyncio.gather(*sending), Counter()) == {"north": 320}


async def test_retry_finds_the_other_weighted_cluster_where_there_is_no_standby(tmp_path: Path) -> None:
    async with xds_envoy(tmp_path) as mesh:
        await mesh.connector.write(table({"east": 9_500, "north": 500}))
        await mesh.kill("east")

        await achieved(mesh, {"north": UNIT})


async def test_cluster_that_falls_silent_costs_the_connect_timeout(tmp_path: Path) -> None:
    async with xds_envoy(tmp_path, connect_timeout_s=0.2) as mesh:
        await mesh.connector.write(table({"east": UNIT}, standbys=["north"]))
        await mesh.kill("east")
        with listening_but_silent(mesh.backends["east"].port):
            begun_s = time.monotonic()
            seen = await mesh.send(SERVICE, 8)

        assert seen == {"north": 8}
        assert 0.2 <= time.monotonic() - begun_s < 4.0


@contextlib.contextmanager
def listening_but_silent(port: int) -> Iterator[None]:
    """A port whose queue is full: the kernel drops what comes, as a dead network does."""
    with contextlib.ExitStack() as stack:
        listener, *fillers = (stack.enter_context(socket.socket()) for _ in range(4))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield


async def test_upstream_log_has_a_line_for_every_attempt(tmp_path: Path) -> None:
    log = tmp_path / "attempts"
    async with xds_envoy(tmp_path, upstream_log_path=str(log)) as mesh:
        await mesh.connector.write(table({"east": UNIT}, standbys=["north"]))
        await mesh.kill("east")
        begun_s = time.time()
        assert (await mesh.send(SERVICE, 5)) == {"north": 5}

        async def flushed() -> bool:
            return log.exists() and len(log.read_text().splitlines()) == 10

        await eventually(flushed, "ten attempts are logged", within_s=3)

    lines = [line.split() for line in log.read_text().splitlines()]
    dead, alive = (f"127.0.0.1:{mesh.backends[c].port}" for c in ("east", "north"))
    assert Counter((host, code, flags) for _, host, _, code, flags in lines) == {
        (dead, "0", "UF"): 5, (alive, "200", "-"): 5,
    }  # fmt: skip
    assert all(begun_s - 1 < float(at_s) < begun_s + 5 and service == SERVICE for at_s, _, service, *_ in lines)


async def updates(mesh: EnvoyHarness) -> dict[str, int]:
    """How many responses of each type an Envoy has accepted."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{mesh.admin_port}/stats?filter=update_success$")
    return {name: int(n) for name, n in (line.split(": ") for line in answer.text.splitlines())}


async def test_restarted_controller_sends_an_envoy_nothing_it_has_already(tmp_path: Path) -> None:
    async with xds_envoy(tmp_path) as mesh:
        await mesh.connector.write(table({"east": 6_000, "north": 4_000}))
        before = await updates(mesh)
        await mesh.server.stop()

        server = XdsServer()
        successor = XdsConnector(mesh.spec, server)
        successor.prime(table({"east": 6_000, "north": 4_000}))
        await server.start("127.0.0.1", mesh.port)

        async def known() -> bool:
            return (await successor.write(table({"east": 6_000, "north": 4_000}))).accepted is True

        await eventually(known, "the Envoy is back and known to have the table")
        assert await updates(mesh) == before
        assert sum(before.values()) >= 4

        assert (await successor.write(table({"east": 4_000, "north": 6_000}, fence=(1, 2)))).accepted is True
        await achieved(mesh, {"east": 4_000, "north": 6_000})
        await server.stop()


async def test_new_address_book_changes_upstreams_endpoints_and_listener_at_once(tmp_path: Path) -> None:
    async with xds_envoy(tmp_path) as mesh:
        await mesh.connector.write(table({"east": UNIT}))
        await achieved(mesh, {"east": UNIT}, requests=50)
        service = ServiceId(SERVICE)
        swapped = {
            (service, c): (("127.0.0.1", mesh.backends[o].port),) for c, o in (("east", "west"), ("north", "east"))
        }
        mesh.ingress_port = free_port()

        receipt = await mesh.connector.replace_spec(
            replace(mesh.spec, endpoints=swapped, outlier_detection=True, listener=("127.0.0.1", mesh.ingress_port))
        )

        assert receipt is not None
        assert receipt.accepted is True
        await achieved(mesh, {"west": UNIT}, requests=50)


async def test_endpoint_put_aside_by_outlier_detection_gets_nothing_for_a_while(tmp_path: Path) -> None:
    async with xds_envoy(tmp_path, outlier_detection=True) as mesh:
        await mesh.connector.write(table({"east": 5_000, "north": 5_000}))
        await mesh.kill("east")

        assert (await mesh.send(SERVICE, 200)) == {"north": 200}

        async def put_aside() -> bool:
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{mesh.admin_port}/clusters")
            return "health_flags::/failed_outlier_check" in answer.text

        await eventually(put_aside, "the endpoint is put aside")


async def test_grpc_through_an_envoy_is_routed_by_its_authority(tmp_path: Path) -> None:
    backends = {cluster: GrpcBackend(cluster) for cluster in ("east", "north", "west")}
    spec = mesh_spec(backends, "http2", None)
    try:
        for backend in backends.values():
            await backend.start()
        async with xds_envoy(tmp_path, endpoints=spec.endpoints, protocol=spec.protocol) as mesh:
            await mesh.connector.write(table({"east": UNIT}, standbys=["north"]))
            options = [("grpc.default_authority", SERVICE)]
            async with grpc.aio.insecure_channel(f"127.0.0.1:{mesh.ingress_port}", options) as channel:
                who = channel.unary_unary(WHO)
                assert await who(b"", wait_for_ready=True, timeout=5) == b"east"

                await backends["east"].stop()

                async def handed_over() -> bool:  # a call under way when the connection breaks is the caller's loss
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        return bool(await who(b"", timeout=5) == b"north")
                    return False

                await eventually(handed_over, "the standby answers")
                assert [await who(b"", timeout=5) for _ in range(20)] == [b"north"] * 20
    finally:
        for backend in backends.values():
            await backend.stop()
