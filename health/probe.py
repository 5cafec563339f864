"""A probe: one active check of one target, as a plain function with a deadline. One function per protocol.

Every probe opens a connection of its own. A kept one would be cheaper, but it proves less: it stays on the one
endpoint behind a gateway that it once got, and it goes on working when the listener has stopped to accept.
"""

import asyncio
import errno
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache, wraps

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from health.destinations import is_address
from health.http import Expected, check_answer
from health.wire import plain, secure

DETAIL_MAX = 200
OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What goes wrong on this machine and says nothing of the target."""
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
    """http, https, tls, grpc: the name to ask for, also in TLS; empty: `host`."""
    grpc_service: str = ""
    """grpc: the service to ask about; empty: the server as a whole."""
    expect_header: str = ""
    """http, https: `name: text`, a header whose value has the text; empty: any headers."""
    expect_body: str = ""
    """http, https: a text in the first 64 KiB of the body; empty: any body."""
    ca_file: str = ""
    """https, tls: certificates to trust, on the machine that probes; empty: those of the machine."""
    address: str = ""
    """The IP address to connect to; empty: `host`, which is looked up each time."""
    tag: str = ""
    """http, https: what the request says it is for; empty: nothing."""

    def __post_init__(self) -> None:
        if self.protocol not in PROBES:
            raise ValueError(f"no probe speaks {self.protocol!r}; there are {', '.join(sorted(PROBES))}")
        if not 0 < self.port < 65_536:
            raise ValueError(f"port {self.port} of probe target {self.host!r} is not within 1 to 65535")
        for part in (self.host, self.path, self.host_header, self.address, self.tag):
            if not part.isascii() or not part.isprintable() or " " in part:
                raise ValueError(f"{part!r} of probe target {self.host!r} holds a blank or an unprintable character")

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """Who it should prove to be."""
        return self.host_header or self.host


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What came of it."""

    ok: bool
    duration_s: float
    detail: str
    """Why it is not ok, in a few words; empty when it is."""
    expires_s: float | None = None
    """https, tls: seconds until its certificate expires; one that has expired is not ok."""
    ours: bool = False
    """It failed on this machine: no evidence."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found out, without the time it took."""

    wrong: str = ""
    expires_s: float | None = None


Check = Callable[[ProbeTarget], Awaitable[Finding]]
"""Asks once, without a deadline."""

Probe = Callable[[ProbeTarget, float], Awaitable[ProbeResult]]
"""Asks once within the given seconds; every failure that a network can produce is a result, not an exception."""


def timed(check: Check) -> Probe:
    """The probe made of a check: deadline, duration and expected failures are the same for every protocol."""

    @wraps(check)
    async def probe(target: ProbeTarget, deadline_s: float) -> ProbeResult:
        began_s, ours, expires_s = time.monotonic(), False, None
        try:
            async with asyncio.timeout(deadline_s):
                found = await check(target)
            detail, expires_s = found.wrong, found.expires_s
        except TimeoutError:
            detail = f"no answer within {deadline_s:g} s"
        except (OSError, EOFError, UnicodeError) as error:  # UnicodeError: a host that is no DNS name
            detail = f"{type(error).__name__}: {error}"
            ours = isinstance(error, OSError) and error.errno in OURS
        except grpc.RpcError as error:
            detail = f"{error.code().name}: {error.details()}"
        return ProbeResult(not detail, time.monotonic() - began_s, detail[:DETAIL_MAX], expires_s, ours)

    return probe


async def check_tcp(target: ProbeTarget) -> Finding:
    """Good when the port accepts a connection."""
    async with plain(await _address(target), target.port):
        return Finding()


async def check_tls(target: ProbeTarget) -> Finding:
    """Good when the port proves to be `name` with a certificate that is valid now."""
    async with secure(await _address(target), target.port, target.name, target.ca_file) as (_, expires_s):
        return Finding(expires_s=expires_s)


async def check_http(target: ProbeTarget) -> Finding:
    """Good when a GET is answered as expected."""
    host = target.host_header or bracketed(target.host)
    expected = Expected(target.expect_status, target.expect_header, target.expect_body)
    if target.protocol == "http":
        async with plain(await _address(target), target.port) as wire:
            return Finding(await check_answer(wire, host, target.path, expected, target.tag))
    async with secure(await _address(target), target.port, target.name, target.ca_file) as (wire, expires_s):
        return Finding(await check_answer(wire, host, target.path, expected, target.tag), expires_s)


async def check_grpc(target: ProbeTarget) -> Finding:
    """Good when the standard health service says SERVING."""
    _keep_poller()
    where = f"{bracketed(target.address or target.host)}:{target.port}"
    options = (*GRPC_OPTIONS, ("grpc.default_authority", target.host_header or bracketed(target.host)))
    async with grpc.aio.insecure_channel(where, options=options) as channel:
        request = health_pb2.HealthCheckRequest(service=target.grpc_service)
        answer = await health_pb2_grpc.HealthStub(channel).Check(request)
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return Finding()
    return Finding(f"health {health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}, not SERVING")


@cache
def _keep_poller() -> None:
    """Every gRPC probe opens and closes a channel: without this each would start and join the poller of grpc.aio anew,
    and a join that waits for a call not quite done would stop the event loop.
    """
    grpc.aio.init_grpc_aio()


async def _address(target: ProbeTarget) -> str:
    """The pinned address, else the first that the name has now."""
    if target.address or is_address(target.host):
        return target.address or target.host
    found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def bracketed(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


PROBES: dict[str, Probe] = {
    "http": timed(check_http),
    "https": timed(check_http),
    "tcp": timed(check_tcp),
    "tls": timed(check_tls),
    "grpc": timed(check_grpc),
}
"""The probe of each protocol that a target may name."""
