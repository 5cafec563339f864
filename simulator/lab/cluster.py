"""One cluster's services: a front end that calls a back end, both with real limits, in one process.

The front end reaches the back end through its own cluster's gateway, as through a mesh, so the routing of the
inner call is the controller's too. A worker of the front end is not held while the back end answers.

    python -m simulator.lab.cluster --cluster eu-west --frontend PORT --backend PORT --gateway PORT
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from simulator.lab.places import WORKLOADS, Workload
from simulator.lab.workers import Full, Workers

CLUSTER_HEADER = "x-equipoise-cluster"
"""In every answer: the cluster that served it."""
INNER_HEADER = "x-equipoise-backend-cluster"
"""In the front end's answer: the cluster whose back end was called."""
INNER_TIMEOUT_S = 5.0
BUCKETS_S = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0)


class Meter:
    """What the services count, as Prometheus reads it."""

    def __init__(self) -> None:
        """An own registry: nothing of this process but the services."""
        self.registry = CollectorRegistry()
        self.requests = Counter("lab_requests", "Answers by code.", ["service", "code"], registry=self.registry)
        self.in_flight = Gauge("lab_in_flight", "Requests waiting or in service.", ["service"], registry=self.registry)
        self.capacity = Gauge("lab_capacity_rps", "Requests/s at full load.", ["service"], registry=self.registry)
        self.latency = Histogram(
            "lab_latency_seconds", "Time in the service, without the calls it makes.", ["service"],
            registry=self.registry, buckets=BUCKETS_S,
        )  # fmt: skip

    def watch(self, service: str, workers: Workers) -> None:
        """Read the gauges of a service off its workers."""
        self.capacity.labels(service).set(workers.capacity_rps)
        self.in_flight.labels(service).set_function(lambda: workers.waiting + workers.in_service)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service says to one request."""

    status: int
    headers: dict[str, str]
    body: bytes


class Running:
    """One service in one cluster."""

    def __init__(self, cluster: str, workload: Workload, meter: Meter, gateway: str, seed: int) -> None:
        """`gateway` is the URL of the cluster's own gateway; used only where the service calls another."""
        self.workload = workload
        self._cluster, self._meter, self._gateway = cluster, meter, gateway
        count = workload.replicas[cluster] * workload.workers_per_replica
        self._workers = Workers(count, workload.service_ms / 1e3, seed)
        self._body = b"x" * workload.response_bytes
        meter.watch(workload.name, self._workers)

    async def answer(self, session: aiohttp.ClientSession) -> Answer:
        """Serve one request: 200, 503 when full, 502 when the inner call failed."""
        answer = await self._serve(session)
        self._meter.requests.labels(self.workload.name, str(answer.status)).inc()
        return answer

    async def _serve(self, session: aiohttp.ClientSession) -> Answer:
        started_s = time.monotonic()
        headers = {CLUSTER_HEADER: self._cluster}
        try:
            await self._workers.serve()
        except Full as full:
            return Answer(503, headers, str(full).encode())
        self._meter.latency.labels(self.workload.name).observe(time.monotonic() - started_s)
        if self.workload.calls is None:
            return Answer(200, headers, self._body)
        inner = await self._call(session, self.workload.calls)
        return Answer(200, headers | {INNER_HEADER: inner}, self._body) if inner else Answer(502, headers, b"")

    async def _call(self, session: aiohttp.ClientSession, service: str) -> str:
        """The cluster that served the inner call; empty when nobody did."""
        try:
            async with session.get(self._gateway, headers={"Host": service}) as response:
                await response.read()
                return response.headers.get(CLUSTER_HEADER, "") if response.ok else ""
        except (aiohttp.ClientError, TimeoutError):
            return ""


def application(running: Running, meter: Meter, session: aiohttp.ClientSession) -> web.Application:
    """The service over HTTP, with /healthz and /metrics beside it."""

    async def serve(_: web.Request) -> web.Response:
        answer = await running.answer(session)
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


def inner_session() -> aiohttp.ClientSession:
    """The client for inner calls."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=INNER_TIMEOUT_S), connector=aiohttp.TCPConnector(limit=0)
    )


async def main(arguments: argparse.Namespace) -> None:
    """Serve until killed."""
    meter = Meter()
    gateway = f"http://127.0.0.1:{arguments.gateway}/"
    async with inner_session() as session:
        for seed, workload in enumerate(WORKLOADS.values(), start=arguments.seed):
            running = Running(arguments.cluster, workload, meter, gateway, seed)
            await start(application(running, meter, session), getattr(arguments, workload.name))
        await asyncio.Event().wait()


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--gateway", type=int, required=True, help="port of the cluster's own gateway")
    parser.add_argument("--seed", type=int, default=1)
    for name in WORKLOADS:
        parser.add_argument(f"--{name}", type=int, required=True, help=f"port of the {name}")
    return parser.parse_args(argv)


if __name__ == "__main__":
    asyncio.run(main(parse()))
