"""A real PowerDNS under the contract suite: steered by its HTTP API, and by dynamic updates (RFC 2136)."""

import asyncio
import contextlib
import ipaddress
import json
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import pytest

from connectors.connector import Connector, Unavailable
from connectors.dns import lua
from connectors.dns.powerdns import powerdns_connector
from connectors.dns.spec import Address, Names, PowerDnsSpec, UpdateSpec
from connectors.dns.update import update_connector
from connectors.http import Access, Edge
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import WeightTable
from tests import real
from tests.contract.backends import free_port
from tests.contract.children import child
from tests.contract.harness import CLUSTERS, ORIGIN, SERVICE, eventually, table

ZONE = "fleet.example."
KEY = "of-a-test"
SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
HOSTS = {cluster: f"127.0.0.{place}" for place, cluster in enumerate(CLUSTERS, start=11)}
"""Addresses of loopback that answers are told apart by."""
BROKEN = "broken"
"""A cluster in the address book whose address PowerDNS takes, and cannot answer with."""
SETTINGS = """\
launch=gsqlite3
gsqlite3-database={folder}/names.db
gsqlite3-dnssec=yes
gsqlite3-pragma-synchronous=0
local-address=127.0.0.1
local-port={dns}
socket-dir={folder}
api=yes
api-key={key}
webserver-address=127.0.0.1
webserver-port={api}
webserver-allow-from=127.0.0.1
enable-lua-records=yes
lua-health-checks-interval=1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
guardian=no
disable-syslog=yes
loglevel=4
"""


