"""A vantage that runs elsewhere: it fetches what to probe from a controller, probes, and posts what it saw.

Reports follow each other at REPORT_EVERY_S, at once where something failed, and none waits for the answer to the one
before: over an ocean that would add the time of a journey to every miss. One that does not arrive is not sent again:
what was seen a second ago is no evidence of now, and the next probes are under way. A vantage that cannot report is
absent to the controller, and nothing else.
"""

import asyncio
import random
import secrets
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from health.destinations import Destinations
from health.probe import ProbeTarget
from health.prober import Pace, Prober
from placement.columns import Bools, Ints

REPORT_EVERY_S = 0.05
POSTS_MAX = 8
"""Reports under way at once: as many as a way of 0.4 s there and back takes."""
TIMEOUT_S = 1.0
RETRY_S = 2.0
ROUNDS_MAX = 400
AGE_MAX_S = 1.0
CERTIFICATES_EVERY_S = 60.0
"""All certificates are told again this often, for a controller that has started anew; a new one at once."""
CERTIFICATES_SINCE = 2
"""The first format of a controller that takes them."""
RENEWED_S = 60.0
"""A certificate whose end moved by more than this is another one."""
REFUSED_FOR_GOOD = frozenset({401, 403, 404})

log = structlog.get_logger()


class Rejected(Exception):  # noqa: N818  a state of the world
    """The controller does not know us, or is none."""


@dataclass(slots=True)
class ControllerClock:
    """What the controller's clock says, as far as we were told: late by the way of its answer, never early."""

    said_s: float = 0.0
    heard_at_s: float = 0.0

    def hear(self, said_s: float) -> None:
        """Take what an answer says."""
        self.said_s, self.heard_at_s = said_s, time.monotonic()

    def now_s(self) -> float:
        """Now, on that clock."""
        return self.said_s + time.monotonic() - self.heard_at_s


