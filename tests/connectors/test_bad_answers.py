"""Bad answers to every connector over HTTP: said with origin, object and cause; nothing is written twice."""

import contextlib
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from connectors.avi import avi_connector
from connectors.aws.api import AwsAccess
from connectors.aws.groups import groups_connector
from connectors.aws.lattice import LatticeRules, RuleName
from connectors.aws.route53 import route53_connector
from connectors.connector import Connector, Refused, Unavailable
from connectors.consul.connector import consul_connector
from connectors.deadline import within
from connectors.dns.powerdns import powerdns_connector
from connectors.haproxy.dataplane import DataPlaneConnector
from connectors.http import Access, Edge
from connectors.kuma.connector import kuma_connector
from connectors.nginx.plus import plus_connector
from placement.fleet import ClusterId, OriginId, ServiceId
from tests.connectors.imposter import SPOILS, Imposter
from tests.contract.backends import free_port
from tests.contract.harness import ORIGIN, SERVICE, table
from tests.contract.harness_aws import REGION, alb, credentials, route53
from tests.contract.harness_dns import powerdns
from tests.contract.harness_haproxy import haproxy_dataplane
from tests.contract.harness_standin import CLUSTERS, avi_spec, consul_spec, kuma_spec, plus_spec
from tests.contract.standins.avi import Avi
from tests.contract.standins.consul import Consul
from tests.contract.standins.kuma import Kuma
from tests.contract.standins.lattice import Lattice
from tests.contract.standins.plus import Plus
from tests.contract.standins.standin import StandIn

SPLIT = {"east": 6_000, "north": 3_000, "west": 1_000}
OTHER = {"east": 1_000, "north": 2_000, "west": 7_000}
DEADLINE_S = 2.0
HURRY_S = 0.2
"""What the silence of a mesh costs in these tests."""
GROUPS = {f"tg-0123456789-{cluster}": cluster for cluster in CLUSTERS}


Found = tuple[str, Callable[[Access], Connector]]
"""Where an API is, and what makes a connector to it by another address."""
Open = Callable[[Path], AbstractAsyncContextManager[Found]]


def standing(make_standin: Callable[[], StandIn], connector: Callable[[Access], Connector]) -> Open:
    """A stand-in of ours."""

    @contextlib.asynccontextmanager
    async def opened(_: Path) -> AsyncIterator[Found]:
        standin = make_standin()
        await standin.start()
        try:
            yield standin.url, connector
        finally:
            await standin.stop()

    return opened


def lattice_connector(access: Access) -> Connector:
    book = {(ServiceId(SERVICE), ClusterId(cluster)): group for group, cluster in GROUPS.items()}
    name = RuleName("svc-0123456789abcdef0", "listener-0123456789abcdef0", "rule-0123456789abcdef0")
    rules = LatticeRules(OriginId(ORIGIN), aws(access), {ServiceId(SERVICE): name})
    return groups_connector(OriginId(ORIGIN), book, rules)


def aws(access: Access) -> AwsAccess:
    """The same address for AWS."""
    return AwsAccess(REGION, access.url, timeout_s=access.timeout_s)


@contextlib.asynccontextmanager
async def in_alb(folder: Path) -> AsyncIterator[Found]:
    """Moto's."""
    async with alb(folder) as mesh:
        dialect = mesh.connector.dialect  # type: ignore[attr-defined]
        yield (
            f"http://127.0.0.1:{mesh.port}",
            lambda access: groups_connector(dialect.origin, dialect.groups, replace(dialect.api, access=aws(access))),
        )


@contextlib.asynccontextmanager
async def in_route53(folder: Path) -> AsyncIterator[Found]:
    """Moto's."""
    async with route53(folder) as mesh:
        spec = mesh.connector.dialect.spec  # type: ignore[attr-defined]
        yield (
            f"http://127.0.0.1:{mesh.port}",
            lambda access: route53_connector(replace(spec, access=aws(access))),
        )


@contextlib.asynccontextmanager
async def in_powerdns(folder: Path) -> AsyncIterator[Found]:
    """A real one."""
    async with powerdns(folder) as mesh:
        spec = mesh.connector.dialect.spec  # type: ignore[attr-defined]

        def connector(access: Access) -> Connector:
            return powerdns_connector(replace(spec, access=replace(access, secret_headers=mesh.access.secret_headers)))

        yield mesh.access.url, connector


@contextlib.asynccontextmanager
async def in_dataplane(folder: Path) -> AsyncIterator[Found]:
    """A real HAProxy behind a stand-in of its API."""
    async with haproxy_dataplane(folder) as mesh:
        yield mesh.api.url, lambda access: DataPlaneConnector(mesh.rendered, access)  # type: ignore[attr-defined]


