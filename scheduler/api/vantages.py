"""The HTTP face towards vantages and agents: what to probe, what they saw and measured. Every request shows a token."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from config.access import Access
from config.vantages import VantageListener
from scheduler.access.role import Role
from scheduler.access.tls import server_context
from scheduler.api.app import Audit, Served, unaudited
from scheduler.api.gate import BEARER, Gate
from scheduler.api.problem import Failure
from scheduler.api.route import KIB, Answer, Call, Json, Route, Shown
from scheduler.vantages import Refusal, Roster, Seat, VantageReport

REPORT_MAX_BYTES = 256 * KIB
TARGETS_PATH = "/api/v1/vantage/targets"
ROUNDS_PATH = "/api/v1/vantage/rounds"
TAG = "probes"


class Pace(Shown):
    """How to probe."""

    interval_s: float
    timeout_s: float
    fast_follow_s: float
    fall: int


class Assignment(Shown):
    """What to probe, with its revision and our time."""

    format_version: int
    revision: str
    clock_s: float
    pace: Pace
    targets: list[Json]


class Greeting(Shown):
    """What became of a report."""

    revision: str
    clock_s: float
    refused: str | None


class VantageApi:
    """Over a roster. Nothing here reads the plan or changes anything but evidence."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster

    def routes(self) -> list[Route]:
        """What it answers."""
        about = "With the token of a vantage of the policy. 409: the report is not counted, `refused` says why."
        return [
            Route("GET", TARGETS_PATH, Role.AGENT, TAG, "What a vantage has to probe", self.targets, about=about,
                  answers={200: Assignment}, agents=True),
            Route("POST", ROUNDS_PATH, Role.AGENT, TAG, "Take in what a vantage saw", self.rounds, about=about,
                  body=VantageReport, body_max_bytes=REPORT_MAX_BYTES, answers={200: Greeting, 409: Greeting},
                  agents=True, malformed=self.malformed),
        ]  # fmt: skip

    def application(self) -> web.Application:
        """An application that serves vantages and nothing else."""
        return agents_application(self.routes(), self.roster, Access)

    async def targets(self, call: Call) -> Answer:
        """Its list, which all vantages share."""
        self._seat(call)
        return Answer(self.roster.assignment())

    async def rounds(self, call: Call) -> Answer:
        """Evidence."""
        refusal = self.roster.take(self._seat(call), call.sent(VantageReport))
        body = self.roster.greeting() | {"refused": str(refusal) if refusal else None}
        return Answer(body, 409 if refusal else 200)

    def malformed(self, request: web.Request) -> None:
        """Count a report that could not be read against who sent it."""
        seat = self.roster.authenticate(request.headers.get("Authorization", "").removeprefix(BEARER))
        if seat is not None and request.path == ROUNDS_PATH:
            seat.refused[Refusal.MALFORMED] += 1

    def _seat(self, call: Call) -> Seat:
        """Whose token it is, even where nobody else has to show one: a vote needs a name."""
        shown = call.request.headers.get("Authorization", "")
        seat = self.roster.authenticate(shown.removeprefix(BEARER)) if shown.startswith(BEARER) else None
        if seat is None:
            raise Failure(401, "show the token of a vantage of the policy", headers={"WWW-Authenticate": "Bearer"})
        return seat


def agents_application(
    routes: Sequence[Route],
    roster: Roster,
    access: Callable[[], Access],
    audit: Audit = unaudited,
    revoked: set[str] | None = None,
) -> web.Application:
    """What agents and vantages may ask, and nothing else; here everybody shows who they are."""
    gate = Gate(access, roster, closed=True, revoked=revoked)
    return Served([r for r in routes if r.agents], gate, audit).application()


async def listen_to_agents(stack: AsyncExitStack, application: web.Application, listener: VantageListener) -> None:
    """Serve it on an address of its own, by TLS only. OSError where the files cannot be read or it is taken."""
    files = (listener.certificate_file, listener.key_file, listener.client_ca_file)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    host, _, port = listener.address.rpartition(":")
    tls = server_context(*files, required=listener.client_ca_file is not None)
    await web.TCPSite(runner, host.strip("[]"), int(port), ssl_context=tls).start()
