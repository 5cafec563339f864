"""The stand-in as a server: the paths, verbs and content types of the Kubernetes API, over HTTP on loopback."""

import asyncio
import contextlib
import json
import secrets
import ssl
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.kubernetes import answers
from tests.kubernetes.answers import ApiError, status_of
from tests.kubernetes.authority import ADMIN, allowed, review
from tests.kubernetes.kinds import Kind
from tests.kubernetes.selection import Selector, selected
from tests.kubernetes.store import Store
from tests.kubernetes.stored import Object

APPLY, MERGE, JSON_PATCH = "application/apply-patch+yaml", "application/merge-patch+json", "application/json-patch+json"
UNKNOWN_FORMAT = "the body of the request was in an unknown format - accepted media types include: "
VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class StandIn:
    """A server with a store. `bookmark_s` is the time between two bookmarks of a watch; `tls` None for plain HTTP."""

    def __init__(self, bookmark_s: float = 0.2, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.store, self.bookmark_s = Store(), bookmark_s
        self.store.reviews.append(lambda *given: review(self.store, *given))
        self.admin_token = secrets.token_hex(8)
        self.users = {self.admin_token: ADMIN}
        self.requests: list[tuple[str, str]] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen, on the same port as before."""
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and every connection; what is stored stays."""
        if self._runner:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.raw_path))
        try:
            return await self._answered(request)
        except ApiError as no:
            if no.plain:
                return web.Response(text=f"{no}\n", status=no.code, headers=audit())
            return web.json_response(status_of(no), status=no.code, headers=audit())

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        user = self.users.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if user is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        if request.path in {"/api", "/apis", "/version"}:
            return web.json_response(self._discovery(request.path))
        kind, namespace, name, sub = self._place(request)
        verb = VERBS[request.method]
        watching = request.query.get("watch") in {"1", "true"}
        verb = verb if name or verb != "get" else ("watch" if watching else "list")
        if not allowed(self.store, user, verb, kind, namespace, name, sub):
            whose = "system:serviceaccount:" + user.replace("/", ":")
            raise answers.forbidden(kind, whose, verb, namespace, name, sub)
        if sub not in {"", "token"} and not (sub == "status" and kind.status):
            raise answers.missing(kind, name)
        if verb == "watch":
            return await self._watch(request, kind, namespace)
        if verb == "list":
            text = self._list(kind, namespace, dict(request.query))
            return web.Response(text=text, content_type="application/json", headers=audit())
        body = json.loads(await request.read() or b"null") if request.can_read_body else None
        new = verb == "create" or (namespace, name) not in self.store.of(*kind.storage)
        done = self._done(request, verb, kind, namespace, name, sub, body)
        return web.json_response(done, status=201 if new else 200, headers=audit())

    def _done(self, request: web.Request, verb: str, kind: Kind, namespace: str, name: str, sub: str, body: Any) -> Any:
        query, store = dict(request.query), self.store
        manager = query.get("fieldManager", "") or request.headers.get("user-agent", "unknown").split("/")[0]
        if sub == "token":
            token = secrets.token_hex(8)
            self.users[token] = f"{namespace}/{name}"
            return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "status": {"token": token}}
        if verb == "get":
            return store.get(kind, namespace, name).shown(kind)
        if verb == "create":
            return store.create(kind, namespace, body, manager, query)
        if verb == "delete":
            return store.delete(kind, namespace, name, query)
        if verb == "update":
            return store.replace(kind, namespace, name, body, manager, query, sub)
        content = request.content_type
        if content == APPLY:
            return store.apply(kind, namespace, name, body, query.get("fieldManager", ""), query, sub)
        if content not in {MERGE, JSON_PATCH}:
            raise ApiError(415, "UnsupportedMediaType", UNKNOWN_FORMAT + answers.MEDIA)
        patched = store.patched(kind, namespace, name, body, content == MERGE)
        return store.replace(kind, namespace, name, patched, manager, query, sub, patched=True)

    def _place(self, request: web.Request) -> tuple[Kind, str, str, str]:
        parts = [unquote(part) for part in request.raw_path.partition("?")[0].strip("/").split("/")]
        root, *rest = parts
        if root not in {"api", "apis"} or len(rest) < 2:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        group, version, *rest = ["", *rest] if root == "api" else rest
        namespace = ""
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            _, namespace, *rest = rest
        plural, name, sub, *_ = [*rest, "", "", ""]
        return self.store.kind(group, version, plural), namespace, name, sub

    def _list(self, kind: Kind, namespace: str, query: Mapping[str, str]) -> str:
        found = self.store.listed(kind, namespace, query.get("labelSelector", ""))
        onward = query.get("continue", "0")
        if not onward.isdigit():
            raise ApiError(400, "BadRequest", "invalid continue token: continue key is not valid")
        start, limit = int(onward), int(query.get("limit", "0")) or len(found) + 1
        metadata: dict[str, Any] = {"resourceVersion": str(self.store.version)}
        left = len(found) - start - limit
        metadata |= {"continue": str(start + limit)} if left > 0 else {}
        metadata |= {"remainingItemCount": left} if left > 0 and not query.get("labelSelector") else {}
        head = json.dumps({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata})
        items = ", ".join(stored.told(kind) for stored in found[start : start + limit])
        return f'{head[:-1]}, "items": [{items}]}}'

    async def _watch(self, request: web.Request, kind: Kind, namespace: str) -> web.StreamResponse:
        at = int(request.query.get("resourceVersion", "0") or 0)
        fits = selected(request.query.get("labelSelector", ""))
        answer = web.StreamResponse(headers={"content-type": "application/json", **audit()})
        await answer.prepare(request)
        lasts_s = float(request.query.get("timeoutSeconds", "1800"))
        with contextlib.suppress(ConnectionError, TimeoutError):  # whoever watched has hung up, or it has lasted long
            async with asyncio.timeout(lasts_s):
                await self._tell(answer, request, kind, namespace, at, fits)
        return answer

    async def _tell(
        self, answer: web.StreamResponse, request: web.Request, kind: Kind, namespace: str, at: int,
        fits_now: Selector,
    ) -> None:  # fmt: skip
        store = self.store
        while self._runner is not None:
            if at < store.forgotten:
                no = ApiError(410, "Expired", f"too old resource version: {at} ({store.version})")
                await answer.write(_line("ERROR", json.dumps(status_of(no))))
                break
            for version, what, storage, stored, before in store.since(at):
                at = version
                where = stored.object["metadata"]
                if storage != kind.storage or (namespace and where.get("namespace") != namespace):
                    continue
                was = before is not None and fits_now(before.object)
                fits = what != "DELETED" and fits_now(stored.object)
                if (
                    was or fits
                ):  # an object that loses its labels is gone for this watch, and new where it has them again
                    said = "MODIFIED" if was and fits else "ADDED" if fits else "DELETED"
                    await answer.write(_line(said, stored.told(kind)))
            if await self._quiet(at) and request.query.get("allowWatchBookmarks") == "true":
                mark = {
                    "kind": kind.kind,
                    "apiVersion": kind.api_version,
                    "metadata": {"resourceVersion": str(store.version)},
                }
                at = max(at, store.version)
                await answer.write(_line("BOOKMARK", json.dumps(mark)))

    async def _quiet(self, at: int) -> bool:
        """Whether nothing happened for the time between two bookmarks."""
        store = self.store
        try:
            async with asyncio.timeout(self.bookmark_s), store.changed:
                await store.changed.wait_for(lambda: store.version > at or self._runner is None)
        except TimeoutError:
            return store.version <= at or not store.since(at)
        return False

    def _discovery(self, path: str) -> Object:
        if path == "/version":
            return {"major": "1", "minor": "0", "gitVersion": "v1.0.0-equipoise-stand-in"}
        groups = sorted({(k.group, k.version) for k in self.store.kinds.values() if k.group})
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        listed = [{"name": g, "versions": [{"groupVersion": f"{g}/{v}", "version": v}]} for g, v in groups]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def audit() -> dict[str, str]:
    """The header by which an answer of an API server is told from that of something in front of it."""
    return {"audit-id": str(uuid.uuid4())}


def _line(what: str, thing: str) -> bytes:
    return f'{{"type": "{what}", "object": {thing}}}\n'.encode()
