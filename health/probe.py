"""A probe: one active check of one target, as a plain function with a deadline. One function per protocol.

Every probe opens a connection of its own. A kept one would be cheaper, but it proves less: it stays on the one
endpoint behind a gateway that it once got, and it goes on working when the listener has stopped to accept. The HTTP
probe reads the status line by itself: 0.1 ms of one core a probe, where a general client such as httpx takes 0.7, and
a controller that probes 1,000 times a second has to leave the machine to the solver.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, wraps

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

STATUS_LINE_MAX_BYTES = 4_096
DETAIL_MAX = 200
# Every gRPC probe opens and closes a channel: without this each would start and join the poller of grpc.aio anew, and
# a join that waits for a call not quite done would stop the event loop.
grpc.aio.init_grpc_aio()
GRPC_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What to ask, and which answer is a good one."""

    protocol: str
    """A key of PROBES."""
    host: str
    port: int
    path: str = "/"
    """http, https: what to get, with its query."""
    expect_status: int = 200
    host_header: str = ""
    """http, https: the name to ask for, also in TLS; empty: `host`."""
    grpc_service: str = ""
    """grpc: the service to ask about; empty: the server as a whole."""

    def __post_init__(self) -> None:
        if self.protocol not in PROBES:
            raise ValueError(f"no probe speaks {self.protocol!r}; there are {', '.join(sorted(PROBES))}")
        if not 0 < self.port < 65_536:
            raise ValueError(f"port {self.port} of probe target {self.host!r} is not within 1 to 65535")
        for part in (self.host, self.path, self.host_header):
            if not part.isascii() or not part.isprintable() or " " in part:
                raise ValueError(f"{part!r} of probe target {self.host!r} holds a blank or an unprintable character")

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What came of it."""

    ok: bool
    duration_s: float
    detail: str
    """Why it is not ok, in a few words; empty when it is."""


Check = Callable[[ProbeTarget], Awaitable[str]]
"""Asks once, without a deadline; returns what is wrong with the answer, or an empty text."""

Probe = Callable[[ProbeTarget, float], Awaitable[ProbeResult]]
"""Asks once within the given seconds; every failure that a network can produce is a result, not an exception."""


def timed(check: Check) -> Probe:
    """The probe made of a check: deadline, duration and expected failures are the same for every protocol."""

    @wraps(check)
    async def probe(target: ProbeTarget, deadline_s: float) -> ProbeResult:
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(deadline_s):
                detail = await check(target)
        except TimeoutError:
            detail = f"no answer within {deadline_s:g} s"
        except (OSError, EOFError, UnicodeError) as error:  # UnicodeError: a host that is no DNS name
            detail = f"{type(error).__name__}: {error}"
        except grpc.RpcError as error:
            detail = f"{error.code().name}: {error.details()}"
        return ProbeResult(not detail, time.monotonic() - began_s, detail[:DETAIL_MAX])

    return probe


@cache
def tls_context() -> ssl.SSLContext:
    """Verifies against the machine's trust store. Made once: reading that store takes tens of milliseconds."""
    return ssl.create_default_context()


@asynccontextmanager
async def connected(
    target: ProbeTarget, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A new connection, dropped at the end whatever is still on its way: a probe has nothing left to say."""
    name = (target.host_header or target.host) if tls else None
    reader, writer = await asyncio.open_connection(
        target.host, target.port, limit=STATUS_LINE_MAX_BYTES, ssl=tls, server_hostname=name
    )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def check_tcp(target: ProbeTarget) -> str:
    """Good when the port accepts a connection."""
    async with connected(target):
        return ""


async def check_http(target: ProbeTarget) -> str:
    """Good when a GET is answered with the expected status. Follows no redirect and reads no body."""
    tls = tls_context() if target.protocol == "https" else None
    host = target.host_header or (f"[{target.host}]" if ":" in target.host else target.host)
    request = f"GET {target.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: equipoise-probe\r\nConnection: close\r\n\r\n"
    async with connected(target, tls) as (reader, writer):
        writer.write(request.encode("ascii"))
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            return f"not HTTP: no status line within {STATUS_LINE_MAX_BYTES} bytes"
    match line.split(maxsplit=2):
        case [version, status, *_] if version.startswith(b"HTTP/1.") and len(status) == 3 and status.isdigit():
            return "" if int(status) == target.expect_status else f"status {int(status)}, not {target.expect_status}"
    return f"not HTTP: {line[:40]!r}"


async def check_grpc(target: ProbeTarget) -> str:
    """Good when the standard health service says SERVING."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    async with grpc.aio.insecure_channel(f"{host}:{target.port}", options=GRPC_OPTIONS) as channel:
        request = health_pb2.HealthCheckRequest(service=target.grpc_service)
        answer = await health_pb2_grpc.HealthStub(channel).Check(request)
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return ""
    return f"health {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}, not SERVING"


PROBES: dict[str, Probe] = {
    "http": timed(check_http),
    "https": timed(check_http),
    "tcp": timed(check_tcp),
    "grpc": timed(check_grpc),
}
"""The probe of each protocol that a target may name."""
