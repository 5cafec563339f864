import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from health.probe import PROBES, ProbeResult, ProbeTarget
from tests.health.certificates import certificate, serving

HOST = "127.0.0.1"
DEADLINE_S = 5.0
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """A TCP server of its own; yields the port."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(once, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def saying(answer: bytes, heard: list[bytes] | None = None) -> Serve:
    """Reads one request and answers with exactly these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(request)
        writer.write(answer)
        await writer.drain()

    return serve


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Takes everything and never answers; ends when the client does."""
    await reader.read()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Drops the connection in the middle of the request."""
    await reader.readline()
    writer.transport.abort()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


async def ask(protocol: str, port: int, deadline_s: float = DEADLINE_S, **more: str | int) -> ProbeResult:
    target = ProbeTarget(protocol, HOST, port, **more)  # type: ignore[arg-type]
    return await PROBES[protocol](target, deadline_s)


async def test_http_probe_of_the_expected_status_is_ok_and_names_the_host() -> None:
    heard: list[bytes] = []
    async with listening(saying(b"HTTP/1.1 204 No Content\r\n\r\n", heard)) as port:
        result = await ask("http", port, path="/healthz?full=1", expect_status=204, host_header="shop.example")

    assert result.ok, result.detail
    assert 0 < result.duration_s < DEADLINE_S
    assert heard[0].startswith(b"GET /healthz?full=1 HTTP/1.1\r\nHost: shop.example\r\n")


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "status 503, not 200"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", "status 302, not 200"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        (b"HTTP/1.1 \r\n", "not HTTP"),
        (b"HTTP/1.1 2000000 OK\r\n", "not HTTP"),
        (b"\r\n", "not HTTP"),
        (b"HTTP/1.1 200", "EOFError: ended after 12 bytes"),
        (b"", "EOFError"),
        (b"x" * 100_000, "no status line within 4096 bytes"),
    ],
)
async def test_http_probe_of_a_bad_answer_says_what_it_was(answer: bytes, detail: str) -> None:
    async with listening(saying(answer)) as port:
        result = await ask("http", port)

    assert not result.ok
    assert detail in result.detail


async def test_http_probe_of_an_endless_body_does_not_read_it() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with listening(flood) as port:
        result = await ask("http", port)

    assert result.ok, result.detail


async def test_https_probe_of_a_port_without_tls_is_not_ok() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with listening(plain) as port:
        result = await ask("https", port)

    assert not result.ok
    assert result.detail.startswith("SSLError")


@pytest.mark.parametrize("protocol", sorted(PROBES))
async def test_probe_of_a_closed_port_is_not_ok(protocol: str) -> None:
    result = await ask(protocol, closed_port())

    assert not result.ok
    assert result.duration_s < DEADLINE_S
    assert result.detail


@pytest.mark.parametrize("protocol", ["http", "https", "grpc"])
async def test_probe_of_a_target_that_never_answers_ends_at_its_deadline(protocol: str) -> None:
    async with listening(silent) as port:
        result = await ask(protocol, port, deadline_s=0.1)

    assert not result.ok
    assert result.duration_s >= 0.1
    assert result.detail == "no answer within 0.1 s"


@pytest.mark.parametrize("protocol", ["http", "https", "grpc"])
async def test_probe_of_a_target_that_resets_is_not_ok(protocol: str) -> None:
    async with listening(resetting) as port:
        result = await ask(protocol, port)

    assert not result.ok
    assert result.duration_s < DEADLINE_S


@pytest.mark.parametrize("protocol", ["http", "tcp"])
async def test_probe_of_a_name_that_cannot_exist_is_not_ok(protocol: str) -> None:
    result = await PROBES[protocol](ProbeTarget(protocol, "x" * 64 + ".invalid", 80), DEADLINE_S)

    assert not result.ok


async def test_tcp_probe_of_a_port_that_accepts_is_ok() -> None:
    async with listening(silent) as port:
        result = await ask("tcp", port)

    assert result.ok, result.detail


