import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from connectors.connector import Unavailable
from connectors.http import Access, Edge
from connectors.wire import Sent, answered, headers_of, opened

YES = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n{}"


@contextlib.asynccontextmanager
async def serving(answer: Callable[[int], bytes], hangs_up: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers the nth request so, and hangs up where that is nothing; its port, and what it was sent."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                said = answer(len(heads))
                writer.write(said)
                if not said or hangs_up:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_request_on_a_kept_connection_that_ends_under_it_is_not_sent_again(method: str) -> None:
    async with serving(lambda number: YES if number == 1 else b"") as (port, heads):
        edge = Edge(Access(f"http://127.0.0.1:{port}"), "home: mesh")
        await edge.ask("GET", "/first", "first")
        with pytest.raises(Unavailable, match="home: mesh, second: ServerDisconnectedError"):
            await edge.ask(method, "/second", "second")
        await edge.close()

    assert len(heads) == 2


async def test_connection_that_its_server_closed_meanwhile_is_not_taken() -> None:
    async with serving(lambda _: YES, hangs_up=True) as (port, heads):
        edge = Edge(Access(f"http://127.0.0.1:{port}"), "home: mesh")
        for place in ("/first", "/second", "/third"):
            assert (await edge.ask("PUT", place, "weights")).status == 200
        await edge.close()

    assert len(heads) == 3


async def test_address_that_is_quoted_is_sent_as_it_is_and_no_cookie_is_kept() -> None:
    async with serving(lambda _: YES) as (port, heads):
        session = opened(False)
        for _ in range(2):
            sent = Sent("GET", f"http://127.0.0.1:{port}/a%2Fb?x=%7E", {}, {"y": "1 2+3"})
            async with answered(session, sent) as response:
                assert headers_of(response)["set-cookie"] == "a=1, b=2"
        await session.close()

    assert all(head.startswith(b"GET /a%2Fb?x=%7E&y=1+2%2B3 HTTP/1.1\r\n") for head in heads)
    assert all(b"cookie" not in head.lower() for head in heads)