class PowerDnsHarness:
    """A name server, and the addresses behind its names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dns: Address = ("127.0.0.1", free_port())
        self.api = free_port()
        self.port = free_port()
        """The same at every address, as services have it."""
        self.alive: dict[str, asyncio.Server] = {}
        self.connector: Connector

    @property
    def access(self) -> Access:
        """The API."""
        return Access(f"http://127.0.0.1:{self.api}", lambda: {"X-API-Key": KEY})

    @property
    def names(self) -> Names:
        """SERVICE at the addresses, and one that is none."""
        book = {(ServiceId(SERVICE), ClusterId(c)): ((host, self.port),) for c, host in HOSTS.items()}
        return Names(OriginId(ORIGIN), ZONE, book, ttl_s=1)

    async def send(self, service: str, requests: int) -> Counter[str]:
        """Queries, each of a client without a cache."""
        return await asyncio.to_thread(resolve, self.dns, f"{service}.{ZONE}", requests)

    async def until(self, service: str, cluster: str) -> float:
        """The monotonic time of the first answer with a cluster, one query after another."""
        while cluster not in await self.send(service, 1):
            pass
        return time.monotonic()

    async def kill(self, cluster: str) -> None:
        """Nobody listens at its address."""
        self.alive.pop(cluster).close()

    async def revive(self, cluster: str) -> None:
        """Somebody does."""
        self.alive[cluster] = await asyncio.start_server(_hang_up, HOSTS[cluster], self.port)

    def refusable(self, given: WeightTable) -> WeightTable:
        """All to the cluster of which no answer can be made."""
        return table({BROKEN: given.unit}, fence=given.fence)

    async def cut(self) -> None:
        """Another address for the API."""
        self._dialect().spec = replace(self._dialect().spec, access=replace(self.access, url="http://127.0.0.1:1"))
        self._dialect().__post_init__()

    async def mend(self) -> None:
        """The right one."""
        self._dialect().spec = replace(self._dialect().spec, access=self.access)
        self._dialect().__post_init__()

    def _dialect(self) -> Any:
        return self.connector.dialect  # type: ignore[attr-defined]


def resolve(server: Address, name: str, requests: int) -> Counter[str]:
    """Counts by cluster of answers to one query after another; what is no address of one is an ERROR."""
    counts: Counter[str] = Counter()
    clusters = {ipaddress.ip_address(host).packed: cluster for cluster, host in HOSTS.items()}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.connect(server)
        wire = dns.message.make_query(name, "A", id=0).to_wire()
        for number in range(requests):
            asking.send(number.to_bytes(2, "big") + wire[2:])
            answer = asking.recv(4_096)
            lone = answer[:2] == number.to_bytes(2, "big") and answer[6:8] == b"\0\1" and not answer[3] & 15
            counts[(clusters.get(answer[-4:]) if lone else None) or f"ERROR {answer[2:8].hex()}"] += 1
    return counts


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def schema_of_sqlite() -> str:
    """The tables of its back end; skips the test without it."""
    if not SCHEMA.exists():
        pytest.skip("PowerDNS has no SQLite back end here")
    return SCHEMA.read_text()


@contextlib.asynccontextmanager
async def name_server(folder: Path, kind: type[PowerDnsHarness] = PowerDnsHarness) -> AsyncIterator[PowerDnsHarness]:
    """A PowerDNS with an empty zone; skips the test without one."""
    program, schema = real.require("powerdns"), schema_of_sqlite()
    harness = kind(folder)
    with contextlib.closing(sqlite3.connect(folder / "names.db")) as database:
        database.executescript(schema)
    settings = SETTINGS.format(folder=folder, dns=harness.dns[1], api=harness.api, key=KEY)
    (folder / "pdns.conf").write_text(settings)
    for cluster in CLUSTERS:
        await harness.revive(cluster)
    edge = Edge(harness.access, "test")
    try:
        async with child([program, f"--config-dir={folder}"], folder) as process:

            async def listening() -> bool:
                assert process.returncode is None, (folder / "output").read_text()
                try:
                    await edge.ask("GET", "/api/v1/servers/localhost", "start")
                except Unavailable:
                    return False
                return True

            await eventually(listening, "PowerDNS opens its API")
            zone = f'{{"name": "{ZONE}", "kind": "Native", "nameservers": ["ns.{ZONE}"]}}'
            await edge.ask("POST", "/api/v1/servers/localhost/zones", "zone", body=zone.encode())
            await allow_updates(edge)
            yield harness
    finally:
        await edge.close()
        for server in harness.alive.values():
            server.close()


@contextlib.asynccontextmanager
async def powerdns(folder: Path) -> AsyncIterator[PowerDnsHarness]:
    """Steered by its HTTP API."""
    async with name_server(folder) as harness:
        spec = PowerDnsSpec(with_broken(harness.names, "fe80::1%nowhere"), harness.access, harness.dns)
        harness.connector = powerdns_connector(spec)
        await warm(harness)
        yield harness
        await harness.connector.close()


def with_broken(names: Names, host: str) -> Names:
    """The address book with one more cluster, at an address that is none."""
    book: Mapping[tuple[ServiceId, ClusterId], tuple[Address, ...]] = names.endpoints
    return replace(names, endpoints={**book, (ServiceId(SERVICE), ClusterId(BROKEN)): ((host, 1),)})


TSIG = "c2VjcmV0LW9mLWEtdGVzdC1vbmx5LXNlY3JldA=="


async def allow_updates(edge: Edge) -> None:
    """A TSIG key, and the right to update the zone with it."""
    at = "/api/v1/servers/localhost"
    key = {"name": "tests", "algorithm": "hmac-sha256", "key": TSIG}
    await edge.ask("POST", f"{at}/tsigkeys", "key", body=json.dumps(key).encode())
    allowed = {"kind": "TSIG-ALLOW-DNSUPDATE", "metadata": ["tests"]}
    await edge.ask("POST", f"{at}/zones/{ZONE}/metadata", "key", body=json.dumps(allowed).encode())


async def warm(harness: PowerDnsHarness) -> None:
    """Let PowerDNS check the addresses, as one that runs for long has done: it believes that a new one is down."""
    check = "ifportup({port},{{'{host}','{nobody}'}},{{selector='all',backupSelector='all'}})"
    code = f'A ";local r={check} return {{{{r[#r]}}}}"'
    records = {c: code.format(port=harness.port, host=host, nobody=lua.NOBODY[4]) for c, host in HOSTS.items()}
    rrsets = [
        {"name": f"warm-{c}.{ZONE}", "type": "LUA", "ttl": 1, "changetype": "REPLACE", "records": [{"content": text}]}
        for c, text in records.items()
    ]
    edge = Edge(harness.access, "test")
    await edge.ask(
        "PATCH", f"/api/v1/servers/localhost/zones/{ZONE}", "warm", body=json.dumps({"rrsets": rrsets}).encode()
    )
    await edge.close()

    async def known() -> bool:
        answers = [set(await harness.send(f"warm-{cluster}", 1)) for cluster in HOSTS]
        return answers == [{cluster} for cluster in HOSTS]

    await eventually(known, "PowerDNS has checked the addresses")


class UpdateHarness(PowerDnsHarness):
    """Clients that follow SRV records as RFC 2782 tells them to; the choice is dnspython's."""

    async def send(self, service: str, requests: int) -> Counter[str]:
        """Choices of clients that connect to what they chose, and to the next where nobody is there."""
        query = dns.message.make_query(f"_{service}._tcp.{ZONE}", "SRV")
        answer = await dns.asyncquery.udp(query, self.dns[0], port=self.dns[1], timeout=5)
        found = next(iter(answer.answer), None)
        if found is None:
            return Counter({f"ERROR {answer.rcode()}": requests})
        clusters = {str(srv.target): str(srv.target).split(".")[1] for srv in found}
        orders = ([clusters[str(srv.target)] for srv in found.processing_order()] for _ in range(requests))
        return Counter(next((c for c in order if c in self.alive), "ERROR dead") for order in orders)

    async def cut(self) -> None:
        """Another address for the updates."""
        self._dialect().spec = replace(self._dialect().spec, server=("127.0.0.1", 1))

    async def mend(self) -> None:
        """The right one."""
        self._dialect().spec = replace(self._dialect().spec, server=self.dns)


@contextlib.asynccontextmanager
async def dns_update(folder: Path) -> AsyncIterator[PowerDnsHarness]:
    """Steered by dynamic updates."""
    async with name_server(folder, UpdateHarness) as harness:
        names = with_broken(harness.names, f"{64 * 'a'}.invalid")
        harness.connector = update_connector(UpdateSpec(names, harness.dns, "tests", lambda: TSIG))
        yield harness