@pytest.mark.parametrize(
    ("service", "detail"),
    [("", ""), ("shop", ""), ("sick", "health NOT_SERVING, not SERVING"), ("nobody", "NOT_FOUND")],
)
async def test_grpc_probe_says_what_the_health_service_says(service: str, detail: str) -> None:
    server, servicer = grpc.aio.server(), health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    await servicer.set("shop", health_pb2.HealthCheckResponse.SERVING)
    await servicer.set("sick", health_pb2.HealthCheckResponse.NOT_SERVING)
    port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    try:
        result = await ask("grpc", port, grpc_service=service)
    finally:
        await server.stop(None)

    assert result.ok is (detail == "")
    assert detail in result.detail


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"protocol": "icmp"}, "no probe speaks 'icmp'; there are grpc, http, https, tcp, tls"),
        ({"port": 0}, "port 0 .* is not within 1 to 65535"),
        ({"path": "/x\r\nHost: evil"}, "unprintable"),
        ({"host_header": "a b"}, "blank"),
        ({"host": "caf\u00e9.example"}, "unprintable"),
    ],
)
def test_probe_target_that_cannot_be_asked_is_refused(fields: dict[str, object], message: str) -> None:
    sound: dict[str, object] = {"protocol": "http", "host": HOST, "port": 80}

    with pytest.raises(ValueError, match=message):
        ProbeTarget(**(sound | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ({"expect_body": "all is well"}, ""),
        ({"expect_body": "all is lost"}, "'all is lost' is not in the body"),
        ({"expect_header": "X-Shop: fra"}, ""),
        ({"expect_header": "x-shop"}, ""),
        ({"expect_header": "x-shop: iad"}, "header 'x-shop: iad' is not there"),
        ({"expect_body": "all is well", "expect_status": 204}, "status 200, not 204"),
    ],
)
async def test_http_probe_looks_for_what_is_expected_in_headers_and_body(more: dict[str, str], detail: str) -> None:
    chunks = b"6\r\nall is\r\n5\r\n well\r\n0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nX-Shop: fra-1\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with listening(saying(head + chunks)) as port:
        result = await ask("http", port, **more)

    assert result.ok is (detail == "")
    assert detail in result.detail


async def test_http_probe_of_an_endless_body_without_the_text_ends() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with listening(flood) as port:
        result = await ask("http", port, expect_body="y")

    assert result.detail == "'y' is not in the first 65536 bytes of the body"


async def test_tls_probe_says_how_long_the_certificate_is_good(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "shop.example", days=10)
    async with serving(pem) as port:
        by_tls = await ask("tls", port, host_header="shop.example", ca_file=str(pem))
        by_https = await ask("https", port, host_header="shop.example", ca_file=str(pem))
        other = await ask("tls", port, host_header="bank.example", ca_file=str(pem))
        untrusted = await ask("tls", port, host_header="shop.example")

    assert by_tls.ok, by_tls.detail
    assert by_https.ok, by_https.detail
    assert by_tls.expires_s == pytest.approx(10 * 86_400, abs=60)
    assert "not valid for 'bank.example'" in other.detail
    assert not untrusted.ok


async def test_probe_connects_to_the_pinned_address_and_asks_for_the_name() -> None:
    heard: list[bytes] = []
    async with listening(saying(b"HTTP/1.1 200 OK\r\n\r\n", heard)) as port:
        target = ProbeTarget("http", "no-such-name.invalid", port, address=HOST)
        result = await PROBES["http"](target, DEADLINE_S)

    assert result.ok, result.detail
    assert b"Host: no-such-name.invalid\r\n" in heard[0]


async def test_tls_probe_of_an_expired_certificate_is_not_ok(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "shop.example", days=-1)
    async with serving(pem) as port:
        result = await ask("tls", port, host_header="shop.example", ca_file=str(pem))

    assert not result.ok
    assert "certificate has expired" in result.detail
