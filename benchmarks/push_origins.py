"""Whole tables to every kind of connector: 1,000 origins of 50 services, one after another.

Every push changes the weights of all services. One mesh of a kind stands for all origins, which take turns: a machine
does not hold a thousand proxies. A connector whose pushes take longer than the budget is cut off, and says after how
many.
"""

import asyncio
import contextlib
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.connector import Connector
from connectors.consul.connector import consul_connector
from connectors.dns.powerdns import powerdns_connector
from connectors.dns.spec import Names, PowerDnsSpec, UpdateSpec
from connectors.dns.update import update_connector
from connectors.http import Access
from connectors.kuma.connector import kuma_connector
from connectors.xds.foldermesh import folder_connector
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import WeightTable, table_of
from tests import real
from tests.contract.harness import CLUSTERS, ORIGIN, UNIT
from tests.contract.harness_dns import HOSTS, TSIG, ZONE, name_server
from tests.contract.harness_haproxy import haproxy
from tests.contract.harness_nginx import nginx
from tests.contract.harness_standin import consul_spec, kuma_spec
from tests.contract.harness_xds import envoy_files, xds_envoy
from tests.contract.standins import kuma as kuma_standin
from tests.contract.standins.consul import Consul
from tests.contract.standins.kuma import Kuma

SEED = 11
Open = Callable[[Path, int], AbstractAsyncContextManager[Connector]]
Endpoints = dict[tuple[ServiceId, ClusterId], tuple[tuple[str, int], ...]]


def services(count: int) -> list[str]:
    """Their names."""
    return [f"service-{number:02}" for number in range(count)]


def endpoints(count: int, hosts: dict[str, str]) -> Endpoints:
    """An address of every service in every cluster."""
    return {(ServiceId(s), ClusterId(c)): ((host, 80),) for s in services(count) for c, host in hosts.items()}


LOCAL = {cluster: f"127.0.0.{place}" for place, cluster in enumerate(CLUSTERS, start=21)}


@contextlib.asynccontextmanager
async def _envoy(folder: Path, count: int) -> AsyncIterator[Connector]:
    async with xds_envoy(folder, endpoints=endpoints(count, LOCAL)) as mesh:
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
        yield mesh.connector


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


@contextlib.asynccontextmanager
async def _consul(_: Path, count: int) -> AsyncIterator[Connector]:
    standin = Consul()
    await standin.start()
    book = {ServiceId(s): frozenset(map(ClusterId, CLUSTERS)) for s in services(count)}
    connector = consul_connector(replace(consul_spec(Access(standin.url)), clusters=book))
    yield connector
    await connector.close()
    await standin.stop()


@contextlib.asynccontextmanager
async def _kuma(_: Path, count: int) -> AsyncIterator[Connector]:
    kuma_standin.PAGE = 1_000
    standin = Kuma()
    await standin.start()
    book = {ServiceId(s): frozenset(map(ClusterId, CLUSTERS)) for s in services(count)}
    connector = kuma_connector(replace(kuma_spec(Access(standin.url)), clusters=book))
    yield connector
    await connector.close()
    await standin.stop()


PLANES: dict[str, tuple[Open, Callable[[], str | None]]] = {
    "xds-envoy": (_envoy, real.envoy_path), "envoy-files": (_envoy_files, real.envoy_path),
    "haproxy": (_haproxy, real.haproxy_path), "nginx": (_nginx, real.nginx_path),
    "powerdns": (_powerdns, real.powerdns_path), "dns-update": (_update, real.powerdns_path),
    "consul": (_consul, lambda: "stand-in"), "kuma": (_kuma, lambda: "stand-in"),
}  # fmt: skip


def push_all(names: list[str], origins: int, count: int, budget_s: float) -> dict[str, Any]:
    """The pushes of each connector that can be had here."""
    return {
        name: asyncio.run(push(PLANES[name][0], origins, count, budget_s)) for name in names if PLANES[name][1]()
    }  # fmt: skip


async def push(start: Open, origins: int, count: int, budget_s: float) -> dict[str, Any]:
    """Tables one after another; p50 and p99 of the time from the call of `write` to its receipt."""
    draw, times_ms = random.Random(SEED), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        async with start(Path(folder), count) as connector:
            end_s, cpu_s = time.monotonic() + budget_s, time.process_time()
            for number in range(1, origins + 1):
                wanted = weights(draw, count, number)
                begun_s = time.monotonic()
                await connector.write(wanted)
                times_ms.append(1e3 * (time.monotonic() - begun_s))
                if time.monotonic() > end_s:
                    break
            cpu_s = time.process_time() - cpu_s
    ordered = sorted(times_ms)
    return {
        "origins": len(times_ms), "origins_wanted": origins, "services": count,
        "p50_ms": statistics.median(ordered), "p99_ms": ordered[max(0, -(-99 * len(ordered) // 100) - 1)],
        "processor_ms_per_push": 1e3 * cpu_s / len(times_ms),
    }  # fmt: skip


def weights(draw: random.Random, count: int, version: int) -> WeightTable:
    """Other weights of all services; all destinations stay above 0."""
    rows = {}
    for service in services(count):
        first, second = draw.randint(1, UNIT // 2), draw.randint(1, UNIT // 2 - 1)
        shares = (first, second, UNIT - first - second)
        rows[service] = {c: (share, 0) for c, share in zip(CLUSTERS, shares, strict=True)}
    return table_of(ORIGIN, UNIT, rows, (1, version))


def line(name: str, found: dict[str, Any]) -> str:
    """One connector for people."""
    cut = "" if found["origins"] == found["origins_wanted"] else f" of {found['origins_wanted']}, cut off by the budget"
    return (
        f"{name:12} {found['origins']} origins{cut} x {found['services']} services: p50 {found['p50_ms']:.1f} ms, "
        f"p99 {found['p99_ms']:.1f} ms, {found['processor_ms_per_push']:.1f} ms of this process"
    )