class Vantage:
    """Probes for one controller. `await run()` until it is cancelled; raises Rejected."""

    def __init__(self, url: str, token: str, destinations: Destinations, tls: ssl.SSLContext | None = None) -> None:
        self.url, self.tls = url.rstrip("/"), tls
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session = secrets.token_hex(8)
        self._sequence = 0
        self._revision = ""
        self._clock = ControllerClock()
        self._rounds: deque[tuple[float, list[int], list[bool]]] = deque(maxlen=ROUNDS_MAX)
        self._misses: dict[int, int] = {}
        """Target -> how many of its probes failed in a row."""
        self._urgent = asyncio.Event()
        self._format_version = 0
        self._told: dict[int, float] = {}
        """Target -> when the certificate of which the controller was told expires."""
        self._tell_all_s = float("-inf")
        jitter = random.Random()  # noqa: S311  jitter needs no secrecy
        self.prober = Prober((), self._note, Pace(), time.monotonic, jitter, destinations)
        self.reports = 0
        """How many were taken."""

    async def run(self) -> None:
        """Fetch, probe and report until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        connector = aiohttp.TCPConnector(ssl=self.tls or True, limit=POSTS_MAX)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._headers, connector=connector) as session:
            probing = asyncio.create_task(self.prober.run())
            try:
                await self._serve(session, probing)
            finally:
                probing.cancel()
                await asyncio.wait({probing})

    async def _serve(self, session: aiohttp.ClientSession, probing: asyncio.Task[None]) -> None:
        while not probing.done():
            try:
                await self._fetch(session)
                await self._keep_reporting(session)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                log.warning("controller does not answer", url=self.url, error=str(error) or type(error).__name__)
                await asyncio.sleep(random.uniform(0, RETRY_S))  # noqa: S311  so that vantages do not come all at once
        probing.result()

    async def _fetch(self, session: aiohttp.ClientSession) -> None:
        """Take the list of targets, if it is another one."""
        async with session.get(f"{self.url}/api/v1/vantage/targets", allow_redirects=False) as answer:
            body = await self._heard(answer)
        self._format_version = int(body["format_version"])
        if body["revision"] != self._revision:
            self._told.clear()
            targets = [ProbeTarget(**target) for target in body["targets"]]
            self.prober.pace = Pace(**body["pace"])
            self._rounds.clear()
            self._misses.clear()
            self.prober.replace(targets)
            self._revision = body["revision"]
            log.info("probing", targets=len(targets), revision=self._revision, controller=self.url)

    async def _keep_reporting(self, session: aiohttp.ClientSession) -> None:
        """Until our list of targets no longer holds, or a report could not be handed over."""
        posts: set[asyncio.Task[bool]] = set()
        holds = True
        try:
            while holds:
                posts.add(asyncio.create_task(self._post(session, self._taken())))
                await self._pause()
                if len(posts) >= POSTS_MAX:
                    await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
                answers = [post.result() for post in posts if post.done()]
                posts = {post for post in posts if not post.done()}
                holds = all(answers)
        finally:
            for post in posts:
                post.cancel()
            await asyncio.gather(*posts, return_exceptions=True)

    async def _post(self, session: aiohttp.ClientSession, report: dict[str, Any]) -> bool:
        """Post what was seen; whether our list of targets still holds."""
        async with session.post(f"{self.url}/api/v1/vantage/rounds", json=report, allow_redirects=False) as answer:
            body = await self._heard(answer)
        self.reports += body.get("refused") is None
        return bool(body["revision"] == self._revision)

    def _taken(self) -> dict[str, Any]:
        """Everything since the last report, which is gone with it."""
        self._urgent.clear()
        self._sequence += 1
        now_s, rounds = time.monotonic(), []
        while self._rounds:
            at_s, rows, ok = self._rounds.popleft()
            if now_s - at_s < AGE_MAX_S:
                rounds.append({"age_s": round(now_s - at_s, 4), "rows": rows, "ok": ok})
        shown = self._certificates(now_s)
        return {
            "revision": self._revision,
            "session": self._session,
            "sequence": self._sequence,
            "clock_s": self._clock.now_s(),
            "lag_s": round(self.prober.stalled_s, 4),
            "rounds": rounds,
            **({"certificates": shown} if shown else {}),
        }

    def _certificates(self, now_s: float) -> list[dict[str, float]]:
        """Certificates that the controller has not heard of, or has to hear of again."""
        if self._format_version < CERTIFICATES_SINCE:
            return []
        if now_s >= self._tell_all_s:
            self._tell_all_s = now_s + CERTIFICATES_EVERY_S
            self._told.clear()
        seen = self.prober.expires_at_s()
        new = {row: at_s for row, at_s in seen.items() if abs(self._told.get(row, 0.0) - at_s) > RENEWED_S}
        self._told |= new
        return [{"row": row, "expires_s": round(at_s - now_s, 1)} for row, at_s in new.items()]

    async def _heard(self, answer: aiohttp.ClientResponse) -> dict[str, Any]:
        if answer.status in REFUSED_FOR_GOOD:
            raise Rejected(f"{self.url} answered {answer.status}: is the token one of probes.vantages?")
        if answer.status not in {200, 409}:
            raise aiohttp.ClientPayloadError(f"status {answer.status}: {(await answer.text())[:200]}")
        body: dict[str, Any] = await answer.json()
        self._clock.hear(float(body["clock_s"]))
        return body

    async def _pause(self) -> None:
        """Until the next report is due, or something failed."""
        try:
            await asyncio.wait_for(self._urgent.wait(), REPORT_EVERY_S)
        except TimeoutError:
            return

    def _note(self, rows: Ints, ok: Bools, at_s: float) -> None:
        """Take a round. The misses that may condemn are urgent; those of a target that is long gone are not."""
        self._rounds.append((at_s, rows.tolist(), ok.tolist()))
        for row, good in zip(rows.tolist(), ok.tolist(), strict=True):
            self._misses[row] = 0 if good else self._misses.get(row, 0) + 1
            if 0 < self._misses[row] <= self.prober.pace.fall:
                self._urgent.set()
