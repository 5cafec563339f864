"""Mutual TLS: real Envoys and gRPC clients that show a certificate, and everybody who is turned away."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from envoy.service.load_stats.v3 import lrs_pb2

from connectors.connector import Refused
from connectors.xds.bootstrap import ProxyTlsFiles
from connectors.xds.connector import XdsConnector
from connectors.xds.credentials import TlsFiles
from connectors.xds.resources import EDS
from connectors.xds.server import XdsServer
from tests.connectors.xds.proxy import LRS_METHOD, Proxy, turned_away
from tests.connectors.xds.specs import spec, table
from tests.contract.harness import ORIGIN, SERVICE, UNIT, eventually
from tests.contract.harness import table as contract_table
from tests.contract.harness_xds import xds_envoy, xds_grpc
from tests.scheduler.access.authority import Authority

SPIFFE = "spiffe://example.net/envoy/home"
TABLE = table((1, 1), east=(100, 0))


class Ground:
    """An authority, a server with its TLS, and proxies with certificates."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.tls = TlsFiles(*self.authority.signed("server"), self.authority.file)

    def shown(self, *named: str, trusting: str = "") -> grpc.ChannelCredentials:
        """What a proxy shows, by the files of a certificate, or nothing; and whom it trusts."""
        certificate, key = (Path(file).read_bytes() for file in named) if named else (None, None)
        return grpc.ssl_channel_credentials(Path(trusting or self.authority.file).read_bytes(), key, certificate)

    def put(self, certificate: str | bytes, key: bytes = b"") -> None:
        """Replace the files of the server."""
        for file, new in ((self.tls.certificate, certificate), (self.tls.key, key)):
            if new:
                Path(file).write_bytes(new if isinstance(new, bytes) else new.encode())


def contents(files: tuple[str, str]) -> tuple[bytes, bytes]:
    """Of a certificate and its key."""
    certificate, key = (Path(file).read_bytes() for file in files)
    return certificate, key


def elsewhere(folder: Path, name: str) -> Authority:
    """Another authority."""
    (folder / name).mkdir()
    return Authority(folder / name, name)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


@pytest.mark.parametrize("start", [xds_envoy, xds_grpc])
async def test_real_data_plane_that_shows_a_certificate_of_its_node_is_steered(
    start: Callable, ground: Ground, tmp_path: Path
) -> None:
    shown = ProxyTlsFiles(ground.authority.file, *ground.authority.signed(ORIGIN))

    async with start(tmp_path, ground.tls, shown) as mesh:
        receipt = await mesh.connector.write(contract_table({"east": UNIT}))

        assert receipt.accepted is True
        assert await mesh.send(SERVICE, 20) == {"east": 20}

        async def reported() -> bool:
            return bool(await mesh.reports.collect())

        await eventually(reported, "load reports come by TLS too")


@pytest.mark.parametrize("also", [x509.DNSName("home"), x509.UniformResourceIdentifier(SPIFFE)])
async def test_certificate_by_dns_name_or_uri_of_the_allowed_list_is_good(
    also: x509.GeneralName, ground: Ground
) -> None:
    server = XdsServer(tls=ground.tls)
    connector = XdsConnector(spec(subjects=frozenset({"home", SPIFFE})), server)
    port = await server.start("127.0.0.1", 0)
    shown = ground.shown(*ground.authority.signed("anything", [also]))

    async with Proxy(port, "home/1", tls=shown).connected() as proxy:
        await connector.write(TABLE)

        async def told() -> bool:
            return bool(proxy.held[EDS])

        await eventually(told, "it is served")
    await server.stop()


async def test_good_certificate_for_the_node_of_another_origin_is_turned_away_by_name(ground: Ground) -> None:
    server = XdsServer(tls=ground.tls)
    XdsConnector(spec(), server)
    port = await server.start("127.0.0.1", 0)
    shown = ground.shown(*ground.authority.signed("away"))

    code, words = await turned_away(port, "home", shown)

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert "certificate of away is not good for node id 'home'" in words
    async with Proxy(port, "home", tls=shown).channel() as channel:  # nor may it report load for it
        call = channel.stream_stream(LRS_METHOD)()
        await call.write(lrs_pb2.LoadStatsRequest(node={"id": "home"}).SerializeToString())
        assert await call.code() in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INTERNAL}
    await server.stop()


async def test_proxy_without_a_certificate_or_with_one_of_others_gets_no_connection(
    ground: Ground, tmp_path: Path
) -> None:
    server = XdsServer(tls=ground.tls)
    connector = XdsConnector(spec(), server)
    port = await server.start("127.0.0.1", 0)
    others = elsewhere(tmp_path, "others").signed("home")
    expired = ground.authority.signed("home", days=-1.0)

    for shown in (ground.shown(), ground.shown(*others), ground.shown(*expired), None):
        async with Proxy(port, "home", tls=shown).connected() as proxy:
            code, _ = await proxy.fate()
            assert code is grpc.StatusCode.UNAVAILABLE
    assert not connector.proxies
    await server.stop()


async def test_proxy_whose_certificate_is_taken_off_the_list_loses_its_stream(ground: Ground) -> None:
    server = XdsServer(tls=ground.tls)
    connector = XdsConnector(spec(), server)
    port = await server.start("127.0.0.1", 0)
    shown = ground.shown(*ground.authority.signed("home"))
    async with Proxy(port, "home", tls=shown).connected() as proxy:
        await connector.write(TABLE)

        async def known() -> bool:
            return bool(connector.proxies)

        await eventually(known, "it is connected")
        with pytest.raises(Refused, match="no endpoint of shop"):  # the rest of the documents may be wrong all the same
            await connector.replace_spec(spec(endpoints={}, subjects=frozenset({"house"})))

        code, _ = await proxy.fate()
        assert code in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INTERNAL}  # a reset can overtake the words
    assert not connector.proxies
    assert (await turned_away(port, "home", shown))[0] is grpc.StatusCode.PERMISSION_DENIED
    await server.stop()


async def test_renewed_certificate_is_shown_without_a_restart_and_a_torn_one_never(
    ground: Ground, tmp_path: Path
) -> None:
    server = XdsServer(tls=ground.tls)
    connector = XdsConnector(spec(), server)
    port = await server.start("127.0.0.1", 0)
    home = ground.authority.signed("home")
    ground.put("half a file")

    async with Proxy(port, "home", tls=ground.shown(*home)).connected():

        async def known() -> bool:
            return bool(connector.proxies)

        await eventually(known, "the one before is still shown")
    renewing = elsewhere(tmp_path, "next")
    ground.put(*contents(renewing.signed("server")))
    trusting = ground.shown(*home, trusting=renewing.file)
    async with Proxy(port, "home", tls=trusting).connected():
        await eventually(known, "the new one is shown")
    await server.stop()


def test_files_that_are_no_pair_are_refused_by_name_before_anything_listens(ground: Ground) -> None:
    certificate, _ = ground.authority.signed("one")
    _, key = ground.authority.signed("two")

    with pytest.raises(OSError, match=f"xdsTls: {certificate}"):
        TlsFiles(certificate, key, ground.authority.file).check()
    with pytest.raises(OSError, match="gone"):
        TlsFiles("gone", key, ground.authority.file).check()
