"""A small client of the Kubernetes API: get, list, apply, patch, watch. Refuses to guess, never retries by itself."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from connectors.connector import Refused, Unavailable
from connectors.kubernetes.answers import CAUSE_MAX, Expired, Missing, judged, shown
from connectors.kubernetes.kubeconfig import Access, BadKubeconfig
from connectors.kubernetes.resource import Manifest, Resource, entries, mapping, named, text
from connectors.wire import Broken, Sent, answered, headers_of, opened, whole

FIELD_MANAGER = "equipoise"
BODY_MAX_BYTES = 8 * 1024 * 1024
PAGE = 250
"""Objects of a list that are asked for at once."""
PAGES_MAX = 400
WATCH_S = 240
"""Servers end a watch after about five minutes; we end it before."""
READ_S = 10.0
"""Silence of the server in the middle of an answer that is taken for its end; the deadline of a call is shorter."""


class KubernetesApi:
    """One API server, as one identity. Close it in the end.

    `access` is asked when the first request goes out and after every failure to connect or to log in, so that renewed
    credentials are found. All methods raise Unavailable or Refused, naming `origin`, the object and the cause.
    """

    def __init__(
        self, origin: str, access: Callable[[], Access], field_manager: str = FIELD_MANAGER, page: int = PAGE
    ) -> None:
        self.origin, self.field_manager, self.page = origin, field_manager, page
        self._load = access
        self._access: Access | None = None
        self._http: aiohttp.ClientSession | None = None

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest:
        """One object. Missing where there is none."""
        return await self._object("GET", resource, namespace, name)

    async def find(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """One object, None where there is none."""
        try:
            return await self.get(resource, namespace, name)
        except Missing:
            return None

    async def listed(self, resource: Resource, namespace: str = "", selector: str = "") -> tuple[list[Manifest], str]:
        """All objects that carry the labels, and the resourceVersion they were seen at."""
        found: list[Manifest] = []
        query = {"limit": str(self.page)} | ({"labelSelector": selector} if selector else {})
        what = f"list {resource.plural} in {namespace or 'all namespaces'}"
        for _ in range(PAGES_MAX):
            answer = await self._ask("GET", resource.path(namespace), what, query=query)
            if not isinstance(answer.get("items"), list):
                raise Unavailable(
                    f"{self._full(what)}: the answer is no list, but {text(answer, 'kind') or 'something else'}"
                )
            kinds = {"apiVersion": resource.api_version, "kind": resource.kind}
            found += [kinds | dict(item) for item in entries(answer, "items")]
            onward = text(answer, "metadata", "continue")
            if not onward:
                return found, text(answer, "metadata", "resourceVersion")
            query = query | {"continue": onward}
        raise Unavailable(f"{self._full(what)}: more than {self.page * PAGES_MAX} objects")

    async def apply(
        self, manifest: Manifest, resource: Resource, *, dry_run: bool = False, force: bool = False
    ) -> Manifest:
        """Server-side apply under our field manager. Conflicted where another one owns a field and `force` is not said.

        Unknown fields are refused: what a server would silently drop is not stored.
        """
        query = {"fieldManager": self.field_manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        return await self._write("PATCH", resource, manifest, query, "application/apply-patch+yaml", dry_run)

    async def create(self, manifest: Manifest, resource: Resource, *, dry_run: bool = False) -> Manifest:
        """A new object. Conflicted where there is one already."""
        query = {"fieldManager": self.field_manager, "fieldValidation": "Strict"}
        return await self._write("POST", resource, manifest, query, "application/json", dry_run)

    async def patch(
        self, resource: Resource, namespace: str, name: str, operations: list[Mapping[str, Any]], *,
        dry_run: bool = False, subresource: str = "",
    ) -> Manifest:  # fmt: skip
        """JSON Patch: all operations or none, and none where a `test` among them fails."""
        query = {"fieldManager": self.field_manager, "fieldValidation": "Strict"} | (
            {"dryRun": "All"} if dry_run else {}
        )
        what = f"patch {resource.kind} {namespace}/{name}"
        path, kind = resource.path(namespace, name, subresource), "application/json-patch+json"
        return await self._ask("PATCH", path, what, query=query, body=operations, content_type=kind)

    async def merge(
        self, resource: Resource, namespace: str, name: str, change: Mapping[str, Any], *, subresource: str = "",
    ) -> Manifest:  # fmt: skip
        """JSON Merge Patch."""
        what = f"patch {resource.kind} {namespace}/{name}"
        path, kind = resource.path(namespace, name, subresource), "application/merge-patch+json"
        return await self._ask(
            "PATCH", path, what, query={"fieldManager": self.field_manager}, body=change, content_type=kind
        )

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Gone. Missing where it is already."""
        await self._object("DELETE", resource, namespace, name)

    async def watch(
        self, resource: Resource, namespace: str, selector: str, version: str
    ) -> AsyncGenerator[tuple[str, Manifest], None]:
        """(ADDED | MODIFIED | DELETED | BOOKMARK, object) after a resourceVersion, until the server ends it.

        Raises Expired where the server no longer knows that version.
        """
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        }
        query |= {"labelSelector": selector} if selector else {}
        client = await self._client()
        what = self._full(f"watch {resource.plural} in {namespace or 'all namespaces'}")
        sent = await self._sent("GET", resource.path(namespace), query, silence_s=WATCH_S + READ_S)
        try:
            async with answered(client, sent) as answer:
                if answer.status != 200:
                    judged(what, answer.status, headers_of(answer), await _whole(answer, what))
                    raise Unavailable(f"{what}: status {answer.status}")
                async for line in _lines(answer, what):
                    yield _event(line, what)
        except Broken as error:
            raise Unavailable(f"{what}: {error}") from None

    async def close(self) -> None:
        """Give up the connections."""
        client, self._http = self._http, None
        if client is not None:
            await client.close()

    async def _object(self, method: str, resource: Resource, namespace: str, name: str) -> Manifest:
        what = f"{method.lower()} {resource.kind} {namespace}/{name}"
        answer = await self._ask(method, resource.path(namespace, name), what)
        if method == "GET" and (text(answer, "kind") != resource.kind or not mapping(answer, "metadata")):
            raise Unavailable(f"{self._full(what)}: the answer is {text(answer, 'kind') or 'no object'}")
        return answer

    async def _write(
        self, method: str, resource: Resource, manifest: Manifest, query: dict[str, str], kind: str, dry_run: bool
    ) -> Manifest:
        verb = "create" if method == "POST" else "apply"
        what = f"{verb}{' (dry run)' if dry_run else ''} {named(manifest)}"
        name = "" if method == "POST" else text(manifest, "metadata", "name")
        path = resource.path(text(manifest, "metadata", "namespace"), name)
        query = query | ({"dryRun": "All"} if dry_run else {})
        return await self._ask(method, path, what, query=query, body=manifest, content_type=kind)

    async def _ask(
        self, method: str, path: str, what: str, *, query: Mapping[str, str] | None = None, body: object = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:  # fmt: skip
        client = await self._client()
        what = self._full(what)
        content = b"" if body is None else json.dumps(body).encode()
        sent = await self._sent(method, path, query or {}, content, content_type)
        try:
            async with answered(client, sent) as answer:
                raw, status, headers = await _whole(answer, what), answer.status, headers_of(answer)
        except Broken as error:
            raise Unavailable(f"{what}: {error}") from None
        if status == 401:
            await self.close()  # the next request reads the credentials anew
        return judged(what, status, headers, raw)

    async def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            try:
                self._access = await asyncio.to_thread(self._load)
                verify = self._access.context() if self._access.server.startswith("https:") else False
            except BadKubeconfig as bad:
                raise Refused(f"{self.origin}: {bad}") from None
            self._http = opened(verify)
        return self._http

    async def _sent(
        self, method: str, path: str, query: Mapping[str, str], content: bytes = b"", content_type: str = "",
        silence_s: float = READ_S,
    ) -> Sent:  # fmt: skip
        access = self._access
        assert access is not None, "a client has an access"
        headers = await self._headers(access) | ({"content-type": content_type} if content else {})
        url = access.server.rstrip("/") + path
        return Sent(method, url, headers, query, content, access.server_name, silence_s)

    async def _headers(self, access: Access) -> dict[str, str]:
        try:
            token = await asyncio.to_thread(access.bearer) if access.token_file else access.token
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"{self.origin}: token file {access.token_file}: {error}") from None
        if not token.isascii() or any(letter.isspace() for letter in token):
            raise Refused(f"{self.origin}: the token for {access.server} holds what no token holds")
        headers = {"accept": "application/json", "user-agent": FIELD_MANAGER}
        return headers | ({"authorization": f"Bearer {token}"} if token else {})

    def _full(self, what: str) -> str:
        where = urlsplit(self._access.server).netloc if self._access else "its API server"
        return f"{self.origin}: {what} at {where}"


