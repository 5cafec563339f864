"""The HTTP face towards vantages: what to probe, and what they saw. Every request shows a token."""

import ssl
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from config.vantages import VantageListener
from scheduler.api.app import problem
from scheduler.vantages import Refusal, Roster, Seat, VantageReport

REPORT_MAX_BYTES = 256 * 1024
TARGETS_PATH = "/api/v1/vantage/targets"
ROUNDS_PATH = "/api/v1/vantage/rounds"
BEARER = "Bearer "


class VantageApi:
    """Handlers over a roster. Nothing here reads the plan or changes anything but evidence."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster

    def application(self) -> web.Application:
        """An application that serves vantages and nothing else."""
        app = web.Application(client_max_size=REPORT_MAX_BYTES)
        self.add_to(app)
        return app

    def add_to(self, app: web.Application) -> None:
        """Serve vantages in an application."""
        app.router.add_get(TARGETS_PATH, self.targets)
        app.router.add_post(ROUNDS_PATH, self.rounds)

    async def targets(self, request: web.Request) -> web.Response:
        """What to probe and how, with its revision and the time."""
        self._seat(request)
        return web.json_response(self.roster.assignment())

    async def rounds(self, request: web.Request) -> web.Response:
        """Take a report. 409 for one that is not counted, with the reason; 413 for one that is too large."""
        seat = self._seat(request)
        try:
            report = VantageReport.model_validate_json(await request.read())
        except ValidationError as error:
            seat.refused[Refusal.MALFORMED] += 1
            return problem(422, "Bad report", "; ".join(e["msg"] for e in error.errors()[:3]))
        refusal = self.roster.take(seat, report)
        body: dict[str, Any] = self.roster.greeting() | {"refused": str(refusal) if refusal else None}
        return web.json_response(body, status=409 if refusal else 200)

    def _seat(self, request: web.Request) -> Seat:
        shown = request.headers.get("Authorization", "")
        seat = self.roster.authenticate(shown.removeprefix(BEARER)) if shown.startswith(BEARER) else None
        if seat is None:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        return seat


async def listen_to_vantages(stack: AsyncExitStack, roster: Roster, listener: VantageListener) -> None:
    """Serve vantages on an address of their own, by TLS only. OSError where the files cannot be read or it is taken."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(listener.certificate_file, listener.key_file)
    runner = web.AppRunner(VantageApi(roster).application(), access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    host, _, port = listener.address.rpartition(":")
    await web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=tls).start()
