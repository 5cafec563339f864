"""Bad answers to every connector over HTTP: said with origin, object and cause; nothing is written twice."""

import contextlib
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connectors.aws.api import AwsAccess
from connectors.aws.groups import groups_connector
from connectors.aws.lattice import LatticeRules, RuleName
from connectors.connector import Connector, Refused, Unavailable
from connectors.deadline import within
from connectors.http import Access, Edge
from placement.fleet import ClusterId, OriginId, ServiceId
from tests.connectors.imposter import SPOILS, Imposter
from tests.contract.backends import free_port
from tests.contract.harness import ORIGIN, SERVICE, table
from tests.contract.harness_aws import REGION, credentials
from tests.contract.harness_standin import (
    CLUSTERS,
    avi_spec,
    consul_spec,
    kuma_spec,
    plus_spec,
)
from tests.contract.standins.avi import Avi
from tests.contract.standins.consul import Consul
from tests.contract.standins.kuma import Kuma
from tests.contract.standins.lattice import Lattice
from tests.contract.standins.plus import Plus
from tests.contract.standins.standin import StandIn

SPLIT = {"east": 6_000, "north": 3_000, "west": 1_000}
OTHER = {"east": 1_000, "north": 2_000, "west": 7_000}
DEADLINE_S = 2.0
GROUPS = {f"tg-0123456789-{cluster}": cluster for cluster in CLUSTERS}


def lattice_connector(access: Access) -> Connector:
    book = {(ServiceId(SERVICE), ClusterId(cluster)): group for group, cluster in GROUPS.items()}
    name = RuleName("svc-0123456789abcdef0", "listener-0123456789abcdef0", "rule-0123456789abcdef0")
    rules = LatticeRules(OriginId(ORIGIN), AwsAccess(REGION, access.url, timeout_s=0.5), {ServiceId(SERVICE): name})
    return groups_connector(OriginId(ORIGIN), book, rules)


def make_avi(access: Access) -> Connector:
    from connectors.avi import avi_connector

    return avi_connector(avi_spec(access))


def make_consul(access: Access) -> Connector:
    from connectors.consul.connector import consul_connector

    return consul_connector(consul_spec(access))


def make_kuma(access: Access) -> Connector:
    from connectors.kuma.connector import kuma_connector

    return kuma_connector(kuma_spec(access))


def make_plus(access: Access) -> Connector:
    from connectors.nginx.plus import plus_connector

    return plus_connector(plus_spec(access))


MESHES: dict[str, tuple[Callable[[], StandIn], Callable[[Access], Connector]]] = {
    "avi": (lambda: Avi({f"10.0.0.{n}": c for n, c in enumerate(CLUSTERS, start=1)}), make_avi),
    "consul": (Consul, make_consul),
    "kuma": (Kuma, make_kuma),
    "lattice": (lambda: Lattice(GROUPS), lattice_connector),
    "nginx-plus": (Plus, make_plus),
}


@contextlib.asynccontextmanager
async def spoiled(mesh: str) -> AsyncIterator[tuple[Imposter, Connector]]:
    """A connector to a stand-in through an imposter that is honest so far."""
    make_standin, make_connector = MESHES[mesh]
    standin = make_standin()
    await standin.start()
    imposter = Imposter(standin.url)
    await imposter.start()
    connector = make_connector(Access(imposter.url, timeout_s=0.5))
    try:
        with credentials():
            yield imposter, connector
    finally:
        await connector.close()  # type: ignore[attr-defined]
        await imposter.stop()
        await standin.stop()


@pytest.mark.parametrize("mesh", sorted(MESHES))
async def test_read_of_a_bad_answer_is_unavailable_or_refused_and_says_whose_and_why(mesh: str) -> None:
    async with spoiled(mesh) as (imposter, connector):
        await connector.write(table(SPLIT))
        for name, spoil in SPOILS.items():
            imposter.spoil = spoil

            with pytest.raises((Unavailable, Refused)) as caught:
                await within(DEADLINE_S, connector.read(), f"{ORIGIN}: read")

            said = str(caught.value)
            assert re.match(rf"{ORIGIN}: .+, .+: .+", said), f"{name}: {said}"
            assert len(said) < 700, f"{name}: {said}"
        imposter.spoil = None
        read = await connector.read()
        assert read is not None
        assert read.content() == table(SPLIT).content()


@pytest.mark.parametrize("mesh", sorted(MESHES))
async def test_write_after_a_bad_look_writes_nothing(mesh: str) -> None:
    async with spoiled(mesh) as (imposter, connector):
        await connector.write(table(SPLIT))
        imposter.written.clear()
        for spoil in SPOILS.values():
            imposter.spoil = spoil
            with pytest.raises((Unavailable, Refused)):
                await within(DEADLINE_S, connector.write(table(OTHER, fence=(1, 2))), f"{ORIGIN}: write")

        assert imposter.written == []


@pytest.mark.parametrize("mesh", sorted(MESHES))
async def test_write_whose_answers_are_bad_sends_nothing_twice_and_a_later_one_lands(mesh: str) -> None:
    for place, (name, spoil) in enumerate(SPOILS.items()):
        async with spoiled(mesh) as (imposter, connector):
            await connector.write(table(SPLIT))
            imposter.written.clear()
            imposter.spoil, imposter.spoil_writes_only = spoil, True

            with contextlib.suppress(Unavailable, Refused):
                await within(DEADLINE_S, connector.write(table(OTHER, fence=(1, 2 + place))), f"{ORIGIN}: write")

            twice = [sent for sent, times in Counter(imposter.written).items() if times > 1]
            assert not twice, f"{name}: {twice}"
            imposter.spoil = None
            await connector.write(table(OTHER, fence=(2, 1)))
            read = await connector.read()
            assert read is not None
            assert read.content() == table(OTHER, fence=(2, 1)).content(), name


async def test_certificate_that_nobody_vouches_for_is_unavailable_and_named_so(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    app, port = web.Application(), free_port()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    access = Access(f"https://127.0.0.1:{port}")
    stranger, friend = Edge(access, "home: X"), Edge(replace(access, ca_file=str(certificate)), "home: X")
    try:
        with pytest.raises(Unavailable, match=r"home: X, thing: ConnectError: .*CERTIFICATE_VERIFY_FAILED"):
            await stranger.ask("GET", "/", "thing")

        assert (await friend.ask("GET", "/", "thing")).understood(int) == 7
    finally:
        await stranger.close()
        await friend.close()
        await runner.cleanup()


async def answer(_: web.Request) -> web.Response:
    return web.json_response(7)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    alternative: Any = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1)).add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
    return folder / "cert.pem", folder / "key.pem"
