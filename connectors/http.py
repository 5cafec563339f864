"""The one HTTP edge of all connectors: whole, bounded answers from the address that was asked, or Unavailable.

No request is repeated here, for what was written may have arrived; no redirect is followed, for it would carry a secret
to somebody else; and no answer is read without an end in time and in bytes.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import aiohttp
from pydantic import TypeAdapter, ValidationError

from connectors.connector import Refused, Unavailable
from connectors.deadline import within
from connectors.wire import WORDS_MAX, Broken, Sent, answered, headers_of, opened, whole

BODY_MAX_BYTES = 4 * 2**20
"""More is no answer to our questions: 1,000 services with 20 destinations each take about 2 MB."""
FORBIDDEN = frozenset({401, 403})
RACED = frozenset({409, 412})
BUSY = frozenset({404, 408, 425, 429})
"""Of the 4xx these say nothing about what was asked for: what is missing may be about to come."""

Headers = Mapping[str, str]
Parsed = TypeVar("Parsed")


def _nothing() -> Headers:
    return {}


@dataclass(frozen=True, slots=True)
class Access:
    """Where an API is, and what proves who we are."""

    url: str
    """Scheme, host and port, and the path that everything begins with."""
    secret_headers: Callable[[], Headers] = _nothing
    """Asked before every request, so that a secret may be renewed; never part of a message. Compared by identity."""
    ca_file: str = ""
    """Whom to trust instead of the system's authorities."""
    certificate_file: str = ""
    """What to show of ourselves, with `key_file`."""
    key_file: str = ""
    timeout_s: float = 10.0
    body_max_bytes: int = BODY_MAX_BYTES

    @property
    def shown(self) -> str:
        """The address without anything secret."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    what: str
    """Whose it is and about what: the beginning of every message."""
    status: int
    headers: Headers
    """Names in lower case."""
    body: bytes

    def understood(self, shape: type[Parsed]) -> Parsed:
        """The body as JSON of a shape. Raises Unavailable for everything else."""
        return understood(shape, self.body, self.what, self.headers.get("content-type", "no content type"))

    @property
    def words(self) -> str:
        """What the mesh says, short and on one line."""
        return " ".join(self.body[: 4 * WORDS_MAX].decode("utf-8", "replace").split())[:WORDS_MAX]


def understood(shape: type[Parsed], body: bytes | str, what: str, kind: str = "") -> Parsed:
    """JSON of a shape; Unavailable naming `what`, the first thing that is wrong, and where in the answer."""
    try:
        found: Parsed = adapter(cast("Any", shape)).validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        more = f" ({kind}: {_begin(body)!r})" if first["type"] == "json_invalid" else ""
        raise Unavailable(f"{what}: bad answer: {f'{place}: ' if place else ''}{first['msg']}{more}") from None
    return found


@lru_cache(maxsize=256)
def adapter(shape: Any) -> TypeAdapter[Any]:
    """What judges a shape; kept, for making one takes longer than judging."""
    return TypeAdapter(shape)


def _begin(body: bytes | str) -> str:
    text = body if isinstance(body, str) else body[:400].decode("utf-8", "replace")
    return " ".join(text.split())[:80]


@dataclass(slots=True)
class Edge:
    """Requests to one API. Raises only Unavailable or Refused, with whose API, what was asked for and the cause."""

    access: Access
    name: str
    """Whose API: `eu-west: Consul at https://consul:8501`."""
    _client: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def ask(
        self,
        method: str,
        path: str,
        what: str,
        *,
        params: Mapping[str, str] = MappingProxyType({}),
        body: bytes = b"",
        headers: Headers = MappingProxyType({}),
        expected: frozenset[int] = frozenset(),
    ) -> Answer:
        """One request about `what`. A 2xx or an `expected` status is the answer; `judged` says what others mean."""
        named = f"{self.name}, {what}"
        sent = {"accept": "application/json", "accept-encoding": "identity", **headers, **self._secrets(named)}
        if body and "content-type" not in headers:
            sent["content-type"] = "application/json"
        call = self._exchange(method, path, named, dict(params), body, sent)
        answer = await within(self.access.timeout_s, call, named)
        return answer if 200 <= answer.status < 300 or answer.status in expected else judged(answer)

    async def close(self) -> None:
        """Give up the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _secrets(self, named: str) -> Headers:
        try:
            return self.access.secret_headers()
        except (OSError, ValueError) as error:
            raise Unavailable(f"{named}: the secret cannot be read: {error}") from None

    async def _exchange(
        self, method: str, path: str, named: str, params: dict[str, str], body: bytes, headers: Headers
    ) -> Answer:
        url = f"{self.access.url.rstrip('/')}{path}"
        try:
            async with answered(self._connected(), Sent(method, url, headers, params, body)) as response:
                found = await whole(response, self.access.body_max_bytes)
                if found is None:
                    raise Unavailable(f"{named}: the answer has more than {self.access.body_max_bytes} bytes")
                return Answer(named, response.status, headers_of(response), found)
        except (Broken, OSError, ValueError) as error:  # the latter two of certificate files that cannot be used
            words = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {str(error)[:WORDS_MAX]}"
            raise Unavailable(f"{named}: {words}") from None

    def _connected(self) -> aiohttp.ClientSession:
        if self._client is None:
            access = self.access
            secure = access.url[:5] == "https"
            self._client = opened(trust(access.ca_file, access.certificate_file, access.key_file) if secure else False)
        return self._client


@lru_cache(maxsize=64)
def trust(ca_file: str, certificate_file: str, key_file: str) -> ssl.SSLContext:
    """Whom we believe and who we are. Kept, because it takes 20 ms to make. OSError for a file that cannot be used."""
    context = ssl.create_default_context(cafile=ca_file or None)
    if certificate_file:
        context.load_cert_chain(certificate_file, key_file or None)
    return context


def judged(answer: Answer) -> Answer:
    """What an answer means that is none: raises Unavailable or Refused, never returns."""
    said = f"status {answer.status}" + (f": {answer.words}" if answer.words else "")
    if 300 <= answer.status < 400:
        to = answer.headers.get("location", "nowhere")
        raise Unavailable(f"{answer.what}: redirects to {to[:WORDS_MAX]}, which is not followed; give its last address")
    if answer.status in FORBIDDEN:
        raise Refused(f"{answer.what}: {said}; check the credentials and what they allow")
    if answer.status in RACED:
        raise Unavailable(f"{answer.what}: {said}; somebody else changed it since it was read")
    if 400 <= answer.status < 500 and answer.status not in BUSY:
        raise Refused(f"{answer.what}: {said}")
    raise Unavailable(f"{answer.what}: {said}")


def secret_file(path: str) -> str:
    """The secret in a file, as mounted by an orchestrator: without the newline at its end. OSError without it."""
    return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
