"""Backends that say in which cluster they stand, over HTTP/1.1 or gRPC; they die and come back at once."""

import asyncio
import socket
from typing import Protocol

import grpc
import grpc.aio

CLUSTER_HEADER = "x-cluster"
WHO = "/contract.Backend/Who"


class Backend(Protocol):
    """The endpoint of one cluster."""

    port: int
    served: int
    """Requests so far."""

    async def start(self) -> None:
        """Serve, on the same port as before."""

    async def stop(self) -> None:
        """Close the port and every connection."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class HttpBackend:
    """Answers every request with an empty 200 and the name of its cluster."""

    def __init__(self, cluster: str) -> None:
        self.port = free_port()
        self.served = 0
        self._cluster = cluster
        self.says("")
        self.answering = asyncio.Event()
        """While it is cleared requests are taken and not answered."""
        self.answering.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    def says(self, header: str) -> None:
        """Add a header, `name: value`, to every answer from now on."""
        more = f"{header}\r\n" if header else ""
        who = f"{CLUSTER_HEADER}: {self._cluster}\r\n"
        self._answer = f"HTTP/1.1 200 OK\r\n{who}{more}content-length: 0\r\n\r\n".encode()

    async def start(self) -> None:
        """Serve, on the same port as before. The kernel takes hundreds at once, however slow this process is."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()
        self.answering.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.served += 1
                await self.answering.wait()
                writer.write(self._answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


class GrpcBackend:
    """Answers every call of WHO with the name of its cluster."""

    def __init__(self, cluster: str) -> None:
        self.port = free_port()
        self.served = 0
        self._cluster = cluster.encode()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Serve, on the same port as before."""
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        service, method = WHO.strip("/").split("/")
        handler = grpc.unary_unary_rpc_method_handler(self._who)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server:
            await self._server.stop(0)
            self._server = None

    async def _who(self, _request: bytes, _context: object) -> bytes:
        self.served += 1
        return self._cluster
