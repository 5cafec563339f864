"""The HTTP face of a controller, made of its routes: recognise, allow, check, do, write down, answer. Nothing else."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from pydantic import BaseModel, ValidationError

from scheduler.api.encoding import encoded
from scheduler.api.gate import COOKIE, Gate
from scheduler.api.problem import Failure, faults, problem
from scheduler.api.route import Answer, Call, Route
from scheduler.ports import LedgerDown

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
PIECE_BYTES = 256 * 1024
JSON_TYPES = {"application/json", "application/octet-stream"}
"""No form of another site can be sent as either without asking first."""
FORM_TOKEN = "form_token"  # noqa: S105  the name of a field
Audit = Callable[[Call, Route, int], Awaitable[None]]
ErrorPage = Callable[[web.Request, Failure], web.StreamResponse]
log = structlog.get_logger()


async def unaudited(call: Call, route: Route, status: int) -> None:
    """Where there is no ledger: nothing is written down."""
    del call, route, status


class Served:
    """Routes behind a gate."""

    def __init__(
        self, routes: Sequence[Route], gate: Gate, audit: Audit = unaudited, error_page: ErrorPage | None = None
    ) -> None:
        self.routes, self.gate, self.audit, self.error_page = tuple(routes), gate, audit, error_page

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(middlewares=[self._around], client_max_size=max(r.body_max_bytes for r in self.routes))
        for route in self.routes:
            app.router.add_route(route.method, route.pattern, self._handler(route))
        return app

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await self._done(route, request)
            except Failure as failure:
                return self._refused(route, request, failure)
            except LedgerDown as down:
                words = f"the ledger cannot be read or written: {down}"
                return self._refused(route, request, Failure(503, words))
            except (web.HTTPException, asyncio.CancelledError, ConnectionError):
                raise
            except Exception as fault:  # the log gets the place of it, not the values: they may be secrets
                place = traceback.extract_tb(fault.__traceback__)[-1]
                where = f"{place.filename}:{place.lineno}"
                log.error(  # noqa: TRY400  as said
                    "a request failed", action=route.action, fault=type(fault).__name__, place=where
                )
                return self._refused(route, request, Failure(500, "it is in the controller's log; nothing was lost"))

        return handle

    async def _done(self, route: Route, request: web.Request) -> web.StreamResponse:
        principal = self.gate.admit(await self.gate.principal(request), route.role, request)
        call = Call(request, principal, dict(request.match_info))
        if route.query is not None:
            call.query = _validated(route.query, dict(request.query))
        if route.body is not None:
            call.body = await self._body(route, request)
        answer = await route.handler(call)
        if route.audited:
            await self.audit(call, route, answer.status)
        return answer if isinstance(answer, web.StreamResponse) else await _response(route, answer, request)

    async def _body(self, route: Route, request: web.Request) -> BaseModel:
        assert route.body is not None
        if route.form:
            return self._form(route, request, await form_fields(request, route.body_max_bytes))
        data = await read(request, route.body_max_bytes)
        if "Content-Type" in request.headers and request.content_type not in JSON_TYPES:
            raise Failure(415, f"send application/json, not {request.content_type}")
        try:
            return route.body.model_validate_json(data if data or route.body_needed else b"{}")
        except ValidationError as invalid:
            if route.malformed is not None:
                route.malformed(request)
            raise Failure(422, faults(invalid), "Bad request body") from None

    def _form(self, route: Route, request: web.Request, fields: dict[str, str]) -> BaseModel:
        assert route.body is not None
        if not self.gate.sessions.is_ours(request.cookies.get(COOKIE, ""), fields.pop(FORM_TOKEN, "")):
            raise Failure(403, "this form is not from a page of ours, or too old; load the page again")
        return _validated(route.body, {name: value for name, value in fields.items() if value != ""})

    @web.middleware
    async def _around(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Security headers on all, and problems for what no route answers."""
        try:
            answer = await handler(request)
        except web.HTTPException as raised:
            if raised.status < 400:
                raise
            allow = {"Allow": raised.headers["Allow"]} if "Allow" in raised.headers else {}
            words = {
                404: f"nothing is at {request.path}; GET /openapi.json says what is",
                405: f"{request.method} is not done at {request.path}",
            }
            answer = problem(raised.status, raised.reason, words.get(raised.status, raised.reason), allow)
        if not answer.prepared:
            answer.headers.update({name: value for name, value in SECURITY.items() if name not in answer.headers})
            answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    def _refused(self, route: Route, request: web.Request, failure: Failure) -> web.StreamResponse:
        if route.page and self.error_page is not None:
            return self.error_page(request, failure)
        return problem(failure.status, failure.title, failure.detail, failure.headers)


async def read(request: web.Request, most: int) -> bytes:
    """The body; raises 413 as soon as it is too large."""
    too_large = Failure(413, f"a body has at most {most} bytes here")
    if (request.content_length or 0) > most:
        raise too_large
    data = bytearray()
    async for part in request.content.iter_any():
        data += part
        if len(data) > most:
            raise too_large
    return bytes(data)


async def form_fields(request: web.Request, most: int) -> dict[str, str]:
    """The fields of a form; of several with one name the last. Raises 413 and 415."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Failure(415, f"a form is sent as application/x-www-form-urlencoded, not {request.content_type}")
    text = (await read(request, most)).decode("utf-8", "replace")
    return dict(parse_qsl(text, keep_blank_values=True))


def _validated(model: type[BaseModel], values: Mapping[str, object]) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as invalid:
        raise Failure(422, faults(invalid)) from None


async def _response(route: Route, answer: Answer, request: web.Request) -> web.Response:
    headers = dict(answer.headers)
    if answer.etag:
        headers["ETag"] = answer.etag
        seen = [part.strip() for part in request.headers.get("If-None-Match", "").split(",")]
        if request.method == "GET" and answer.etag in seen:
            return web.Response(status=304, headers=headers)
    if answer.text is not None:
        headers.setdefault("Content-Type", f"{route.media}; charset=utf-8")
        return web.Response(body=answer.text.encode(), status=answer.status, headers=headers)
    if answer.body is None and answer.data is None:
        return web.Response(status=answer.status, headers=headers)
    data = answer.data
    if data is None:
        data = await asyncio.to_thread(encoded, answer.body) if route.large else encoded(answer.body)
    body: bytes | AsyncIterator[memoryview] = data
    if len(data) > PIECE_BYTES:
        headers["Content-Length"], body = str(len(data)), _pieces(data)
    return web.Response(body=body, status=answer.status, headers=headers, content_type=route.media)


async def _pieces(data: bytes) -> AsyncIterator[memoryview]:
    """Handed to the socket one after the other: megabytes at once would be copied again and again meanwhile."""
    for at in range(0, len(data), PIECE_BYTES):
        yield memoryview(data)[at : at + PIECE_BYTES]
