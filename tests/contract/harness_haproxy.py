"""A real HAProxy, steered over its runtime socket, under the contract suite."""

import contextlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.connector import Unavailable
from connectors.haproxy.configuration import configuration
from connectors.haproxy.connector import HaproxyConnector
from connectors.haproxy.dataplane import DataPlaneConnector
from connectors.haproxy.runtime import ask
from connectors.haproxy.spec import Address, HaproxySpec
from connectors.haproxy.statistics import HaproxyStatistics
from connectors.http import Access
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import WeightTable
from tests import real
from tests.contract import http_client
from tests.contract.backends import HttpBackend, free_port
from tests.contract.children import child
from tests.contract.harness import CLUSTERS, ORIGIN, SERVICE, eventually, table
from tests.contract.standins.dataplane import DataPlane

BROKEN = "broken"
"""A cluster in the address book that HAProxy has no server of."""
FAST_CHECKS = "inter 100ms fall 2 rise 1"
"""Instead of HAProxy's own pace, so that a test does not wait 6 s for it."""


class HaproxyHarness:
    """One HAProxy between its backends and the connector."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.backends = {cluster: HttpBackend(cluster) for cluster in CLUSTERS}
        self.ingress_port = free_port()
        self.socket = folder / "haproxy.sock"
        book = {cluster: (("127.0.0.1", backend.port),) for cluster, backend in self.backends.items()}
        self.rendered = replace(spec_of(book, self.socket, ("127.0.0.1", self.ingress_port)), **changes)
        known = spec_of(book | {BROKEN: (("127.0.0.1", 1),)}, self.socket)
        self.statistics = HaproxyStatistics(known, time.monotonic)
        self.connector = HaproxyConnector(known, self.statistics)

    async def send(self, service: str, requests: int) -> Counter[str]:
        """HTTP/1.1 requests whose Host is the service."""
        found = await http_client.send(self.ingress_port, service, requests)
        with contextlib.suppress(Unavailable):
            await self.statistics.collect()
        return found

    async def until(self, service: str, cluster: str) -> float:
        """The monotonic time of the first answer from a cluster, one request after another."""
        return await http_client.until(self.ingress_port, service, cluster)

    async def kill(self, cluster: str) -> None:
        """Close its port and connections."""
        await self.backends[cluster].stop()

    async def revive(self, cluster: str) -> None:
        """Open its port again."""
        await self.backends[cluster].start()

    def refusable(self, given: WeightTable) -> WeightTable:
        """All to the cluster that HAProxy does not know."""
        return table({BROKEN: given.unit}, fence=given.fence)

    async def cut(self) -> None:
        """Take the socket away."""
        self.socket.rename(self.socket.with_suffix(".cut"))

    async def mend(self) -> None:
        """Put it back."""
        self.socket.with_suffix(".cut").rename(self.socket)


def spec_of(book: dict[str, tuple[Address, ...]], socket: Path, listener: Address | None = None) -> HaproxySpec:
    """SERVICE at these addresses."""
    endpoints = {(ServiceId(SERVICE), ClusterId(cluster)): addresses for cluster, addresses in book.items()}
    return HaproxySpec(OriginId(ORIGIN), str(socket), str(socket.with_suffix(".map")), endpoints, listener)


@contextlib.asynccontextmanager
async def haproxy(
    folder: Path,
    checks: str = FAST_CHECKS,
    kind: "type[HaproxyHarness]" = HaproxyHarness,
    *,
    drills: bool = True,
    **changes: Any,
) -> AsyncIterator[HaproxyHarness]:
    """A real HAProxy with the configuration that we print for a spec with `changes`; skips the test without one."""
    path = real.require("haproxy")
    harness = kind(folder, **changes)
    for backend in harness.backends.values():
        await backend.start()
    try:
        async with running(path, harness.rendered, folder, checks, drills=drills):
            yield harness
    finally:
        for backend in harness.backends.values():
            await backend.stop()


@contextlib.asynccontextmanager
async def running(
    path: str, spec: HaproxySpec, folder: Path, checks: str = FAST_CHECKS, *, drills: bool = True
) -> AsyncIterator[None]:
    """An HAProxy with the configuration that we print for a spec, its checks at another pace."""
    text = configuration(spec)
    if not drills:  # as an older `equipoise bootstrap` printed it
        head, *backends = re.split(r"\n(?=backend )", text.replace("if leased drawn", "if FALSE"))
        text = "\n".join([head, *(part for part in backends if ":drill" not in part.partition("\n")[0])])
    (folder / "haproxy.cfg").write_text(text.replace("inter 2s fall 3 rise 2", checks))
    for kept in ("haproxy.map", "haproxy.state"):
        (folder / kept).touch()
    async with child([path, "-db", "-f", "haproxy.cfg"], folder) as process:

        async def listening() -> bool:
            assert process.returncode is None, (folder / "output").read_text()
            try:
                await ask(spec.socket, "show info", "start")
            except Unavailable:
                return False
            return True

        await eventually(listening, "HAProxy opens its socket")
        yield


class DataPlaneHarness(HaproxyHarness):
    """A real HAProxy, steered over a stand-in of the API that stands beside it."""

    api: DataPlane

    async def cut(self) -> None:
        """The API is gone."""
        await self.api.stop()

    async def mend(self) -> None:
        """It is back."""
        await self.api.start()


@contextlib.asynccontextmanager
async def haproxy_dataplane(folder: Path, **changes: Any) -> AsyncIterator[HaproxyHarness]:
    """A real HAProxy behind its Data Plane API, which is a stand-in."""
    async with haproxy(folder, kind=DataPlaneHarness, **changes) as harness:
        assert isinstance(harness, DataPlaneHarness)
        harness.api = DataPlane(harness.rendered)
        await harness.api.start()
        spec = harness.rendered if changes else harness.connector.spec
        harness.connector = DataPlaneConnector(spec, Access(harness.api.url))
        try:
            yield harness
        finally:
            await harness.connector.close()
            await harness.api.stop()
