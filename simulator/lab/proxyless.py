"""A gateway without Envoy, for platforms that have no wheel of it: gRPC's own xDS client behind a small HTTP server.

Users and services speak HTTP to it as to an Envoy; it picks the cluster as a proxyless client does, by the weights
that the controller serves, and calls the service there over gRPC. It keeps the same log of attempts, but gRPC does
not say where a failed call went, so failed ones are missing from it.

    GRPC_XDS_BOOTSTRAP_CONFIG=... python -m simulator.lab.proxyless --listen PORT --log FILE --destinations JSON
"""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import grpc
import grpc.aio
from aiohttp import web

from simulator.lab.cluster import start
from simulator.lab.overgrpc import METHOD, SERVICE, STATUS_HEADER
from simulator.lab.workload import CLUSTER_HEADER, INNER_HEADER, INNER_TIMEOUT_S

ATTEMPTS_MAX = 2
"""One retry, as the Envoys have."""


class Gateway:
    """Picks a cluster for every request, by the weights of the controller."""

    def __init__(self, destinations: Mapping[str, int], log: TextIO) -> None:
        """`destinations` has the port of each `cluster/service`, which stands in the log."""
        self._destinations, self._log = destinations, log
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def answer(self, request: web.Request) -> web.Response:
        """Pass one request on; 503 when no attempt reached a service."""
        service = request.host.partition(":")[0]
        words = ""
        for _ in range(ATTEMPTS_MAX):
            call = self._channel(service).unary_unary(f"/{SERVICE}/{METHOD}")(b"", timeout=INNER_TIMEOUT_S)
            try:
                body = await call
            except grpc.aio.AioRpcError as error:
                words = f"{error.code().name}: {error.details()}"
                continue
            headers = {str(name): str(value) for name, value in await call.initial_metadata()}
            self._note(service, headers)
            named = {name: headers[name] for name in (CLUSTER_HEADER, INNER_HEADER) if name in headers}
            return web.Response(status=int(headers[STATUS_HEADER]), headers=named, body=body)
        return web.Response(status=503, text=words)

    def _channel(self, service: str) -> grpc.aio.Channel:
        if service not in self._channels:
            self._channels[service] = grpc.aio.insecure_channel(f"xds:///{service}")
        return self._channels[service]

    def _note(self, service: str, headers: Mapping[str, str]) -> None:
        port = self._destinations[f"{headers[CLUSTER_HEADER]}/{service}"]
        self._log.write(f"{time.time():.6f} 127.0.0.1:{port} {service} {headers[STATUS_HEADER]} -\n")


async def serve(gateway: Gateway, port: int) -> None:
    """Serve until killed."""
    app = web.Application()
    app.add_routes([web.get("/{path:.*}", gateway.answer)])
    await start(app, port)
    await asyncio.Event().wait()


def main(arguments: argparse.Namespace) -> None:
    """Open the log and serve."""
    with Path(arguments.log).open("a", buffering=1) as log:
        asyncio.run(serve(Gateway(json.loads(arguments.destinations), log), arguments.listen))


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--destinations", required=True, help="port by cluster/service, as JSON")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(parse())
