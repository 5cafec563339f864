"""Tokens of an identity provider that really answers: whose they are, which are forged, how often it is asked."""

import base64
import json
import time
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scheduler.access.oidc import FRESH_S, KEPT_S, RETRY_S, Provider
from scheduler.access.role import Principal, Role
from tests.scheduler.access.provider import Issuer, issuing, key


@dataclass
class Time:
    """Ours to move."""

    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def part(words: Any) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(words).encode()).rstrip(b"=").decode()


async def test_principal_of_a_good_token_has_the_highest_of_its_roles_by_discovery_or_by_address() -> None:
    async with issuing() as issuer:
        discovered, told = Provider(issuer.spec()), Provider(issuer.spec(jwksUrl=issuer.url + "/keys"))
        for provider in (discovered, told):
            found = await provider.principal(issuer.token(roles=["staff", "lead", "other"], email="ada@example.org"))
            assert found == Principal("ada@example.org", Role.ADMIN, "oidc")

        words = await told.principal(issuer.token(roles="staff sre"))
        nothing = await told.principal(issuer.token(roles=["other"]))

    assert words == Principal("u-1", Role.OPERATOR, "oidc")
    assert nothing == Principal("u-1", None, "oidc")
    assert nothing is not None
    assert not nothing.may(Role.VIEWER), "known, and may nothing"


@pytest.mark.parametrize("wrong", [
    {"aud": "another"}, {"aud": None}, {"iss": "http://127.0.0.1:1"}, {"iss": None}, {"sub": None}, {"exp": None},
    {"iat": None},
], ids=str)  # fmt: skip
async def test_token_with_a_wrong_or_missing_claim_is_nobodys(wrong: dict[str, Any]) -> None:
    async with issuing() as issuer:
        assert await Provider(issuer.spec()).principal(issuer.token(**wrong)) is None


@pytest.mark.parametrize(("claim", "later_s"), [("exp", -3600), ("iat", 3600), ("nbf", 3600)])
async def test_token_that_is_over_or_not_yet_begun_is_nobodys(claim: str, later_s: int) -> None:
    async with issuing() as issuer:
        assert await Provider(issuer.spec()).principal(issuer.token(**{claim: int(time.time()) + later_s})) is None


async def test_token_just_over_is_good_within_the_leeway_alone() -> None:
    async with issuing() as issuer:
        over = issuer.token(exp=int(time.time()) - 10)
        assert await Provider(issuer.spec()).principal(over) is not None
        assert await Provider(issuer.spec(leewaySeconds=1.0)).principal(over) is None


async def test_forged_tokens_are_nobodys() -> None:
    async with issuing() as issuer:
        provider = Provider(issuer.spec())
        good = issuer.token()
        head, body, signature = good.split(".")
        promoted = part(jwt.decode(good, options={"verify_signature": False}) | {"roles": ["lead"]})
        public = key("first").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        by_hand = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{promoted}"
        mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(by_hand.encode(), public)
        forged = {
            "signed by another key": issuer.token(signed_by=key("stranger")),
            "a changed role": f"{head}.{promoted}.{signature}",
            "no algorithm": f"{part({'alg': 'none', 'kid': 'first'})}.{promoted}.",
            "the public key as a shared secret": f"{by_hand}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
            "an algorithm that is not ours": issuer.token(algorithm="RS512"),
            "an algorithm of another kind of key": f"{part({'alg': 'ES256', 'kid': 'first'})}.{body}.{signature}",
            "a key for sealing": f"{part({'alg': 'RS256', 'kid': 'sealing'})}.{body}.{signature}",
            "a key of a kind to come": f"{part({'alg': 'RS256', 'kid': 'odd'})}.{body}.{signature}",
            "a key without a name": f"{part({'alg': 'RS256'})}.{body}.{signature}",
            "a head that is nested for ever": f"{base64.urlsafe_b64encode(b'[' * 6_000).decode()}.{body}.{signature}",
            "no text": "a.b.c",
            "too long": issuer.token(pad="x" * 20_000),
        }
        taken = [what for what, token in forged.items() if await provider.principal(token) is not None]

        assert await provider.principal(good) is not None, "and the good one is still good"
    assert not taken


async def test_new_key_of_the_provider_is_found_and_an_old_one_forgotten() -> None:
    now = Time()
    async with issuing() as issuer:
        provider = Provider(issuer.spec(), now_s=now)
        assert await provider.principal(issuer.token("first")) is not None
        issuer.published = ["second"]
        now.now_s += RETRY_S

        assert await provider.principal(issuer.token("second")) is not None
        assert await provider.principal(issuer.token("first")) is None


async def test_keys_that_nobody_has_make_us_ask_the_provider_once_in_a_while_alone() -> None:
    now = Time()
    async with issuing() as issuer:
        provider = Provider(issuer.spec(), now_s=now)
        for i in range(50):
            assert await provider.principal(issuer.token(f"guess-{i}", signed_by=key("stranger"))) is None
        assert issuer.asked == 1
        now.now_s += RETRY_S
        await provider.principal(issuer.token("guess", signed_by=key("stranger")))
        assert issuer.asked == 2


async def test_provider_that_is_away_is_done_without_for_a_day() -> None:
    now = Time()
    async with issuing() as issuer:
        provider = Provider(issuer.spec(), now_s=now)
        assert await provider.principal(issuer.token()) is not None
        issuer.away = True
        now.now_s += FRESH_S + 1
        assert await provider.principal(issuer.token()) is not None
        assert issuer.asked == 2, "it was asked"
        now.now_s += KEPT_S
        assert await provider.principal(issuer.token()) is None
        issuer.away = False
        now.now_s += RETRY_S
        assert await provider.principal(issuer.token()) is not None


async def test_discovery_document_that_speaks_for_somebody_else_is_not_believed() -> None:
    async with issuing() as issuer:
        issuer.says_it_is = "https://accounts.example"
        assert await Provider(issuer.spec()).principal(issuer.token()) is None
        assert issuer.asked == 0


async def test_provider_that_cannot_be_reached_lets_nobody_in() -> None:
    issuer = Issuer(url="http://127.0.0.1:1")
    assert await Provider(issuer.spec()).principal(issuer.token()) is None