async def _whole(answer: aiohttp.ClientResponse, what: str) -> bytes:
    body = await whole(answer, BODY_MAX_BYTES)
    if body is None:
        raise Unavailable(f"{what}: the answer has more than {BODY_MAX_BYTES} bytes")
    return body


async def _lines(answer: aiohttp.ClientResponse, what: str) -> AsyncGenerator[bytes, None]:
    held = bytearray()
    async for piece in answer.content.iter_any():
        held += piece
        while (end := held.find(b"\n")) >= 0:
            line = bytes(held[:end])
            del held[: end + 1]
            if line.strip():
                yield line
        if len(held) > BODY_MAX_BYTES:
            raise Unavailable(f"{what}: an event has more than {BODY_MAX_BYTES} bytes")


def _event(line: bytes, what: str) -> tuple[str, Manifest]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise Unavailable(f"{what}: an event is no JSON: {shown(line)}") from None
    kind, thing = text(event, "type"), mapping(event, "object")
    if kind == "ERROR":
        words = f"{what}: {text(thing, 'message')[:CAUSE_MAX] or 'ended with an error'}"
        raise Expired(words) if thing.get("code") == 410 else Unavailable(words)
    if kind not in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"} or not mapping(thing, "metadata"):
        raise Unavailable(f"{what}: an event is none of the API's: {shown(line)}")
    return kind, dict(thing)
