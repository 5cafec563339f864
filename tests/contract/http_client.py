"""Requests through an Envoy, and who answered them."""

import asyncio
import time
from collections import Counter

from tests.contract.backends import CLUSTER_HEADER
from tests.contract.harness import SHED

DROP_HEADERS = {"x-envoy-drop-overload", "x-envoy-unconditional-drop-overload", "x-equipoise-shed"}
"""On the 503 of a drop that an Envoy's assignment asks for, the second where it asks for all; the third HAProxy's."""


async def send(port: int, service: str, requests: int, connections: int = 8) -> Counter[str]:
    """Counts by cluster of GET requests on keep-alive connections."""
    each = [requests // connections + (i < requests % connections) for i in range(connections)]
    counts = await asyncio.gather(*(_connection(port, service, n) for n in each if n))
    return sum(counts, Counter())


async def who(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service: str) -> str:
    """One request on an open connection: the cluster, SHED, or `ERROR <code>`."""
    writer.write(f"GET / HTTP/1.1\r\nhost: {service}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    await reader.readexactly(int(fields.get("content-length", 0)))
    if head[0].split()[1] == "200":
        return fields[CLUSTER_HEADER]
    return SHED if DROP_HEADERS & fields.keys() else f"ERROR {head[0].split()[1]}"


async def connect(port: int, within_s: float = 30.0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a listener that may still be about to open: an acknowledgement precedes its effect."""
    end_s = time.monotonic() + within_s
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            if time.monotonic() > end_s:
                raise
            await asyncio.sleep(0.005)


async def until(port: int, service: str, cluster: str) -> float:
    """The monotonic time of the first answer from a cluster, one request after another."""
    reader, writer = await connect(port)
    try:
        while await who(reader, writer, service) != cluster:
            pass
        return time.monotonic()
    finally:
        writer.close()


async def _connection(port: int, service: str, requests: int) -> Counter[str]:
    """Counts of one connection after another: where a proxy gives one up, that request is lost and the rest go on."""
    counts: Counter[str] = Counter()
    while counts.total() < requests:
        reader, writer = await connect(port)
        try:
            while counts.total() < requests:
                counts[await who(reader, writer, service)] += 1
        except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
            counts["ERROR closed"] += 1
        finally:
            writer.close()
    return counts
