"""Sessions of browsers: a cookie stands for who signed in, a second secret in every form for that the form is ours."""

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from scheduler.access.role import Principal

LASTS_S = 12 * 3_600.0
OIDC_LASTS_S = 3_600.0
"""Shorter: nobody tells us when the provider takes a token back."""
SESSIONS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """One browser."""

    principal: Principal
    ends_at_s: float
    token_sha256: str
    """Of the token that it was begun with, so that a revoked token ends it."""


class Sessions:
    """Kept in memory: a restart signs everybody out. Cookies are random, and known here by their hash."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._secret = secrets.token_bytes(32)
        self._known: OrderedDict[str, Session] = OrderedDict()

    def begin(self, principal: Principal, token_sha256: str = "") -> str:
        """The cookie of a new session."""
        cookie = secrets.token_urlsafe(32)
        lasts_s = OIDC_LASTS_S if principal.how == "oidc" else LASTS_S
        self._known[_key(cookie)] = Session(principal, self._now_s() + lasts_s, token_sha256)
        if len(self._known) > SESSIONS_MAX:
            self._known.popitem(last=False)
        return cookie

    def found(self, cookie: str) -> Session | None:
        """The session of a cookie, None where there is none or it has ended."""
        session = self._known.get(_key(cookie))
        return session if session is not None and self._now_s() < session.ends_at_s else None

    def end(self, cookie: str) -> None:
        """Sign out."""
        self._known.pop(_key(cookie), None)

    def form_token(self, cookie: str) -> str:
        """What forms of a browser with this cookie carry (a double-submit token bound to the cookie by HMAC)."""
        return hmac.new(self._secret, cookie.encode(), sha256).hexdigest()

    def is_ours(self, cookie: str, form_token: str) -> bool:
        """Whether a form was made for the browser that sends it."""
        return hmac.compare_digest(self.form_token(cookie), form_token)


def _key(cookie: str) -> str:
    return sha256(cookie.encode()).hexdigest()
