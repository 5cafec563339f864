"""What carries the requests of all connectors: aiohttp's client, without what it would do by itself.

It takes a tenth of the processor time of httpx for a request (docs/decisions/017). No redirect is followed, no proxy is
taken from the environment, no cookie is kept, and nothing is sent twice: left alone, aiohttp repeats a GET, PUT or
DELETE on a connection that ended under it.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from yarl import URL

AT_ONCE = 16
"""Connections to one API."""
IDLE_S = 30.0
"""How long a connection is kept for the next request; servers and proxies between close theirs after 60 s or more."""
WORDS_MAX = 300
"""Characters of the own words of a mesh, or of an error, in a message."""


class Broken(Exception):  # noqa: N818  the world's, not ours
    """No whole answer came: `ConnectError: Cannot connect to host ...`."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request."""

    method: str
    url: str
    headers: Mapping[str, str]
    params: Mapping[str, str]
    body: bytes = b""
    server_name: str = ""
    """Whose certificate is expected, where it is not the host's."""
    silence_s: float | None = None
    """Waiting for a connection, or for more of the answer, that is taken for the end; None for no end of its own."""


def opened(verify: ssl.SSLContext | bool) -> aiohttp.ClientSession:
    """A session with connections that are kept. Within a running loop; close it in the end."""
    lines = aiohttp.TCPConnector(ssl=verify, limit=AT_ONCE, keepalive_timeout=IDLE_S)
    return aiohttp.ClientSession(
        connector=lines, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), middlewares=(_once,),
        timeout=aiohttp.ClientTimeout(total=None), headers={"user-agent": "equipoise"},
    )  # fmt: skip


@asynccontextmanager
async def answered(session: aiohttp.ClientSession, sent: Sent) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer, its body still to be read. A body that is not read to its end costs the connection. Raises Broken."""
    for _ in range(2):  # the loop hears of what a server has closed, so that no request is lost on it
        await asyncio.sleep(0)
    silence = aiohttp.ClientTimeout(total=None, connect=sent.silence_s, sock_read=sent.silence_s)
    try:
        async with session.request(
            sent.method, _url(sent), headers=sent.headers, data=sent.body or None, allow_redirects=False,
            server_hostname=sent.server_name or None, timeout=silence,
        ) as response:  # fmt: skip
            yield response
    except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:  # RuntimeError: closed meanwhile
        raise Broken(_words(error)) from None


async def whole(response: aiohttp.ClientResponse, bytes_max: int) -> bytes | None:
    """The body; None where it has more bytes."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > bytes_max:
            return None
    return bytes(body)


def headers_of(response: aiohttp.ClientResponse) -> dict[str, str]:
    """Names in lower case; what is said several times is joined by commas."""
    found: dict[str, str] = {}
    for name, said in response.headers.items():
        value = said if said.isascii() else said.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        known = found.get(name.lower())
        found[name.lower()] = value if known is None else f"{known}, {value}"
    return found


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """What aiohttp would take for a reason to send again is an answer here."""
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Ended(_words(error)) from None


class _Ended(aiohttp.ClientError):
    """Carries the words of another one."""


def _words(error: Exception) -> str:
    words = " ".join(str(error).split())[:WORDS_MAX]
    return words if isinstance(error, _Ended) else f"{type(error).__name__}{f': {words}' if words else ''}"


def _url(sent: Sent) -> URL:
    """As it is given: what was signed or quoted is not quoted again."""
    joint = "&" if "?" in sent.url else "?"
    address = f"{sent.url}{joint}{urlencode(sent.params)}" if sent.params else sent.url
    return URL(address, encoded=address.isascii() and address.isprintable() and " " not in address)
