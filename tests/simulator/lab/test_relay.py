"""Delay lines: how late, in which order, how fast, and what a cut or a dead end looks like."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from simulator.lab.relay import Link, Road, listen

ONE_WAY_S = 0.04


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def long_link(target_port: int, one_way_s: float = ONE_WAY_S) -> AsyncIterator[tuple[Road, int]]:
    road, server = await listen(Link("here>there", 0, target_port, one_way_s))
    async with server:
        yield road, server.sockets[0].getsockname()[1]


@asynccontextmanager
async def echo_port() -> AsyncIterator[int]:
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def echo_link() -> AsyncIterator[tuple[Road, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a link to an echo, after its handshake."""
    async with echo_port() as target, long_link(target) as (road, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"hello")
            await reader.readexactly(5)
            yield road, reader, writer
        finally:
            writer.close()


async def quickest_s(do: Callable[[], Awaitable[object]]) -> float:
    """Of a few times: a link is never early, and a busy machine now and then late."""
    took_s = []
    for _ in range(5):
        started_s = time.monotonic()
        await do()
        took_s.append(time.monotonic() - started_s)
    return min(took_s)


async def test_link_when_asked_and_answered_takes_one_round_trip() -> None:
    async with echo_link() as (_, reader, writer):

        async def ask() -> None:
            writer.write(b"x")
            await reader.readexactly(1)

        took_s = await quickest_s(ask)

    assert 2 * ONE_WAY_S <= took_s < 2 * ONE_WAY_S + 0.05


async def test_link_when_connection_is_new_costs_the_handshake_too() -> None:
    async with echo_port() as target, long_link(target) as (_, port):

        async def ask() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            await reader.readexactly(1)
            writer.close()

        took_s = await quickest_s(ask)

    assert 4 * ONE_WAY_S <= took_s < 4 * ONE_WAY_S + 0.06


async def test_link_with_many_chunks_keeps_order_and_does_not_add_up_their_delays() -> None:
    chunks = [bytes([i]) * 20_000 for i in range(100)]
    async with echo_link() as (_, reader, writer):
        started_s = time.monotonic()
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(0)
        received = await reader.readexactly(sum(map(len, chunks)))
        took_s = time.monotonic() - started_s

    assert received == b"".join(chunks)
    assert took_s < 10 * ONE_WAY_S, "a delay per chunk would take 100 times as long"


async def test_link_with_more_than_a_window_under_way_holds_the_sender_and_loses_nothing() -> None:
    async with echo_link() as (_, reader, writer):
        sent = bytes(12 * 2**20)
        writer.write(sent)
        assert await reader.readexactly(len(sent)) == sent


async def test_link_when_cut_delivers_nothing_until_it_is_healed() -> None:
    async with echo_link() as (road, reader, writer):
        road.cut()
        writer.write(b"late")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4 * ONE_WAY_S):
                await reader.readexactly(4)

        road.heal()

        async with asyncio.timeout(10):
            assert await reader.readexactly(4) == b"late"


async def test_link_when_cut_opens_no_connection_until_it_is_healed() -> None:
    async with echo_port() as target, long_link(target) as (road, port):
        road.cut()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"late")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(6 * ONE_WAY_S):
                await reader.readexactly(4)

        road.heal()

        async with asyncio.timeout(10):
            assert await reader.readexactly(4) == b"late"
        writer.close()


async def test_link_to_a_dead_port_is_reset_one_round_trip_later() -> None:
    async with echo_port() as gone:
        pass
    async with long_link(gone) as (_, port):

        async def ask() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
            writer.close()

        took_s = await quickest_s(ask)

    assert 2 * ONE_WAY_S <= took_s < 2 * ONE_WAY_S + 0.05


async def test_link_when_the_far_end_closes_delivers_all_before_the_end() -> None:
    async def say_and_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye" * 1000)
        writer.close()

    server = await asyncio.start_server(say_and_close, "127.0.0.1", 0)
    async with server, long_link(server.sockets[0].getsockname()[1]) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b"bye" * 1000
        writer.close()
