"""What a service does with a request, whichever way it came: wait for a worker, be served, call on, be counted."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

from simulator.lab.places import Workload
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
            "lab_latency_seconds", "Wait and service, without the calls it makes.", ["service"],
            registry=self.registry, buckets=BUCKETS_S,
        )  # fmt: skip
        self.busy = Summary("lab_service_seconds", "Time with a worker.", ["service"], registry=self.registry)

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


Ask = Callable[[], Awaitable[Answer]]
"""Serves one request."""


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
            service_s = await self._workers.serve()
        except Full as full:
            return Answer(503, headers, str(full).encode())
        self._meter.busy.labels(self.workload.name).observe(service_s)
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


def inner_session() -> aiohttp.ClientSession:
    """The client for inner calls."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=INNER_TIMEOUT_S), connector=aiohttp.TCPConnector(limit=0)
    )
