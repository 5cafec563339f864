"""Who comes in at the API: by certificate, by token, by identity provider, and how often."""

import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509

from config.access import Access
from config.policy import Server
from scheduler.serve import listen
from tests.scheduler.access.authority import Authority
from tests.scheduler.access.doors import known, opened
from tests.scheduler.access.provider import issuing

SPIFFE = "spiffe://example.org/deployer"


def tls_of(authority: Authority, clients: Authority | None = None) -> dict[str, str]:
    """The part of a policy's server."""
    certificate, key = authority.signed("controller")
    asked = {"clientCaFile": clients.file} if clients else {}
    return {"certificateFile": certificate, "keyFile": key} | asked


def trusting(authority: Authority, *shown: str) -> ssl.SSLContext:
    """A client that trusts it, and may show a certificate with a key."""
    context = ssl.create_default_context(cafile=authority.file)
    if shown:
        context.load_cert_chain(*shown)
    return context


async def test_client_certificate_is_taken_for_whom_the_policy_names_by_any_of_its_subjects(tmp_path: Path) -> None:
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    certificates = [
        {"subject": "gitops", "name": "the-pipeline", "role": "operator"},
        {"subject": SPIFFE, "name": "the-deployer", "role": "admin"},
        {"subject": "agents.example.org", "name": "the-agents", "role": "agent"},
    ]
    shown = {
        "the-pipeline": clients.signed("gitops"),
        "the-deployer": clients.signed("any", [x509.UniformResourceIdentifier(SPIFFE)]),
        "the-agents": clients.signed("some", [x509.DNSName("agents.example.org")]),
    }
    async with opened(tls=tls_of(authority, clients), access={"certificates": certificates}) as doors:
        found = {
            name: await doors.ask("POST", "/telemetry" if name == "the-agents" else "/change", ssl=trusting(
                authority, *files)) for name, files in shown.items()
        }  # fmt: skip
        agent_looks, _ = await doors.ask(ssl=trusting(authority, *shown["the-agents"]))
        unnamed, _ = await doors.ask(ssl=trusting(authority, *clients.signed("stranger")))
        none, _ = await doors.ask(ssl=trusting(authority))

    assert {name: (status, body["name"], body["how"]) for name, (status, body) in found.items()} == {
        name: (200, name, "certificate") for name in shown
    }
    assert (agent_looks, unnamed, none) == (403, 401, 401)
    assert doors.noted == ["the-pipeline POST /change 200", "the-deployer POST /change 200"]


async def test_certificate_of_another_authority_or_one_that_has_expired_ends_the_handshake(tmp_path: Path) -> None:
    authority, clients, others = (Authority(tmp_path, name) for name in ("authority", "clients", "others"))
    certificates = [{"subject": "gitops", "name": "the-pipeline", "role": "operator"}]
    async with opened(tls=tls_of(authority, clients), access={"certificates": certificates}) as doors:
        for shown in (others.signed("gitops"), clients.signed("gitops", days=-1.0)):
            with pytest.raises((aiohttp.ClientError, ConnectionError, ssl.SSLError)):
                await doors.ask(ssl=trusting(authority, *shown))


async def test_renewed_certificate_is_shown_to_the_next_client_and_a_torn_one_never(tmp_path: Path) -> None:
    before, after = Authority(tmp_path, "before"), Authority(tmp_path, "after")
    files = tls_of(before)
    async with opened(tls=files, access={"tokens": known(ada="viewer")}) as doors:
        assert (await doors.ask(ssl=trusting(before)))[0] == 401

        replaced(files, b"half a file")
        assert (await doors.ask(ssl=trusting(before)))[0] == 401

        replaced(files, *(content(file) for file in after.signed("localhost")))
        assert (await doors.ask(ssl=trusting(after)))[0] == 401
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await doors.ask(ssl=trusting(before))


def replaced(files: dict[str, str], *contents: bytes) -> None:
    """As a renewal does, one file after the other."""
    for file, body in zip((files["certificateFile"], files["keyFile"]), contents, strict=False):
        Path(file).write_bytes(body)


def content(file: str) -> bytes:
    return Path(file).read_bytes()


