"""Long links on one machine: TCP relays that deliver every byte one link delay after it was sent.

A lane is a delay line, not a pause per read: chunks overlap on their way, so the delay does not limit the bandwidth.
A new connection costs a round trip before its first byte leaves, as a TCP handshake does, and a refused one is
refused a round trip after it was asked for. A cut link delivers nothing and loses nothing: as with TCP, what was
under way arrives after the link is healed.

    python -m simulator.lab.relay      links as one line of JSON on stdin, then one command a line
"""

import asyncio
import json
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import cast

LANE_BYTES_MAX = 4 * 2**20
"""Bytes under way in one direction of a connection before its sender is held: a large TCP window."""

LINGER_NONE = struct.pack("ii", 1, 0)
"""SO_LINGER on with zero seconds: closing sends a reset."""

Heal = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Link:
    """One way from a region to a place: connections to `port` end at `target_port`, far away."""

    name: str
    port: int
    target_port: int
    one_way_s: float


class Road:
    """A link in use: whether it is cut, and who waits for it to be healed."""

    def __init__(self, link: Link) -> None:
        """Whole, to begin with."""
        self.link = link
        self.is_cut = False
        self._waiting: set[Heal] = set()

    def cut(self) -> None:
        """Nothing arrives any more."""
        self.is_cut = True

    def heal(self) -> None:
        """What was under way arrives."""
        self.is_cut = False
        waiting, self._waiting = self._waiting, set()
        for go_on in waiting:
            go_on()

    def when_healed(self, go_on: Heal) -> None:
        """Call `go_on` once the link is whole again."""
        self._waiting.add(go_on)


class Lane:
    """One direction of one connection: chunks with the moment at which each is due."""

    def __init__(self, road: Road) -> None:
        """Nothing under way and no receiver yet."""
        self.road = road
        self.source: asyncio.Transport | None = None
        self.sink: asyncio.Transport | None = None
        self.opens_at_s = 0.0
        self._blocked = False
        self._chunks: deque[tuple[float, bytes | None]] = deque()
        self._bytes = 0
        self._reset_at_end = False
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None

    def send(self, chunk: bytes) -> None:
        """Put a chunk on its way."""
        self._append(chunk)
        self._bytes += len(chunk)
        if self._bytes > LANE_BYTES_MAX and self.source is not None:
            self.source.pause_reading()

    def end(self, reset: bool) -> None:
        """The sender closed, or was reset: the receiver learns of it after all that was sent before."""
        if not self._ended:
            self._ended, self._reset_at_end = True, reset
            self._append(None)

    def block(self, blocked: bool) -> None:
        """The receiver cannot take more just now, or can again."""
        self._blocked = blocked
        if not blocked:
            self.deliver()

    def _append(self, chunk: bytes | None) -> None:
        loop = asyncio.get_running_loop()
        self._chunks.append((max(loop.time(), self.opens_at_s) + self.road.link.one_way_s, chunk))
        if self._timer is None:
            self._timer = loop.call_at(self._chunks[0][0], self.deliver)

    def deliver(self) -> None:
        """Hand over everything that is due, and set the timer for the rest."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.road.is_cut:
            self.road.when_healed(self.deliver)
            return
        while self.sink and self._chunks and not self._blocked and self._chunks[0][0] <= loop.time():
            self._hand_over(self._chunks.popleft()[1], self.sink)
        if self.sink and self._chunks and not self._blocked:
            self._timer = loop.call_at(self._chunks[0][0], self.deliver)

    def _hand_over(self, chunk: bytes | None, sink: asyncio.Transport) -> None:
        if chunk is None:
            reset(sink) if self._reset_at_end else sink.close()
            return
        sink.write(chunk)
        self._bytes -= len(chunk)
        if self.source is not None and not self.source.is_closing() and self._bytes <= LANE_BYTES_MAX // 2:
            self.source.resume_reading()


class End(asyncio.Protocol):
    """One end of a relayed connection: what it hears goes into one lane, what it says comes out of the other."""

    def __init__(self, hears: Lane, says: Lane) -> None:
        """`hears` leads away from this end, `says` leads to it."""
        self._hears, self._says = hears, says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the transport to both lanes."""
        self._hears.source = self._says.sink = cast("asyncio.Transport", transport)
        self._says.deliver()

    def data_received(self, data: bytes) -> None:
        """Bytes from this end."""
        self._hears.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone; after an end of file asyncio closes the transport, which ends here too."""
        self._hears.end(reset=exc is not None)

    def pause_writing(self) -> None:
        """The receiver reads slowly."""
        self._says.block(True)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._says.block(False)


class NearEnd(End):
    """The end that asked for the connection; it opens the far one."""

    def __init__(self, road: Road) -> None:
        """Two empty lanes on this road."""
        self._road, self._there, self._back = road, Lane(road), Lane(road)
        self._opening: asyncio.Task[None] | None = None
        super().__init__(hears=self._there, says=self._back)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The kernel has accepted here at once; the handshake with the far end takes one round trip."""
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._there.opens_at_s = loop.time() + 2 * self._road.link.one_way_s
        loop.call_later(self._road.link.one_way_s, self._arrive)

    def _arrive(self) -> None:
        if self._road.is_cut:
            self._road.when_healed(self._arrive)
        else:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        far = End(hears=self._back, says=self._there)
        try:
            await loop.create_connection(lambda: far, "127.0.0.1", self._road.link.target_port)
        except OSError:
            self._back.end(reset=True)


def reset(transport: asyncio.Transport) -> None:
    """Close so that the peer sees a reset, as from a machine where nothing listens."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
    transport.abort()


async def listen(link: Link) -> tuple[Road, asyncio.Server]:
    """Open one link; its road can be cut and healed."""
    road = Road(link)
    server = await asyncio.get_running_loop().create_server(lambda: NearEnd(road), "127.0.0.1", link.port, backlog=512)
    return road, server


def links_line(links: Iterable[Link]) -> bytes:
    """The first line that the relay process reads."""
    return json.dumps([asdict(link) for link in links]).encode() + b"\n"


async def stdin_lines() -> asyncio.StreamReader:
    """Standard input as a stream; it ends when the parent does."""
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def main() -> None:
    """Relay until standard input ends. Commands: {"cut": [names]} and {"heal": [names]}."""
    lines = await stdin_lines()
    opened = [await listen(Link(**fields)) for fields in json.loads(await lines.readline())]
    roads = {road.link.name: road for road, _ in opened}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    async for line in lines:
        command = json.loads(line)
        for name in command.get("cut", ()):
            roads[name].cut()
        for name in command.get("heal", ()):
            roads[name].heal()


if __name__ == "__main__":
    asyncio.run(main())
