"""The xDS connector in front of a real Envoy, and in front of proxyless gRPC clients."""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.connector import Unavailable
from connectors.http import Access
from connectors.xds.bootstrap import ProxyTlsFiles, envoy_bootstrap, grpc_bootstrap
from connectors.xds.connector import XdsConnector
from connectors.xds.credentials import TlsFiles
from connectors.xds.folder import EMPTY, folder_bootstrap
from connectors.xds.foldermesh import FolderSpec, folder_connector
from connectors.xds.load import LoadReports
from connectors.xds.server import XdsServer
from connectors.xds.spec import Address, HttpVersion, MeshSpec
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import WeightTable
from tests import real
from tests.contract import grpc_client, http_client
from tests.contract.backends import WHO, Backend, GrpcBackend, HttpBackend, free_port
from tests.contract.children import child, envoy
from tests.contract.harness import CLUSTERS, ORIGIN, SERVICE, eventually, table

BROKEN = "broken"
"""A cluster in the address book whose address no data plane can parse."""


class XdsHarness:
    """A control plane and its backends; a subclass adds the data plane."""

    def __init__(self, backends: Mapping[str, Backend], spec: MeshSpec) -> None:
        self.backends = backends
        self.port = free_port()
        self.spec = spec
        self.server = XdsServer()
        self.reports = LoadReports(self.spec, time.monotonic, interval_s=0.2)
        self.connector = XdsConnector(self.spec, self.server, self.reports)

    async def kill(self, cluster: str) -> None:
        """Close its port and connections."""
        await self.backends[cluster].stop()

    async def revive(self, cluster: str) -> None:
        """Open its port again."""
        await self.backends[cluster].start()

    def refusable(self, given: WeightTable) -> WeightTable:
        """All to the cluster whose address is none."""
        return table({BROKEN: given.unit}, fence=given.fence)

    async def cut(self) -> None:
        """Stop the control plane."""
        await self.server.stop()

    async def mend(self) -> None:
        """Start it at the same port, and wait for the proxy to come back."""
        await self.server.start("127.0.0.1", self.port)
        await self.connected()

    async def connected(self) -> None:
        """Wait until a proxy is there."""

        async def here() -> bool:
            return bool(self.connector.proxies)

        await eventually(here, "a proxy connects")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Backends and control plane while the block lasts."""
        try:
            for backend in self.backends.values():
                await backend.start()
            await self.server.start("127.0.0.1", self.port)
            yield
        finally:
            await self.server.stop()
            for backend in self.backends.values():
                await backend.stop()


class EnvoyHarness(XdsHarness):
    """One Envoy."""

    def __init__(self, **changes: Any) -> None:
        self.ingress_port, self.admin_port = free_port(), free_port()
        backends = {c: HttpBackend(c) for c in CLUSTERS}
        spec = mesh_spec(backends, "http1", ("127.0.0.1", self.ingress_port))
        super().__init__(backends, replace(spec, **changes))

    async def send(self, service: str, requests: int) -> Counter[str]:
        """HTTP/1.1 requests whose Host is the service."""
        return await http_client.send(self.ingress_port, service, requests)

    async def until(self, service: str, cluster: str) -> float:
        """The monotonic time of the first answer from a cluster, one request after another."""
        return await http_client.until(self.ingress_port, service, cluster)


class GrpcHarness(XdsHarness):
    """One proxyless client, with a connection on which it takes orders."""

    def __init__(self, **changes: Any) -> None:
        backends = {c: GrpcBackend(c) for c in CLUSTERS}
        super().__init__(backends, replace(mesh_spec(backends, "http2", None), **changes))
        self._client: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()

    async def send(self, service: str, requests: int) -> Counter[str]:
        """Calls on a channel to `xds:///<service>`."""
        return Counter(await self._order(f"{service} {requests}"))

    async def until(self, service: str, cluster: str) -> float:
        """The monotonic time of the first answer from a cluster, one call after another."""
        return float(await self._order(f"{service} until {cluster}"))

    async def _order(self, line: str) -> Any:
        reader, writer = await self._client
        writer.write(f"{line}\n".encode())
        return json.loads(await reader.readline())

    @contextlib.asynccontextmanager
    async def orders(self) -> AsyncIterator[int]:
        """The port on which the client takes orders, while the block lasts."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._client.set_result((reader, writer))

        desk = await asyncio.start_server(accept, "127.0.0.1", 0)
        try:
            yield desk.sockets[0].getsockname()[1]
        finally:
            desk.close()
            if self._client.done():
                self._client.result()[1].close()


