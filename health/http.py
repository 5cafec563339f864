"""What an HTTP answer has to be: a status, and, where asked for, a header and a text in the body."""

from dataclasses import dataclass

import h11

from health.wire import Wire

STATUS_LINE_MAX_BYTES = 4_096
TAG_HEADER = "x-equipoise-drill"
"""By which whoever is asked along a failover path tells it from a request of a user."""
BODY_MAX_BYTES = 64 * 1024
"""A text has to occur in this much of a body; the rest is not read."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A good answer."""

    status: int
    header: str = ""
    """`name: text`: a header whose value contains the text; `name` alone: any value. Empty: any headers."""
    body: str = ""
    """A text that the body contains. Empty: any body, and none is read."""


async def check_answer(wire: Wire, host: str, path: str, expected: Expected, tag: str = "") -> str:
    """Ask with GET; what is wrong with the answer, empty for nothing. No redirect is followed."""
    more = f"{TAG_HEADER}: {tag}\r\n" if tag else ""
    agent = "User-Agent: equipoise-probe"
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{agent}\r\n{more}Connection: close\r\n\r\n"
    await wire.send(request.encode("ascii"))
    if expected.header or expected.body:
        return await _whole(wire, host, expected)
    return _status(await _line(wire), expected.status)


async def _line(wire: Wire) -> bytes:
    """The first line. Read by itself: a tenth of what a parser of everything takes."""
    got = b""
    while b"\n" not in got:
        if len(got) > STATUS_LINE_MAX_BYTES:
            return b"no status line within %d bytes" % STATUS_LINE_MAX_BYTES
        chunk = await wire.receive()
        if not chunk:
            raise EOFError(f"ended after {len(got)} bytes, before the status line did")
        got += chunk
    return got.partition(b"\n")[0]


def _status(line: bytes, expected: int) -> str:
    match line.split(maxsplit=2):
        case [version, status, *_] if version.startswith(b"HTTP/1.") and len(status) == 3 and status.isdigit():
            return "" if int(status) == expected else f"status {int(status)}, not {expected}"
    return f"not HTTP: {line[:60].decode('latin-1')!r}"


async def _whole(wire: Wire, host: str, expected: Expected) -> str:
    """Read an answer as far as it takes to judge it."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=4 * STATUS_LINE_MAX_BYTES)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", host)]))
    client.send(h11.EndOfMessage())
    body, head = b"", False
    try:
        while True:
            match client.next_event():
                case h11.NEED_DATA:
                    client.receive_data(await wire.receive())
                case h11.Response(status_code=status, headers=headers):
                    if wrong := _head(status, [(n, v) for n, v in headers], expected):
                        return wrong
                    head = True
                case h11.Data(data=data):
                    body += data
                case h11.EndOfMessage() | h11.ConnectionClosed() | h11.PAUSED:
                    return f"{expected.body[:60]!r} is not in the body of {len(body)} bytes"
            if head and expected.body.encode() in body[:BODY_MAX_BYTES]:
                return ""
            if len(body) > BODY_MAX_BYTES:
                return f"{expected.body[:60]!r} is not in the first {BODY_MAX_BYTES} bytes of the body"
    except h11.RemoteProtocolError as error:
        return f"not HTTP: {error}"


def _head(status: int, headers: list[tuple[bytes, bytes]], expected: Expected) -> str:
    if status != expected.status:
        return f"status {status}, not {expected.status}"
    name, _, text = (part.strip() for part in expected.header.partition(":"))
    values = [value.decode("latin-1") for key, value in headers if key.decode("latin-1") == name.lower()]
    if name and not any(text in value for value in values):
        return f"header {expected.header!r} is not there"
    return ""
