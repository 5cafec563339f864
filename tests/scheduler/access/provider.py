"""An identity provider on loopback: keys of its own, the document that says where they are, and a count."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from config.access import Oidc

AUDIENCE = "equipoise"


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A key of 2048 bits; the same for a name, as they are slow to draw."""
    del name
    return rsa.generate_private_key(65_537, 2_048)


@dataclass
class Issuer:
    """It publishes the keys whose names are `published`."""

    url: str = ""
    says_it_is: str = ""
    published: list[str] = field(default_factory=lambda: ["first"])
    asked: int = 0
    away: bool = False

    def token(self, kid: str = "first", *, algorithm: str = "RS256", signed_by: Any = None, **claims: Any) -> str:
        """A token that is good unless a claim says otherwise; one that is None is left out."""
        now_s = int(time.time())
        said = {"iss": self.url, "aud": AUDIENCE, "sub": "u-1", "iat": now_s, "exp": now_s + 60, "roles": ["sre"]}
        said = {name: value for name, value in (said | claims).items() if value is not None}
        return jwt.encode(said, key(kid) if signed_by is None else signed_by, algorithm, headers={"kid": kid})

    def spec(self, **more: Any) -> Oidc:
        """What a policy says of it."""
        roles = {"sre": "operator", "staff": "viewer", "lead": "admin"}
        return Oidc.model_validate({"issuer": self.url, "audience": AUDIENCE, "roles": roles} | more)

    async def about(self, _: web.Request) -> web.Response:
        """Its discovery document."""
        return web.json_response({"issuer": self.says_it_is or self.url, "jwks_uri": f"{self.url}/keys"})

    async def keys(self, _: web.Request) -> web.Response:
        """Its keys (RFC 7517)."""
        self.asked += 1
        if self.away:
            raise web.HTTPServiceUnavailable
        shown = [json.loads(RSAAlgorithm.to_jwk(key(name).public_key())) | {"kid": name} for name in self.published]
        sealing = {"kty": "RSA", "use": "enc", "kid": "sealing", "n": "AQAB", "e": "AQAB"}
        odd = {"kty": "future", "kid": "odd"}
        return web.json_response({"keys": [*shown, sealing, odd]})


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """It answers until the block ends."""
    issuer = Issuer()
    app = web.Application()
    app.add_routes([web.get("/.well-known/openid-configuration", issuer.about), web.get("/keys", issuer.keys)])
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("")).rstrip("/")
        yield issuer
