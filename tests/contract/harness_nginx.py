"""A real NGINX, steered by the file that it includes, under the contract suite."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.connector import Unavailable
from connectors.nginx.configuration import configuration
from connectors.nginx.connector import NginxDialect, nginx_connector
from connectors.nginx.spec import Address, NginxSpec
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import WeightTable
from tests import real
from tests.contract import http_client
from tests.contract.backends import HttpBackend, free_port
from tests.contract.children import child
from tests.contract.harness import CLUSTERS, ORIGIN, SERVICE, eventually, table

BROKEN = "broken"
"""A cluster in the address book whose address NGINX cannot resolve."""
MAIN = """\
daemon off;
worker_processes {workers};
pid nginx.pid;
error_log error.log;
worker_shutdown_timeout 1s;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include equipoise.conf;
}
"""


class NginxHarness:
    """One NGINX between its backends and the connector."""

    def __init__(self, program: str, folder: Path, **changes: Any) -> None:
        self.backends = {cluster: HttpBackend(cluster) for cluster in CLUSTERS}
        self.ingress_port = free_port()
        (folder / "steered").mkdir()
        self.file = folder / "steered" / "equipoise.conf"
        book = {cluster: (("127.0.0.1", backend.port),) for cluster, backend in self.backends.items()}
        self.rendered = replace(self._spec(program, folder, book), **changes)
        endpoints = {**self.rendered.endpoints, (ServiceId(SERVICE), ClusterId(BROKEN)): (("no-address.invalid", 1),)}
        self.spec = replace(self.rendered, endpoints=endpoints)
        self.connector = nginx_connector(self.spec)

    def _spec(self, program: str, folder: Path, book: dict[str, tuple[Address, ...]]) -> NginxSpec:
        endpoints = {(ServiceId(SERVICE), ClusterId(cluster)): addresses for cluster, addresses in book.items()}
        command = (program, "-p", str(folder), "-c", "nginx.conf")
        listener, status = ("127.0.0.1", self.ingress_port), ("127.0.0.1", free_port())
        return NginxSpec(
            OriginId(ORIGIN), str(self.file), endpoints, listener, status, command, fails_max=1, fail_timeout_s=1
        )

    async def send(self, service: str, requests: int) -> Counter[str]:
        """HTTP/1.1 requests whose Host is the service."""
        return await http_client.send(self.ingress_port, service, requests)

    async def until(self, service: str, cluster: str) -> float:
        """The monotonic time of the first answer from a cluster, as of a client that opens a connection anew.

        A reload closes what is open and idle; what is lost by that, `send` counts.
        """
        while True:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                return await http_client.until(self.ingress_port, service, cluster)

    async def kill(self, cluster: str) -> None:
        """Close its port and connections."""
        await self.backends[cluster].stop()

    async def revive(self, cluster: str) -> None:
        """Open its port again."""
        await self.backends[cluster].start()

    def refusable(self, given: WeightTable) -> WeightTable:
        """All to the cluster that NGINX cannot resolve."""
        return table({BROKEN: given.unit}, fence=given.fence)

    async def cut(self) -> None:
        """Take the folder of the file away."""
        self.file.parent.rename(self.file.parent.with_suffix(".cut"))

    async def mend(self) -> None:
        """Put it back."""
        self.file.parent.with_suffix(".cut").rename(self.file.parent)


@contextlib.asynccontextmanager
async def nginx(
    folder: Path, *, workers: int = 1, first: Callable[[str], str] = str, **changes: Any
) -> AsyncIterator[NginxHarness]:
    """A real NGINX with what `first` makes of the file that we print for a spec with `changes`; skips without one."""
    harness = NginxHarness(real.require("nginx"), folder, **changes)
    harness.file.write_text(first(configuration(harness.rendered, {})))
    main = MAIN.replace("{workers}", str(workers)).replace("include equipoise.conf", f"include {harness.file}")
    (folder / "nginx.conf").write_text(main)
    for backend in harness.backends.values():
        await backend.start()
    try:
        async with child([*harness.rendered.program], folder) as process:

            async def listening() -> bool:
                assert process.returncode is None, (folder / "output").read_text()
                try:
                    await NginxDialect(harness.rendered).running()
                except Unavailable:
                    return False
                return True

            await eventually(listening, "NGINX answers")
            yield harness
    finally:
        await harness.connector.close()
        for backend in harness.backends.values():
            await backend.stop()
