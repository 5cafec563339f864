"""Bad answers: whatever stands in for an API server says, the connector says Unavailable or Refused, and why."""

import asyncio
import contextlib
import json
import random
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.connector import Refused, Unavailable
from connectors.deadline import within
from connectors.kubernetes.answers import Missing, judged
from connectors.kubernetes.api import KubernetesApi, _event
from connectors.kubernetes.connector import KubernetesConnector
from connectors.kubernetes.consul import Consul
from connectors.kubernetes.dialect import Dialect
from connectors.kubernetes.gateway import GatewayApi, Parent, linkerd
from connectors.kubernetes.istio import IstioLocality, IstioSubsets
from connectors.kubernetes.kubeconfig import Access
from connectors.kubernetes.kuma import Kuma
from connectors.kubernetes.managers import declared_by_others, others
from connectors.kubernetes.marks import fence_of, row_of
from connectors.kubernetes.resource import CONFIG_MAP, covers, differing
from connectors.kubernetes.split import row_from
from tests.connectors.kubernetes.test_connector import SPLIT
from tests.contract.harness import table
from tests.contract.harness_kubernetes import spec_of
from tests.health.certificates import certificate, serving

SECRET = "abc123"  # noqa: S105  it is none
LATE_S = 0.3
HUGE = 10 * 1024 * 1024


def http(status: str, body: bytes, kind: str = "application/json", length: int | None = None, more: str = "") -> bytes:
    """An answer as it goes over the wire."""
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}content-length: {size}\r\n\r\n".encode() + body


def status(code: int, reason: str, message: str) -> bytes:
    """A Status of an API server."""
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message}).encode()


MAP = {"kind": "ConfigMap", "metadata": {"name": "equipoise-home", "annotations": 7}, "data": []}
BAD: dict[str, tuple[bytes, str]] = {
    "html": (http("200 OK", b"<html>Welcome to the portal</html>", "text/html"), "no JSON object .*Welcome"),
    "html-502": (http("502 Bad Gateway", b"<html>bad gateway</html>", "text/html"), "502 and no Status"),
    "html-404": (http("404 Not Found", b"<html>nothing here</html>", "text/html"), "404 and no Status"),
    "plain-404": (http("404 Not Found", b"404 page not found\n", "text/plain"), "404 and no Status"),
    "truncated": (http("200 OK", b'{"kind": "ConfigMap", "meta'), "no JSON object"),
    "short": (http("200 OK", b'{"kind"', length=4_000), "payload is not completed"),
    "error": (http("500 Internal Server Error", status(500, "InternalError", "etcd is down")), "etcd is down"),
    "busy": (http("429 Too Many Requests", status(429, "TooManyRequests", "slow down")), "slow down"),
    "denied": (http("403 Forbidden", status(403, "Forbidden", "no")), "equipoise rbac"),
    "stranger": (http("401 Unauthorized", status(401, "Unauthorized", "Unauthorized")), "token is not"),
    "redirect": (http("302 Found", b"", more="location: https://login.example/\r\n"), "redirected to https://login"),
    "number": (http("200 OK", b"17"), "no JSON object"),
    "array": (http("200 OK", b"[]"), "no JSON object"),
    "deep": (http("200 OK", b"[" * 100_000), "no JSON object"),
    "other": (http("200 OK", b'{"kind": "Pod", "metadata": {}}'), "the answer is Pod"),
    "wrong": (http("200 OK", json.dumps(MAP).encode()), "no list"),
    "huge": (http("200 OK", b" " * HUGE), "more than 8388608 bytes"),
    "not-http": (b"220 mail.example ESMTP\r\n", "Bad status line"),
    "nothing": (b"", "Server disconnected"),
    "empty": (http("200 OK", b""), "no JSON object"),
    "binary": (http("200 OK", bytes(range(256))), "no JSON object"),
}


