"""One cluster's services: a front end that calls a back end, both with real limits, in one process.

The front end reaches the back end through its own cluster's gateway, as through a mesh, so the routing of the
inner call is the controller's too. A worker of the front end is not held while the back end answers.

    python -m simulator.lab.cluster --cluster eu-west --frontend PORT --backend PORT --gateway PORT
"""

import argparse
import asyncio
from collections.abc import Sequence
from functools import partial

from aiohttp import web
from prometheus_client import generate_latest

from simulator.lab import overgrpc
from simulator.lab.places import WORKLOADS
from simulator.lab.workload import Ask, Meter, Running, inner_session


def application(ask: Ask, meter: Meter) -> web.Application:
    """The service over HTTP, with /healthz and /metrics beside it."""

    async def serve(_: web.Request) -> web.Response:
        answer = await ask()
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(meter.registry), content_type="text/plain")

    app = web.Application()
    app.add_routes([web.get("/healthz", healthy), web.get("/metrics", metrics), web.get("/{path:.*}", serve)])
    return app


async def start(app: web.Application, port: int) -> web.AppRunner:
    """Listen on the loopback; the caller cleans the runner up."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


async def main(arguments: argparse.Namespace) -> None:
    """Serve until killed."""
    meter = Meter()
    gateway = f"http://127.0.0.1:{arguments.gateway}/"
    servers: list[object] = []
    async with inner_session() as session:
        for seed, workload in enumerate(WORKLOADS.values(), start=arguments.seed):
            running = Running(arguments.cluster, workload, meter, gateway, seed)
            port = getattr(arguments, workload.name)
            # A gRPC server ends when nobody holds it any more.
            servers.append(await offer(partial(running.answer, session), meter, port, arguments.grpc))
        await asyncio.Event().wait()


async def offer(ask: Ask, meter: Meter, port: int, grpc: bool) -> object:
    """Open the port of one service; returns what serves it."""
    return await overgrpc.serve(ask, port) if grpc else await start(application(ask, meter), port)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--gateway", type=int, required=True, help="port of the cluster's own gateway")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grpc", action="store_true", help="offer the services over gRPC instead of HTTP")
    for name in WORKLOADS:
        parser.add_argument(f"--{name}", type=int, required=True, help=f"port of the {name}")
    return parser.parse_args(argv)


if __name__ == "__main__":
    asyncio.run(main(parse()))
