"""From a request to who sends it, and whether it may be asked at all. What is not allowed is refused."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from aiohttp import web

from config.access import Access
from scheduler.access.oidc import Provider
from scheduler.access.rates import Buckets
from scheduler.access.role import LOCAL, Principal, Role
from scheduler.access.sessions import Sessions
from scheduler.access.tokens import certified, sha256_of, subjects_of, whose
from scheduler.api.problem import Failure
from scheduler.vantages import Roster

COOKIE = "equipoise_session"
BEARER = "Bearer "
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FAILURES_BURST_S = 4.0
"""Somebody who mistypes is forgiven for that long at once."""


class Gate:
    """Follows the documents: `access` is asked anew for every request, so a revoked token is worth nothing at once."""

    def __init__(
        self,
        access: Callable[[], Access],
        roster: Roster | None = None,
        *,
        closed: bool = False,
        now_s: Callable[[], float] = time.monotonic,
        revoked: set[str] | None = None,
    ) -> None:
        self.access, self.roster, self.closed = access, roster, closed
        self.revoked: set[str] = set() if revoked is None else revoked
        """SHA-256 of the SHA-256 of tokens that are worth nothing, whatever the documents still say."""
        self.sessions = Sessions(now_s)
        self.buckets = Buckets(now_s)
        self._provider: Provider | None = None

    @property
    def open(self) -> bool:
        """Whether nobody has to show anything."""
        return not self.closed and self.access().open

    async def principal(self, request: web.Request) -> Principal | None:
        """Who it is, by certificate, token or cookie; None for nobody known."""
        access = self.access()
        peer = request.transport.get_extra_info("peercert") if request.transport else None
        by_certificate = certified(subjects_of(peer), access.certificates)
        if by_certificate is not None:
            return by_certificate
        shown = request.headers.get("Authorization", "")
        if shown.startswith(BEARER) and not self.open:
            return await self.recognised(shown.removeprefix(BEARER).strip())
        if self.open:
            return LOCAL
        return self._by_cookie(request)

    async def recognised(self, token: str) -> Principal | None:
        """Whose token it is."""
        if sha256_of(sha256_of(token)) in self.revoked:
            return None
        access = self.access()
        found = whose(token, access.tokens, datetime.now(UTC).date())
        seat = self.roster.authenticate(token) if found is None and self.roster is not None else None
        if seat is not None:
            return Principal(seat.name, Role.AGENT, "vantage")
        if found is None and access.oidc is not None and token.count(".") == 2:
            if self._provider is None or self._provider.spec != access.oidc:
                self._provider = Provider(access.oidc)
            found = await self._provider.principal(token)
        return found

    def admit(self, principal: Principal | None, role: Role | None, request: web.Request) -> Principal:
        """The principal, where it may ask this; raises 401, 403 or 429."""
        self.same_site(request)
        if principal is None and role is None:
            principal = Principal(str(request.remote), None, "nobody")
        if principal is None:
            least = self.access().rates.failures_per_second
            self._slow_down(f"failed {request.remote}", least, FAILURES_BURST_S * least)
            words = "show a bearer token (Authorization: Bearer ...) that the controller knows, or sign in"
            raise Failure(401, words, headers={"WWW-Authenticate": 'Bearer realm="equipoise"'})
        if role is not None and not principal.may(role):
            held = principal.role or "no role"
            raise Failure(403, f"{principal.name} is {held}; this needs {role}")
        rates = self.access().rates
        per_second = rates.agents_per_second if principal.role is Role.AGENT else rates.per_second
        self._slow_down(f"{principal.how} {principal.name}", per_second, per_second * rates.burst_seconds)
        return principal

    def same_site(self, request: web.Request) -> None:
        """Raise 403 for what another site makes a browser send, and for names that only pretend to be this machine."""
        if self.open:
            host = urlsplit(f"//{request.host}").hostname or ""
            if host not in LOOPBACK:
                raise Failure(403, f"without credentials only this machine is served, and {host!r} is not its name")
        if request.method in SAFE_METHODS:
            return
        site = request.headers.get("Sec-Fetch-Site", "none")
        origin = request.headers.get("Origin")
        elsewhere = origin is not None and urlsplit(origin).netloc != request.host
        if site not in {"same-origin", "none"} or elsewhere:
            raise Failure(403, "another site may not change anything here")

    def _slow_down(self, caller: str, per_second: float, burst: float) -> None:
        wait_s = self.buckets.take(caller, per_second, max(1.0, burst))
        if wait_s > 0:
            words = f"more than {per_second:g} requests/s; try again in {wait_s:.1f} s"
            raise Failure(429, words, headers={"Retry-After": str(int(wait_s) + 1)})

    def _by_cookie(self, request: web.Request) -> Principal | None:
        session = self.sessions.found(request.cookies.get(COOKIE, ""))
        if session is None:
            return None
        known: Iterable[str] = (t.sha256 for t in self.access().tokens if sha256_of(t.sha256) not in self.revoked)
        if session.principal.how == "token" and session.token_sha256 not in known:
            return None
        return session.principal

    def begin(self, principal: Principal, token: str) -> str:
        """The cookie of somebody who signed in with a token."""
        return self.sessions.begin(principal, sha256_of(token))
