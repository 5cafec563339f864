import asyncio
import hashlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from aiohttp.test_utils import TestClient, TestServer

from config.vantages import Vantage as Seat
from config.vantages import VantageListener
from health.destinations import Destinations
from health.probe import ProbeTarget
from health.prober import Pace
from health.quorum import votes
from health.rules import Rules
from health.vantage import Rejected, Vantage
from placement.columns import ints
from scheduler.api.vantages import REPORT_MAX_BYTES, ROUNDS_PATH, TARGETS_PATH, VantageApi, listen_to_agents
from scheduler.vantages import Refusal, Roster
from scheduler.watch import ProbeWatch
from tests.health.certificates import certificate, serving

TOKENS = ["one-token-0123456789", "two-token-0123456789"]
PACE = Pace(interval_s=0.1, timeout_s=0.1, fast_follow_s=0.02)


async def until(holds: Callable[[], bool], patience_s: float = 60.0) -> None:
    async with asyncio.timeout(patience_s):
        while not holds():  # noqa: ASYNC110  the effect is a value that nobody announces
            await asyncio.sleep(0.01)


@dataclass
class Site:
    """A controller's roster behind a real port, and two real targets that the test can close."""

    url: str
    roster: Roster
    watch: ProbeWatch
    client: TestClient
    targets: list[asyncio.Server]


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    async def quiet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    watch = ProbeWatch(2, Rules(quorum=2), 3, cluster=ints([0, 1]))
    roster = Roster(watch.report, time.monotonic)
    targets = [await asyncio.start_server(quiet, "127.0.0.1", 0) for _ in range(2)]
    asked = [ProbeTarget("tcp", "127.0.0.1", server.sockets[0].getsockname()[1]) for server in targets]
    seats = [
        Seat(name=f"v{number}", tokenSha256=hashlib.sha256(token.encode()).hexdigest())
        for number, token in enumerate(TOKENS)
    ]
    roster.assign(seats, asked, PACE)
    async with TestClient(TestServer(VantageApi(roster).application())) as client:
        yield Site(str(client.make_url("/")), roster, watch, client, targets)
    for server in targets:
        server.close()


@asynccontextmanager
async def joined(url: str, token: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Vantage]:
    vantage = Vantage(url, token, Destinations(), tls)
    task = asyncio.create_task(vantage.run())
    try:
        yield vantage
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_two_joined_vantages_condemn_what_died_and_keep_what_lives() -> None:
    async with site() as at, joined(at.url, TOKENS[0]), joined(at.url, TOKENS[1]):
        await until(lambda: bool((at.watch.seen.passes[:, 1:] >= 3).all()))
        at.targets[1].close()
        await at.targets[1].wait_closed()
        await until(lambda: at.watch.alarmed)

        def said() -> list[list[bool]]:
            found = votes(at.watch.seen, ints([0, 1]), time.monotonic(), at.watch.rules)
            return [found.failing.tolist(), found.sighted.tolist()]

        await until(lambda: said() == [[False, True], [False, True, True]])
        # A report whose answer is late is sent once more, and then counts once.
        assert all(seat.accepted and set(seat.refused) <= {Refusal.REPEATED} for seat in at.roster.seats)


async def test_vantage_that_goes_away_is_absent_and_votes_no_more() -> None:
    async with site() as at:
        async with joined(at.url, TOKENS[0]):
            await until(lambda: bool((at.watch.seen.passes[:, 1] >= 3).all()))
        rules = Rules(quorum=2, silent_after_s=0.2)

        def sighted() -> list[bool]:
            found: list[bool] = votes(at.watch.seen, ints([0, 1]), time.monotonic(), rules).sighted.tolist()
            return found

        await until(lambda: sighted() == [False, False, False])


