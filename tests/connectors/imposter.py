"""A proxy in front of a stand-in that spoils answers: each way in which an API may go wrong, over real HTTP."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
from aiohttp import web

from tests.contract.backends import free_port

Spoil = Callable[[web.Request, httpx.Response], Awaitable[web.StreamResponse]]
BIG = 10 * 2**20
PASSED_ON = ("content-type", "set-cookie", "x-amzn-errortype")


class Imposter:
    """Passes requests on, until `spoil` is set; counts what is written through it."""

    def __init__(self, target: str) -> None:
        self.port, self.target = free_port(), target
        self.spoil: Spoil | None = None
        self.spoil_writes_only = False
        self.written: list[str] = []
        self.said: list[int] = []
        """The true status of each of these."""
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._client = httpx.AsyncClient(trust_env=False)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Serve."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        """Close the port."""
        await self._runner.cleanup()
        await self._client.aclose()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        login = request.path == "/login"
        reads = request.method == "GET" or login or b"Action=Describe" in body
        if not reads:
            self.written.append(f"{request.method} {request.path_qs} {body!r}")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in {"content-length", "connection"}}
        answer = await self._client.request(
            request.method, f"{self.target}{request.raw_path}", content=body, headers=headers
        )
        if not reads:
            self.said.append(answer.status_code)
        if self.spoil is not None and not login and not (reads and self.spoil_writes_only):
            return await self.spoil(request, answer)
        kept = {k: v for k, v in answer.headers.items() if k in PASSED_ON}
        return web.Response(status=answer.status_code, body=answer.content, headers=kept)


async def html(_: web.Request, __: httpx.Response) -> web.StreamResponse:
    """A page of somebody else, with status 200."""
    return web.Response(text="<!doctype html><html><h1>Please log in</h1></html>", content_type="text/html")


async def truncated(_: web.Request, answer: httpx.Response) -> web.StreamResponse:
    """Half of the answer."""
    text = answer.text or '{"a": 1}'
    return web.Response(text=text[: len(text) // 2] + '{"', content_type="application/json")


async def fault(_: web.Request, __: httpx.Response) -> web.StreamResponse:
    """A status 500 without a word."""
    return web.Response(status=500)


async def unready(_: web.Request, __: httpx.Response) -> web.StreamResponse:
    """A status 503 with a page."""
    return web.Response(status=503, text="<html>upstream connect error</html>", content_type="text/html")


async def slow(_: web.Request, __: httpx.Response) -> web.StreamResponse:
    """Nothing for long."""
    await asyncio.Event().wait()
    raise AssertionError("it waits for ever")


async def wrong(_: web.Request, __: httpx.Response) -> web.StreamResponse:
    """JSON of another shape."""
    return web.json_response([{"weight": "ten", "Name": 7, "rrsets": 3, "items": {}, "results": "none", "stats": 1}, 5])


async def elsewhere(_: web.Request, __: httpx.Response) -> web.StreamResponse:
    """A redirect to somebody else."""
    return web.Response(status=307, headers={"location": "http://127.0.0.1:9/other"})


async def huge(_: web.Request, __: httpx.Response) -> web.StreamResponse:
    """10 MB."""
    return web.Response(body=b"[" + b" " * BIG + b"]", content_type="application/json")


async def hangs_up(request: web.Request, _: httpx.Response) -> web.StreamResponse:
    """The connection ends within the answer."""
    response = web.StreamResponse(headers={"content-length": "1000", "content-type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"half')
    assert request.transport is not None
    request.transport.close()
    return response


SPOILS: dict[str, Spoil] = {
    "html": html, "truncated": truncated, "fault": fault, "unready": unready, "slow": slow, "wrong": wrong,
    "redirect": elsewhere, "10 MB": huge, "hangs up": hangs_up,
}  # fmt: skip
