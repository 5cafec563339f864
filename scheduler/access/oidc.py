"""Tokens of an identity provider (RFC 7519, OpenID Connect Discovery 1.0), checked without asking it each time.

Its keys are fetched off the path of requests, kept, and fetched anew when a token names one that is not there; no more
often than every RETRY_S, or anybody could make us ask it for ever. With what is kept it may be away for a day.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import jwt
import structlog

from config.access import Oidc
from scheduler.access.role import Principal, Role, highest

FRESH_S = 600.0
KEPT_S = 86_400.0
RETRY_S = 10.0
TIMEOUT_S = 5.0
KEYS_MAX_BYTES = 256 * 1024
TOKEN_MAX = 16_384
UNUSABLE = (OSError, TimeoutError, ValueError, KeyError, TypeError, aiohttp.ClientError, jwt.PyJWTError)
"""What a fetch of keys may end with."""

Json = dict[str, Any]
Fetch = Callable[[str], Awaitable[Json]]
log = structlog.get_logger()


class Provider:
    """One identity provider with its keys."""

    def __init__(self, spec: Oidc, fetch: Fetch | None = None, now_s: Callable[[], float] = time.monotonic) -> None:
        self.spec, self.now_s = spec, now_s
        self._fetch = fetch or self._over_http
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at_s = self._tried_at_s = float("-inf")
        self._asking = asyncio.Lock()

    async def principal(self, token: str) -> Principal | None:
        """Whose token it is; None for one that is not good. A user without a role of ours is known and may nothing."""
        if len(token) > TOKEN_MAX:
            return None
        try:
            named = jwt.get_unverified_header(token)
            key = await self._key(named.get("kid") or "")
            if key is None or named.get("alg") not in self.spec.algorithms:
                return None
            claims = jwt.decode(
                token,
                key.key,
                algorithms=list(self.spec.algorithms),
                audience=self.spec.audience,
                issuer=self.spec.issuer,
                leeway=self.spec.leeway_seconds,
                options={"require": ["exp", "iat", "sub"]},
            )
        except (jwt.PyJWTError, TypeError, ValueError):
            return None
        shown = claims.get(self.spec.roles_claim, ())
        values = shown.split() if isinstance(shown, str) else shown if isinstance(shown, list) else ()
        roles = {Role(self.spec.roles[value]) for value in values if value in self.spec.roles}
        return Principal(str(claims.get("email") or claims["sub"]), highest(roles), "oidc")

    async def _key(self, kid: str) -> jwt.PyJWK | None:
        now_s = self.now_s()
        if kid not in self._keys or now_s - self._fetched_at_s > FRESH_S:
            await self._refresh()
        if self.now_s() - self._fetched_at_s > KEPT_S:
            return None
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        async with self._asking:
            if self.now_s() - self._tried_at_s < RETRY_S:
                return
            self._tried_at_s = self.now_s()
            try:
                url = self.spec.jwks_url or await self._discovered()
                found = await self._fetch(url)
                self._keys = _keys_of(found)
                self._fetched_at_s = self.now_s()
            except (
                OSError,
                TimeoutError,
                ValueError,
                KeyError,
                TypeError,
                aiohttp.ClientError,
                jwt.PyJWTError,
            ) as error:
                log.warning("no keys of the identity provider", issuer=self.spec.issuer, error=repr(error)[:200])

    async def _discovered(self) -> str:
        about = await self._fetch(self.spec.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if about.get("issuer") != self.spec.issuer:
            raise ValueError(f"the discovery document speaks for issuer {about.get('issuer')!r}")
        return str(about["jwks_uri"])

    async def _over_http(self, url: str) -> Json:
        tls = ssl.create_default_context(cafile=self.spec.ca_file)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=tls) as answer:
            answer.raise_for_status()
            data = await answer.content.read(KEYS_MAX_BYTES)
            found: Json = json.loads(data)
            return found


def _keys_of(found: Json) -> dict[str, jwt.PyJWK]:
    """Keys for signatures by their id; those that we cannot use are left out."""
    keys = {}
    for one in found["keys"]:
        if one.get("use", "sig") != "sig":
            continue
        try:
            keys[str(one.get("kid", ""))] = jwt.PyJWK.from_dict(one)
        except jwt.PyJWTError:
            continue
    return keys