async def test_vantage_follows_a_new_list_of_targets() -> None:
    async with site() as at, joined(at.url, TOKENS[0]) as vantage:
        await until(lambda: vantage.reports > 3)
        port = at.targets[0].sockets[0].getsockname()[1]
        at.roster.assign([Seat(name=s.name, tokenSha256=s.token_sha256) for s in at.roster.seats],
                         [ProbeTarget("tcp", "127.0.0.1", port)], PACE)  # fmt: skip

        await until(lambda: len(vantage.prober.targets) == 1)
        taken = vantage.reports
        await until(lambda: vantage.reports > taken)


async def test_vantage_with_an_unknown_token_gives_up() -> None:
    async with site() as at:
        with pytest.raises(Rejected, match="answered 401"):
            await Vantage(at.url, "no-token-0123456789", Destinations()).run()


async def test_requests_without_a_token_too_large_or_malformed_are_refused() -> None:
    async with site() as at:
        token = {"Authorization": f"Bearer {TOKENS[0]}"}
        answers = [
            await at.client.get(TARGETS_PATH),
            await at.client.post(ROUNDS_PATH, json={}),
            await at.client.get(TARGETS_PATH, headers={"Authorization": TOKENS[0]}),
            await at.client.post(ROUNDS_PATH, data=b"x" * (REPORT_MAX_BYTES + 1), headers=token),
            await at.client.post(ROUNDS_PATH, data=b'{"sequence": NaN}', headers=token),
            await at.client.get("/api/v1/plan", headers=token),
        ]

        assert [answer.status for answer in answers] == [401, 401, 401, 413, 422, 404]
        assert at.roster.seats[0].refused.total() == 1


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def test_vantage_without_a_controller_waits_and_joins_when_it_comes() -> None:
    port = free_port()
    async with joined(f"http://127.0.0.1:{port}", TOKENS[0]) as vantage:
        roster = Roster(lambda *_: None, time.monotonic)
        roster.assign([Seat(name="v", tokenSha256=hashlib.sha256(TOKENS[0].encode()).hexdigest())], [], PACE)
        server = TestServer(VantageApi(roster).application(), port=port)
        await server.start_server()
        try:
            await until(lambda: vantage.reports > 0)
        finally:
            await server.close()


async def test_vantage_joins_by_tls_and_finds_nothing_else_there(tmp_path: Path) -> None:
    pem, port = certificate(tmp_path, "localhost", days=2), free_port()
    roster = Roster(lambda *_: None, time.monotonic)
    roster.assign([Seat(name="v", tokenSha256=hashlib.sha256(TOKENS[0].encode()).hexdigest())], [], PACE)
    listener = VantageListener(address=f"127.0.0.1:{port}", certificateFile=str(pem), keyFile=str(pem))
    trusting = ssl.create_default_context(cafile=str(pem))
    async with AsyncExitStack() as stack:
        await listen_to_agents(stack, VantageApi(roster).application(), listener)
        async with joined(f"https://localhost:{port}", TOKENS[0], trusting) as vantage:
            await until(lambda: vantage.reports > 2)
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as client:
            statuses = [
                (await client.get(f"https://localhost:{port}{path}")).status_code
                for path in ("/metrics", "/api/v1/plan", "/api/v1/vantages", TARGETS_PATH)
            ]

    assert statuses == [404, 404, 404, 401]


async def test_vantage_tells_when_a_certificate_that_it_was_shown_expires(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "shop.example", days=10)
    async with serving(pem) as port, site() as at:
        tls = ProbeTarget("tls", "127.0.0.1", port, host_header="shop.example", ca_file=str(pem))
        seats = [Seat(name=s.name, tokenSha256=s.token_sha256) for s in at.roster.seats]
        at.roster.assign(seats, [tls], Pace(timeout_s=1.0))
        async with joined(at.url, TOKENS[1]):
            await until(lambda: bool(at.roster.seats[1].expires_at_s))

        left_s = at.roster.seats[1].expires_at_s[0] - time.monotonic()
        assert left_s == pytest.approx(10 * 86_400, abs=60)
        assert at.roster.seats[0].expires_at_s == {}