@contextlib.asynccontextmanager
async def answering(answer: bytes, silent: bool = False) -> AsyncIterator[int]:
    """A server on loopback that says the same to everybody, or nothing at all."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if silent:
                await reader.read()
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def connector(server: str, **access: Any) -> KubernetesConnector:
    """One whose API server is there."""
    api = KubernetesApi("home", lambda: Access(server, token=SECRET, **access))
    return KubernetesConnector(spec_of("shop", ""), api, GatewayApi((Parent("shared"),)))


async def no(call: Callable[[], Any]) -> str:
    """What is said; anything but Unavailable and Refused is raised."""
    with pytest.raises((Unavailable, Refused)) as said:
        await within(5.0, call(), "home: test")
    return str(said.value)


@pytest.mark.parametrize("name", sorted(BAD))
async def test_bad_answer_is_unavailable_or_refused_and_names_origin_object_and_cause(name: str) -> None:
    answer, cause = BAD[name]
    async with answering(answer) as port:
        mesh = connector(f"http://127.0.0.1:{port}")
        for call in (mesh.read, lambda: mesh.write(table(SPLIT)), lambda: mesh.judge(table(SPLIT))):
            words = await no(call)
            assert words.startswith("home: ")
            assert "ConfigMap shop/equipoise-home" in words or "httproutes in shop" in words
            assert f"127.0.0.1:{port}" in words
            assert re.search(cause, words), words
            assert SECRET not in words
            assert len(words) < 1_000
        await mesh.api.close()


async def test_answer_that_does_not_come_ends_at_the_deadline() -> None:
    async with answering(b"", silent=True) as port:
        mesh = connector(f"http://127.0.0.1:{port}")
        with pytest.raises(Unavailable, match="home: read: no answer within"):
            await within(LATE_S, mesh.read(), "home: read")
        await mesh.api.close()


async def test_certificate_of_nobody_we_trust_is_unavailable_and_says_so(tmp_path: Path) -> None:
    trusted = certificate(tmp_path, "ours", 9).read_text(encoding="utf-8")
    for name, days, why in (
        ("localhost", 9, "CERTIFICATE_VERIFY_FAILED"),
        ("expired", -1, "CERTIFICATE_VERIFY_FAILED"),
    ):
        async with serving(certificate(tmp_path, name, days)) as port:
            mesh = connector(f"https://127.0.0.1:{port}", authority=trusted)
            assert why in await no(mesh.read)
            await mesh.api.close()


async def test_certificate_of_another_name_is_unavailable_and_the_right_name_is_not(tmp_path: Path) -> None:
    made = certificate(tmp_path, "api.example", 9)
    trusted = made.read_text(encoding="utf-8")
    missing = http("404 Not Found", status(404, "NotFound", "no such ConfigMap"))
    async with serving(made, missing) as port:
        mesh = connector(f"https://127.0.0.1:{port}", authority=trusted)
        assert "CERTIFICATE_VERIFY_FAILED" in await no(mesh.read)
        named = connector(f"https://127.0.0.1:{port}", authority=trusted, server_name="api.example")
        assert await named.api.find(CONFIG_MAP, "shop", "x") is None
        for each in (mesh, named):
            await each.api.close()


async def test_port_that_nobody_listens_on_is_unavailable() -> None:
    mesh = connector("http://127.0.0.1:1")

    assert "ClientConnectorError" in await no(mesh.read)
    await mesh.api.close()


WORDS = [
    "spec",
    "status",
    "metadata",
    "annotations",
    "rules",
    "backendRefs",
    "name",
    "weight",
    "parents",
    "conditions",
    "to",
    "default",
    "labels",
    "http",
    "route",
    "destination",
    "subset",
    "fault",
    "abort",
    "percentage",
    "value",
    "splits",
    "service",
    "type",
    "reason",
    "observedGeneration",
    "generation",
    "managedFields",
    "fieldsV1",
    "manager",
    "operation",
    "trafficPolicy",
    "loadBalancer",
    "localityLbSetting",
    "distribute",
    "parentRefs",
    "equipoise.dev/row",
    "equipoise.dev/epoch",
    "equipoise.dev/version",
    "kuma.io/zone",
    "f:spec",
    "lastSyncedTime",
    "items",
    "details",
    "kind",
    "metadata",
    "spec",
    "status",
    "rules",
    "http",
    "to",
    "splits",
    "backendRefs",
    "route",
    "weight",
    "weight",
    "parents",
    "conditions",
]
LEAVES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    3.5,
    2**40,
    1e308,
    float("inf"),
    "",
    "True",
    "Accepted",
    "7",
    "7" * 30,
    "[1]",
    "\u2028",
)


def anything(rng: random.Random, depth: int = 6) -> Any:
    """A JSON value of any shape, with the keys that are looked for."""
    kind = rng.random() if depth else 0.0
    if kind < 0.3:
        return rng.choice(LEAVES)
    if kind < 0.5:
        return [anything(rng, depth - 1) for _ in range(rng.randrange(3))]
    return {rng.choice(WORDS): anything(rng, depth - 1) for _ in range(rng.randrange(6))}


def objects(seed: int, count: int) -> list[dict[str, Any]]:
    """Objects of an API that somebody else made up."""
    rng = random.Random(seed)
    return [{rng.choice(WORDS): anything(rng) for _ in range(6)} for _ in range(count)]


DIALECTS: dict[str, Dialect] = {
    "consul": Consul(),
    "gateway": GatewayApi((Parent("shared"),)),
    "istio-locality": IstioLocality("eu"),
    "istio-subsets": IstioSubsets(),
    "kuma": Kuma(),
    "linkerd": linkerd(80),
}


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_object_of_any_shape_is_read_without_an_error(name: str) -> None:
    dialect, spec = DIALECTS[name], spec_of("shop", "east")
    (place,) = spec.places.values()
    for live, before in zip(objects(1, 400), [None, *objects(2, 399)], strict=True):
        targets, shed = row_from(dialect.found(spec, place, live), 10_000)
        assert sum(target.weight for target in targets) + shed == 10_000, live
        assert dialect.word(place, live, before).accepted in {True, False, None}
        with contextlib.suppress(Refused):
            assert dialect.weighted(live).startswith("/spec/")


def test_marks_and_managers_of_any_shape_are_read_without_an_error() -> None:
    for live in objects(3, 500):
        assert fence_of(live) is None or len(fence_of(live) or ()) == 2
        assert row_of(live) is None
        assert isinstance(others(live, "equipoise"), list)
        assert declared_by_others(live, "equipoise") in {True, False}
        assert covers(live, live)
        assert not list(differing(live, live))


def test_group_of_which_a_server_serves_nothing_is_missing_by_the_word_of_an_api_server_alone() -> None:
    page = b"404 page not found\n"

    with pytest.raises(Missing, match="are its CRDs installed"):
        judged("home: list things", 404, {"audit-id": "1"}, page)
    with pytest.raises(Unavailable, match="404 and no Status"):
        judged("home: list things", 404, {}, page)


def test_answer_of_any_shape_is_an_object_or_a_no() -> None:
    rng = random.Random(4)
    for thing in [*objects(5, 400), None, 1, [], "x"]:
        whole = json.dumps(thing | {"kind": "Status"} if isinstance(thing, dict) else thing).encode()
        body, code = (
            whole[: rng.choice([len(whole), rng.randrange(len(whole))])],
            rng.choice([200, 301, 400, 409, 410, 500]),
        )
        with contextlib.suppress(Unavailable, Refused):
            assert isinstance(judged("home: get x", code, {}, body), dict)
            assert code < 300
        with contextlib.suppress(Unavailable):
            assert _event(body, "home: watch x")[0] in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}