MESHES: dict[str, Open] = {
    "alb": in_alb,
    "avi": standing(
        lambda: Avi({f"10.0.0.{n}": c for n, c in enumerate(CLUSTERS, start=1)}),
        lambda access: avi_connector(avi_spec(access)),
    ),
    "consul": standing(Consul, lambda access: consul_connector(consul_spec(access))),
    "haproxy-dataplane": in_dataplane,
    "kuma": standing(Kuma, lambda access: kuma_connector(kuma_spec(access))),
    "lattice": standing(lambda: Lattice(GROUPS), lattice_connector),
    "nginx-plus": standing(Plus, lambda access: plus_connector(plus_spec(access))),
    "powerdns": in_powerdns,
    "route53": in_route53,
}


class Spoiled(NamedTuple):
    """An imposter that is honest so far, and connectors to it."""

    imposter: Imposter
    hurried: Connector
    patient: Connector
    deceived: Connector
    """To somebody else, whose certificate nobody vouches for."""


@contextlib.asynccontextmanager
async def spoiled(mesh: str, folder: Path) -> AsyncIterator[Spoiled]:
    """A mesh of one kind behind an imposter."""
    with credentials():
        async with tls_stranger(folder) as stranger, MESHES[mesh](folder) as (url, make_connector):
            imposter = Imposter(url)
            await imposter.start()
            places = ((imposter.url, HURRY_S), (imposter.url, 10.0), (stranger, 10.0))
            made = [make_connector(Access(at, timeout_s=limit_s)) for at, limit_s in places]
            try:
                yield Spoiled(imposter, *made)
            finally:
                for connector in made:
                    await connector.close()  # type: ignore[attr-defined]
                await imposter.stop()


@pytest.mark.parametrize("mesh", sorted(MESHES))
async def test_bad_answer_to_a_look_is_unavailable_or_refused_says_whose_and_why_and_writes_nothing(
    mesh: str, tmp_path: Path
) -> None:
    async with spoiled(mesh, tmp_path) as (imposter, hurried, patient, deceived):
        await patient.write(table(SPLIT))
        imposter.written.clear()
        for name, spoil in SPOILS.items():
            imposter.spoil = spoil
            for call in (hurried.read(), hurried.write(table(OTHER, fence=(1, 2)))):
                with pytest.raises((Unavailable, Refused)) as caught:
                    await within(DEADLINE_S, call, f"{ORIGIN}: look")

                said = str(caught.value)
                assert re.match(rf"{ORIGIN}: .+, .+: .+", said), f"{name}: {said}"
                assert len(said) < 700, f"{name}: {said}"
        for call in (deceived.read(), deceived.write(table(OTHER, fence=(1, 2)))):
            with pytest.raises(Unavailable, match=rf"{ORIGIN}: .*CERTIFICATE_VERIFY_FAILED"):
                await call

        assert imposter.written == []
        imposter.spoil = None
        read = await patient.read()
        assert read is not None
        assert read.content() == table(SPLIT).content()


@pytest.mark.parametrize("mesh", sorted(MESHES))
async def test_write_whose_answers_are_bad_sends_nothing_twice_and_a_later_one_lands(mesh: str, tmp_path: Path) -> None:
    async with spoiled(mesh, tmp_path) as (imposter, hurried, patient, _):
        for epoch, (name, spoil) in enumerate(SPOILS.items(), start=1):
            await patient.write(table(SPLIT, fence=(epoch, 1)))
            imposter.written.clear()
            imposter.spoil, imposter.spoil_writes_only = spoil, True

            with contextlib.suppress(Unavailable, Refused):
                await within(DEADLINE_S, hurried.write(table(OTHER, fence=(epoch, 2))), f"{ORIGIN}: write")

            twice = [sent for sent, times in Counter(imposter.written).items() if times > 1]
            assert not twice, f"{name}: {twice}"
            imposter.spoil = None
            await patient.write(table(OTHER, fence=(epoch, 3)))
            read = await patient.read()
            assert read is not None
            assert read.content() == table(OTHER, fence=(epoch, 3)).content(), name


async def test_certificate_is_believed_where_its_authority_is_named(tmp_path: Path) -> None:
    async with tls_stranger(tmp_path) as url:
        friend = Edge(Access(url, ca_file=str(tmp_path / "cert.pem")), "home: X")
        try:
            assert (await friend.ask("GET", "/", "thing")).understood(int) == 7
        finally:
            await friend.close()


@contextlib.asynccontextmanager
async def tls_stranger(folder: Path) -> AsyncIterator[str]:
    """A server whose certificate vouches for itself; it answers 7 to everything."""
    certificate, key = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    app, port = web.Application(), free_port()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
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
