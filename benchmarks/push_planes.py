"""Meshes of many services whose data plane is a real program on this machine."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.push_tables import LOCAL, Open, endpoints, services
from connectors.connector import Connector
from connectors.dns.powerdns import powerdns_connector
from connectors.dns.spec import Names, PowerDnsSpec, UpdateSpec
from connectors.dns.update import update_connector
from connectors.nginx.connector import nginx_connector
from connectors.xds.foldermesh import folder_connector
from placement.fleet import OriginId, ServiceId
from tests import real
from tests.contract.harness import ORIGIN
from tests.contract.harness_dns import HOSTS, TSIG, ZONE, name_server
from tests.contract.harness_haproxy import haproxy
from tests.contract.harness_nginx import nginx
from tests.contract.harness_xds import envoy_files, xds_envoy, xds_grpc


@contextlib.asynccontextmanager
async def _envoy(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with xds_envoy(folder, endpoints=endpoints(count, LOCAL)) as mesh:
        yield mesh.connector


@contextlib.asynccontextmanager
async def _grpc(folder: Path, count: int) -> AsyncIterator[Connector]:
    protocol = {ServiceId(service): "http2" for service in services(count)}
    async with xds_grpc(folder, endpoints=endpoints(count, LOCAL), protocol=protocol) as mesh:
        yield mesh.connector


@contextlib.asynccontextmanager
async def _envoy_files(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with envoy_files(folder) as mesh:
        spec = replace(mesh.spec, mesh=replace(mesh.spec.mesh, endpoints=endpoints(count, LOCAL)))
        connector = folder_connector(spec)
        yield connector
        await connector.close()


@contextlib.asynccontextmanager
async def _haproxy(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with haproxy(folder, endpoints=endpoints(count, LOCAL)) as mesh:
        mesh.connector.spec = mesh.rendered
        yield mesh.connector


@contextlib.asynccontextmanager
async def _nginx(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with nginx(folder, endpoints=endpoints(count, LOCAL), workers_max=10_000) as mesh:
        connector = nginx_connector(mesh.rendered)
        yield connector
        await connector.close()


@contextlib.asynccontextmanager
async def _powerdns(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with name_server(folder) as mesh:
        names = Names(OriginId(ORIGIN), ZONE, endpoints(count, HOSTS), ttl_s=1)
        connector = powerdns_connector(PowerDnsSpec(names, mesh.access, mesh.dns))
        yield connector
        await connector.close()


@contextlib.asynccontextmanager
async def _update(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with name_server(folder) as mesh:
        names = Names(OriginId(ORIGIN), ZONE, endpoints(count, HOSTS), ttl_s=1)
        yield update_connector(UpdateSpec(names, mesh.dns, "tests", lambda: TSIG))


PLANES: dict[str, tuple[Open, Callable[[], str | None]]] = {
    "xds-envoy": (_envoy, real.envoy_path), "envoy-files": (_envoy_files, real.envoy_path),
    "xds-grpc": (_grpc, lambda: "grpcio"), "haproxy": (_haproxy, real.haproxy_path),
    "nginx": (_nginx, real.nginx_path), "powerdns": (_powerdns, real.powerdns_path),
    "dns-update": (_update, real.powerdns_path),
}  # fmt: skip
"""How each is opened, and where the program is that it needs."""
