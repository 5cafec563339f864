"""The connector before proxies that speak xDS over a real local connection and do as the test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import grpc
import pytest

from connectors.connector import Refused, Unavailable
from connectors.deadline import within
from connectors.xds.connector import XdsConnector
from connectors.xds.resources import CDS, EDS, LDS
from connectors.xds.server import XdsServer
from placement.fleet import OriginId
from tests.connectors.xds.proxy import Proxy, turned_away
from tests.connectors.xds.specs import EAST, SHOP, spec, table
from tests.contract.harness import eventually

FIRST, SECOND, THIRD = (table((1, v), east=(100 - v, 0), north=(v, 0)) for v in (1, 2, 3))
SLOW_S = 0.2


@dataclass
class Plane:
    """A served connector."""

    server: XdsServer
    connector: XdsConnector
    port: int

    @contextlib.asynccontextmanager
    async def proxy(self, proxy: Proxy) -> AsyncIterator[Proxy]:
        """A proxy, connected and known."""
        async with proxy.connected():
            await until(lambda: proxy.node in self.connector.proxies, f"{proxy.node} is connected")
            yield proxy


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    """An origin with no table yet."""
    server = XdsServer()
    connector = XdsConnector(spec(), server)
    port = await server.start("127.0.0.1", 0)
    yield Plane(server, connector, port)
    await server.stop()


async def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""

    async def look() -> bool:
        return holds()

    await eventually(look, what, within_s=5)


def refuses(kind: str, words: str, containing: bytes = b"") -> Callable[[str, dict[str, bytes]], str]:
    """An opinion against one type, where some content is in it."""

    def opinion(seen: str, found: dict[str, bytes]) -> str:
        return words if seen == kind and any(containing in body for body in found.values()) else ""

    return opinion


async def test_write_without_a_proxy_is_stored_and_not_known_to_be_accepted(plane: Plane) -> None:
    receipt = await plane.connector.write(FIRST)

    assert (receipt.stored, receipt.accepted, receipt.detail) == (True, None, "no proxy connected")
    assert await plane.connector.read() == FIRST


async def test_write_waits_for_every_proxy(plane: Plane) -> None:
    slow = Proxy(plane.port, "home/slow")
    async with plane.proxy(Proxy(plane.port, "home/quick")), plane.proxy(slow):
        await plane.connector.write(FIRST)
        slow.silent = True

        with pytest.raises(Unavailable):
            await within(SLOW_S, plane.connector.write(SECOND), "write")


async def test_cancelled_write_stands_and_is_known_as_accepted_once_the_proxy_answers(plane: Plane) -> None:
    proxy = Proxy(plane.port, "home")
    async with plane.proxy(proxy):
        await plane.connector.write(FIRST)
        proxy.silent = True
        with pytest.raises(Unavailable):
            await within(SLOW_S, plane.connector.write(SECOND), "write")
        again = await plane.connector.write(SECOND)
        assert (again.accepted, again.detail) == (None, "waiting for home")
        assert await plane.connector.read() == FIRST
        assert plane.connector.belated() == (0, ()), "there is nothing to say yet"

    proxy.silent = False
    async with plane.proxy(proxy):
        await until(lambda: EDS in proxy.heard[-4:], "the proxy has the assignments")

        async def accepted() -> bool:
            return await plane.connector.read() == SECOND

        await eventually(accepted, "the second table is the accepted one")


async def test_read_when_every_proxy_is_gone_never_goes_back_to_what_they_had(plane: Plane) -> None:
    async with plane.proxy(Proxy(plane.port, "home")):
        await plane.connector.write(FIRST)
    await until(lambda: not plane.connector.proxies, "nobody is connected")

    receipt = await plane.connector.write(SECOND)

    assert (receipt.stored, receipt.accepted) == (True, None)
    assert await plane.connector.read() == SECOND, "to have 'gone back' to FIRST would be a reason for SAFE mode"
    silent = Proxy(plane.port, "home")
    silent.silent = True
    async with plane.proxy(silent):
        assert await plane.connector.read() == SECOND, "it has nothing to keep yet"


async def test_proxy_that_leaves_is_not_waited_for(plane: Plane) -> None:
    slow = Proxy(plane.port, "home/slow")
    async with plane.proxy(Proxy(plane.port, "home/quick")):
        async with plane.proxy(slow):
            await plane.connector.write(FIRST)
            slow.silent = True
            writing = asyncio.create_task(plane.connector.write(SECOND))
            await until(lambda: slow.heard.count(EDS) == 2, "the slow proxy has heard of it")
            assert not writing.done()

        assert (await writing).accepted is True


async def test_refusal_brings_the_last_good_table_back_with_the_words_of_the_proxy(plane: Plane) -> None:
    picky = Proxy(plane.port, "home/picky")
    async with plane.proxy(Proxy(plane.port, "home/easy")) as easy, plane.proxy(picky):
        await plane.connector.write(FIRST)
        good = dict(easy.held[EDS])
        picky.opinion = refuses(EDS, "I would rather not", containing=b"\x02")

        with pytest.raises(Refused, match="home: proxy home/picky refused EDS: I would rather not"):
            await plane.connector.write(SECOND)

        assert await plane.connector.read() == FIRST
        await until(lambda: easy.held[EDS] == good, "the other proxy has the last good one again")
        picky.opinion = refuses("nothing", "")
        assert (await plane.connector.write(THIRD)).accepted is True


async def test_first_table_refused_leaves_no_table(plane: Plane) -> None:
    async with plane.proxy(Proxy(plane.port, "home", refuses(CDS, "no"))):
        with pytest.raises(Refused, match="CDS: no"):
            await plane.connector.write(FIRST)

        assert await plane.connector.read() is None


async def test_late_proxy_that_refuses_a_good_table_does_not_take_it_from_the_others(plane: Plane) -> None:
    async with plane.proxy(Proxy(plane.port, "home/1")):
        await plane.connector.write(FIRST)
        async with plane.proxy(Proxy(plane.port, "home/2", refuses(CDS, "too new for me"))) as late:
            await until(lambda: CDS in late.heard, "the late proxy has heard of it")

            async def told() -> bool:
                return (await plane.connector.write(FIRST)).accepted is False

            await eventually(told, "its refusal is known")
            receipt = await plane.connector.write(FIRST)
            assert receipt.detail == "proxy home/2 refused CDS: too new for me"
            assert await plane.connector.read() == FIRST


async def test_same_content_is_not_pushed_again(plane: Plane) -> None:
    async with plane.proxy(Proxy(plane.port, "home")) as proxy:
        await plane.connector.write(FIRST)
        heard = list(proxy.heard)

        receipt = await plane.connector.write(FIRST.fenced(1, 9))
        await plane.connector.write(SECOND.fenced(1, 10))

        assert (receipt.accepted, receipt.version) == (True, 9)
        assert proxy.heard == [*heard, EDS]


async def test_lower_fence_is_refused_even_after_a_refused_write(plane: Plane) -> None:
    async with plane.proxy(Proxy(plane.port, "home")) as proxy:
        await plane.connector.write(FIRST.fenced(1, 5))
        proxy.opinion = refuses(EDS, "no")
        with pytest.raises(Refused):
            await plane.connector.write(SECOND.fenced(2, 1))

        with pytest.raises(Refused, match="another controller leads"):
            await plane.connector.write(THIRD.fenced(1, 6))


async def test_restarted_controller_repeats_nothing_to_a_proxy_that_has_it(plane: Plane) -> None:
    proxy = Proxy(plane.port, "home")
    async with plane.proxy(proxy):
        await plane.connector.write(FIRST)
    heard = list(proxy.heard)

    server = XdsServer()
    successor = XdsConnector(spec(), server)
    successor.prime(FIRST)
    proxy.target = f"127.0.0.1:{await server.start('127.0.0.1', 0)}"
    async with proxy.connected():
        await until(lambda: bool(successor.proxies), "the proxy comes back")

        async def accepted() -> bool:
            return (await successor.write(FIRST)).accepted is True

        await eventually(accepted, "it is known to have the table")
        assert proxy.heard == heard
        assert (await successor.write(SECOND)).accepted is True
        assert proxy.heard == [*heard, EDS]
    await server.stop()


async def test_prime_serves_without_a_write_and_keeps_the_fence(plane: Plane) -> None:
    plane.connector.prime(FIRST.fenced(3, 3))

    assert await plane.connector.read() == FIRST.fenced(3, 3)
    with pytest.raises(Refused):
        await plane.connector.write(SECOND.fenced(3, 2))


async def test_new_address_book_reaches_the_proxies(plane: Plane) -> None:
    async with plane.proxy(Proxy(plane.port, "home")) as proxy:
        assert await plane.connector.replace_spec(spec(retries=2)) is None
        await plane.connector.write(FIRST)
        moved = {**spec().endpoints, (SHOP, EAST): (("10.8.8.8", 80),)}

        receipt = await plane.connector.replace_spec(spec(retries=2, endpoints=moved))

        assert receipt is not None
        assert receipt.accepted is True
        assert b"10.8.8.8" in proxy.held[EDS]["shop"]


async def test_new_address_book_that_is_refused_is_given_up(plane: Plane) -> None:
    async with plane.proxy(Proxy(plane.port, "home", refuses(LDS, "port taken", b"0.0.0.0"))) as proxy:
        await plane.connector.write(FIRST)

        with pytest.raises(Refused, match="LDS: port taken"):
            await plane.connector.replace_spec(spec(listener=("0.0.0.0", 1)))  # noqa: S104  never bound

        assert (await plane.connector.write(SECOND)).accepted is True
        assert b"0.0.0.0" not in b"".join(proxy.held[LDS].values())


async def test_address_book_without_a_cluster_in_use_is_refused_and_the_old_one_stays(plane: Plane) -> None:
    await plane.connector.write(FIRST)

    with pytest.raises(Refused, match="no endpoint of shop"):
        await plane.connector.replace_spec(spec(endpoints={}))

    assert (await plane.connector.write(SECOND)).stored is True


async def test_write_overtaken_by_another_says_so(plane: Plane) -> None:
    proxy = Proxy(plane.port, "home")
    async with plane.proxy(proxy):
        await plane.connector.write(FIRST)
        proxy.silent = True
        overtaken = asyncio.create_task(plane.connector.write(SECOND))
        await until(lambda: proxy.heard.count(EDS) == 2, "the proxy has heard of it")
        last = asyncio.create_task(plane.connector.write(THIRD))

        receipt = await overtaken

        assert receipt.accepted is None
        assert "another table took its place" in receipt.detail
        last.cancel()


async def test_node_of_no_origin_is_denied(plane: Plane) -> None:
    code, words = await turned_away(plane.port, "homestead")

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "'homestead' belongs to no origin" in words


async def test_node_gets_the_resources_of_its_own_origin_only(plane: Plane) -> None:
    away = spec(origin=OriginId("away"), node="away", endpoints={**spec().endpoints, (SHOP, EAST): (("10.7.7.7", 1),)})
    other = XdsConnector(away, plane.server)
    async with plane.proxy(Proxy(plane.port, "home")) as here, Proxy(plane.port, "away").connected() as there:
        await until(lambda: bool(other.proxies), "the other proxy is connected")
        await plane.connector.write(FIRST)
        assert there.held[EDS] == {}

        assert (await other.write(replace(FIRST, origin=OriginId("away")))).accepted is True

        assert (plane.connector.proxies, other.proxies) == (("home",), ("away",))
        assert here.held[EDS].keys() == there.held[EDS].keys()
        assert here.held[EDS] != there.held[EDS]


async def test_new_node_name_holds_for_proxies_that_connect_from_now_on(plane: Plane) -> None:
    await plane.connector.replace_spec(spec(node="house"))

    async with plane.proxy(Proxy(plane.port, "house")):
        assert (await turned_away(plane.port, "home"))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_dismissed_origin_is_turned_away(plane: Plane) -> None:
    plane.server.dismiss("home")

    assert (await turned_away(plane.port, "home"))[0] is grpc.StatusCode.PERMISSION_DENIED


async def test_streams_beyond_the_limit_are_turned_away() -> None:
    server = XdsServer(streams_max=1)
    connector = XdsConnector(spec(), server)
    port = await server.start("127.0.0.1", 0)
    async with Proxy(port, "home/1").connected():
        await until(lambda: bool(connector.proxies), "the first is connected")
        code, words = await turned_away(port, "home/2")
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "1 is the limit" in words
    await server.stop()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])  # noqa: S104  refused
async def test_address_beyond_this_machine_without_tls_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r"open to the network; .* server\.xdsTls"):
        await XdsServer().start(host, 0)


async def test_port_that_is_taken_is_an_oserror(plane: Plane) -> None:
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{plane.port}"):
        await XdsServer().start("127.0.0.1", plane.port)