async def test_tls_listener_speaks_no_plain_http_nothing_old_and_takes_tokens(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with opened(tls=tls_of(authority), access={"tokens": known(ada="viewer")}) as doors:
        taken, body = await doors.ask(ssl=trusting(authority), headers={"Authorization": "Bearer ada-token"})
        with pytest.raises(aiohttp.ClientError):
            await doors.ask(ssl=True)  # the system knows nothing of this authority
        old = trusting(authority)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
        assert (await doors.ask(path="/open", ssl=old))[0] == 200
        plain = doors.url.replace("https", "http")
        with pytest.raises(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(plain + "/open"):
                pass

    assert (taken, body["name"]) == (200, "ada")


async def test_key_that_does_not_belong_to_its_certificate_is_refused_at_the_start(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, _ = authority.signed("one")
    _, key = authority.signed("two")
    with pytest.raises(OSError, match=r"KEY_VALUES_MISMATCH|key values mismatch"):
        async with opened(tls={"certificateFile": certificate, "keyFile": key}):
            pass


async def test_address_that_is_taken_is_named() -> None:
    async with opened() as doors, AsyncExitStack() as stack:
        taken = doors.url.removeprefix("http://")
        with pytest.raises(OSError, match=f"the API cannot listen on {taken}: .*is another controller there"):
            await listen(stack, web.Application(), Server.model_validate({"api": taken}))


@pytest.mark.parametrize(("server", "words"), [
    ({}, "without credentials"),
    ({"access": {"tokens": known(ada="viewer")}}, "show tokens to the network"),
])  # fmt: skip
async def test_address_beyond_this_machine_needs_credentials_and_tls(server: dict[str, Any], words: str) -> None:
    spec = Server.model_validate(server | {"api": "0.0.0.0:9600"})
    async with AsyncExitStack() as stack:
        with pytest.raises(ValueError, match=words):
            await listen(stack, web.Application(), spec)


async def test_token_taken_out_of_the_documents_is_worth_nothing_at_once_and_one_that_is_over_too() -> None:
    tokens = known(ada="viewer", old="viewer")
    tokens[1]["expires"] = "2020-01-01"
    async with opened(access={"tokens": tokens}) as doors:
        before, over, guess = [await doors.who(f"{name}-token") for name in ("ada", "old", "eve")]
        doors.access = Access.model_validate({"tokens": known(bob="viewer")})
        after = await doors.who("ada-token")

    assert (before, over[0], guess[0], after[0]) == ((200, "ada"), 401, 401, 401)


async def test_token_of_the_identity_provider_opens_what_its_roles_may_do() -> None:
    async with issuing() as issuer:
        oidc = issuer.spec().model_dump(mode="json", by_alias=True)
        async with opened(access={"oidc": oidc}) as doors:
            looks = [await doors.who(issuer.token(roles=roles)) for roles in (["staff"], ["lead"], ["other"])]
            shown = {"headers": {"Authorization": f"Bearer {issuer.token(roles=['staff'])}"}}
            changes, body = await doors.ask("POST", "/change", **shown)
            doors.access = Access.model_validate({"oidc": oidc | {"audience": "another"}})
            after, _ = await doors.who(issuer.token())

    assert [status for status, _ in looks] == [200, 200, 403]
    assert (changes, after) == (403, 401)
    assert "u-1 is viewer; this needs operator" in body["detail"]


async def test_caller_that_asks_too_much_is_told_when_to_come_back_and_nobody_else_waits() -> None:
    rates = {"perSecond": 2, "burstSeconds": 2}
    async with opened(access={"tokens": known(ada="viewer", bob="viewer"), "rates": rates}) as doors:
        statuses = [(await doors.who("ada-token"))[0] for _ in range(6)]
        headers = {"Authorization": "Bearer ada-token"}
        async with aiohttp.ClientSession() as session, session.get(doors.url + "/who", headers=headers) as answer:
            retry_after, words = answer.headers["Retry-After"], (await answer.json(content_type=None))["detail"]
        other, _ = await doors.who("bob-token")
        doors.now_s += 0.5
        later = [(await doors.who("ada-token"))[0] for _ in range(2)]

    assert statuses == [200, 200, 200, 200, 429, 429]
    assert (retry_after, other, later) == ("1", 200, [200, 429])
    assert "more than 2 requests/s; try again in 0.5 s" in words


async def test_agents_have_a_rate_of_their_own() -> None:
    rates = {"perSecond": 1, "agentsPerSecond": 5, "burstSeconds": 1}
    async with opened(access={"tokens": known(gauge="agent"), "rates": rates}) as doors:
        shown = {"headers": {"Authorization": "Bearer gauge-token"}}
        statuses = [(await doors.ask("POST", "/telemetry", **shown))[0] for _ in range(6)]

    assert statuses == [200] * 5 + [429]


async def test_guesser_of_tokens_is_slowed_down_and_those_with_good_ones_are_not() -> None:
    async with opened(access={"tokens": known(ada="viewer"), "rates": {"failuresPerSecond": 1}}) as doors:
        guesses = [(await doors.who(f"guess-{i}"))[0] for i in range(6)]
        good, _ = await doors.who("ada-token")
        doors.now_s += 1.0
        again = [(await doors.who("guess"))[0] for _ in range(2)]

    assert guesses == [401] * 4 + [429] * 2
    assert (good, again) == (200, [401, 429])
