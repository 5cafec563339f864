"""A connection for one probe: plain sockets where there is no TLS, for they take two thirds of the time of streams.

It ends with a reset: a probe has nothing left to say, and no port has to wait for it.
"""

import asyncio
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Protocol

CHUNK_BYTES = 4_096
RESET = struct.pack("ii", 1, 0)


class Wire(Protocol):
    """A connection that was made."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""

    async def receive(self) -> bytes:
        """What came in next; empty at the end."""


class _Plain:
    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._loop = connection, asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        sent = self._connection.send(data)  # a fresh connection has room for a request
        if sent < len(data):
            await self._loop.sock_sendall(self._connection, data[sent:])

    async def receive(self) -> bytes:
        return await self._loop.sock_recv(self._connection, CHUNK_BYTES)


class _Secure:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> bytes:
        return await self._reader.read(CHUNK_BYTES)


@asynccontextmanager
async def plain(address: str, port: int) -> AsyncIterator[Wire]:
    """A TCP connection to an IP address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
        yield _Plain(connection)


@asynccontextmanager
async def secure(address: str, port: int, name: str, ca_file: str) -> AsyncIterator[tuple[Wire, float]]:
    """A TLS connection to who can prove to be `name`, and the seconds until its certificate expires."""
    context = tls_context(ca_file)
    reader, writer = await asyncio.open_connection(address, port, limit=CHUNK_BYTES, ssl=context, server_hostname=name)
    try:
        certificate = writer.get_extra_info("peercert")
        expires_s = ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()
        yield _Secure(reader, writer), expires_s
    finally:
        writer.transport.abort()


@lru_cache(maxsize=64)
def tls_context(ca_file: str) -> ssl.SSLContext:
    """Verifies against that file, or the machine's trust store where it is empty. Kept: reading takes milliseconds."""
    return ssl.create_default_context(cafile=ca_file or None)