def mesh_spec(backends: Mapping[str, Backend], protocol: HttpVersion, listener: Address | None) -> MeshSpec:
    """SERVICE in front of these backends, and in BROKEN."""
    service = ServiceId(SERVICE)
    found = {(service, ClusterId(cluster)): (("127.0.0.1", backend.port),) for cluster, backend in backends.items()}
    return MeshSpec(
        origin=OriginId(ORIGIN), node=ORIGIN, listener=listener, protocol={service: protocol},
        endpoints={**found, (service, ClusterId(BROKEN)): (("no-address.invalid", 1),)},
    )  # fmt: skip


@contextlib.asynccontextmanager
async def xds_envoy(
    folder: Path, tls: TlsFiles | None = None, shown: ProxyTlsFiles | None = None, **changes: Any
) -> AsyncIterator[EnvoyHarness]:
    """A real Envoy, with `changes` to the MeshSpec; skips the test where there is none."""
    path = real.require("envoy")
    harness = EnvoyHarness(**changes)
    harness.server.tls = tls
    bootstrap = envoy_bootstrap(f"{ORIGIN}/envoy", "contract", "127.0.0.1", harness.port, harness.admin_port, shown)
    async with harness.running(), envoy(path, bootstrap, folder):
        await harness.connected()
        yield harness


@contextlib.asynccontextmanager
async def xds_grpc(
    folder: Path, tls: TlsFiles | None = None, shown: ProxyTlsFiles | None = None, **changes: Any
) -> AsyncIterator[GrpcHarness]:
    """A real gRPC client, with `changes` to the MeshSpec."""
    harness = GrpcHarness(**changes)
    harness.server.tls = tls
    bootstrap = grpc_bootstrap(f"{ORIGIN}/client", "contract", "127.0.0.1", harness.port, shown)
    environment = {"GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(bootstrap)}
    async with harness.running(), harness.orders() as desk:
        services = sorted({service for service, _ in harness.spec.endpoints})
        command = [sys.executable, grpc_client.__file__, str(desk), WHO, *services]
        async with child(command, folder, environment):
            await harness.connected()
            yield harness


class FolderHarness:
    """One Envoy that watches a folder."""

    def __init__(self, folder: Path) -> None:
        self.ingress_port, admin_port = free_port(), free_port()
        self.backends = {c: HttpBackend(c) for c in CLUSTERS}
        (folder / "watched").mkdir()
        mesh = mesh_spec(self.backends, "http1", ("127.0.0.1", self.ingress_port))
        self.spec = FolderSpec(mesh, str(folder / "watched"), Access(f"http://127.0.0.1:{admin_port}"))
        self.bootstrap = folder_bootstrap(ORIGIN, "contract", self.spec.folder, admin_port)
        self.connector = folder_connector(self.spec)

    send, until, kill, revive = EnvoyHarness.send, EnvoyHarness.until, XdsHarness.kill, XdsHarness.revive
    refusable = XdsHarness.refusable

    async def cut(self) -> None:
        """Take the folder away."""
        await asyncio.to_thread(Path(self.spec.folder).rename, f"{self.spec.folder}.cut")

    async def mend(self) -> None:
        """Put it back."""
        await asyncio.to_thread(Path(f"{self.spec.folder}.cut").rename, self.spec.folder)


@contextlib.asynccontextmanager
async def envoy_files(folder: Path) -> AsyncIterator[FolderHarness]:
    """A real Envoy with no stream to a controller; skips the test where there is none."""
    path = real.require("envoy")
    harness = FolderHarness(folder)
    for name, text in EMPTY.items():
        (folder / "watched" / name).write_text(text)
    for backend in harness.backends.values():
        await backend.start()
    try:
        async with envoy(path, harness.bootstrap, folder):

            async def listening() -> bool:
                try:
                    return await harness.connector.read() is None
                except Unavailable:
                    return False

            await eventually(listening, "Envoy opens its admin interface")
            yield harness
    finally:
        await harness.connector.close()
        for backend in harness.backends.values():
            await backend.stop()
