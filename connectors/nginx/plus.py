"""NGINX Plus by its API (version 9): weights change without a reload, and the running process is what is read back.

The upstreams need a `zone`, the API `write=on`, and the record a key-value zone:

    keyval_zone zone=equipoise:1m state=/var/lib/nginx/state/equipoise.json;

Server ids change at a reload, so every server is looked up by its address each time. What is not wanted is `down`.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.answers import Shape, Whole, side_by_side
from connectors.apidialect import ApiDialect
from connectors.connector import MeshLimits, Refused
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict, fitted
from connectors.fit import to_unit
from connectors.http import Access
from connectors.nginx.configuration import at
from connectors.record import record_of, record_text
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import Target, WeightTable

UNIT = 10_000
LIMITS = MeshLimits(unit=UNIT, standby=True, standbys_max=1, shed=False, targets_max=256, programmed=True)
"""One standby, because all servers that are `backup` share the requests."""
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class PlusSpec:
    """One NGINX Plus. A service is an upstream of that name, an endpoint of a cluster is a server of it."""

    origin: OriginId
    access: Access
    endpoints: Mapping[tuple[ServiceId, ClusterId], tuple[Address, ...]]
    keyval_zone: str = "equipoise"
    version: int = 9

    @property
    def services(self) -> tuple[ServiceId, ...]:
        """Our upstreams."""
        return tuple(sorted({service for service, _ in self.endpoints}))

    def clusters(self, service: ServiceId) -> frozenset[ClusterId]:
        """Where a service has endpoints."""
        return frozenset(cluster for owner, cluster in self.endpoints if owner == service)


class Server(Shape):
    """A server of an upstream, as the API shows it."""

    id: Whole
    server: str
    weight: Whole = 1
    backup: bool = False
    down: bool = False


class _Peer(Shape):
    id: Whole
    server: str
    weight: Whole = 1
    backup: bool = False
    state: str = "up"


class _Upstream(Shape):
    peers: list[_Peer]


Upstreams = Mapping[ServiceId, tuple[Server, ...]]


@dataclass(frozen=True, slots=True)
class State:
    """Servers of our upstreams, and whether there is a record."""

    servers: Upstreams
    recorded: bool


@dataclass(slots=True)
class PlusDialect(ApiDialect[PlusSpec]):
    """How one NGINX Plus is spoken to."""

    PRODUCT = "NGINX Plus"
    LIMITS = LIMITS

    async def look(self) -> Look[State]:
        """All upstreams, and the record in the key-value zone."""
        record = await self._record()
        answer = await self._edge.ask("GET", self._path("upstreams"), "upstreams")
        found = answer.understood(dict[str, _Upstream])
        servers = {
            service: tuple(_server(peer) for peer in found[service].peers)
            for service in self.spec.services if service in found
        }  # fmt: skip
        rows = {service: self._row_of(service, each) for service, each in servers.items()}
        return Look(record, {s: row for s, row in rows.items() if row is not None}, State(servers, record is not None))

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """Weights in 10,000ths, and the first standby."""
        return fitted(LIMITS, self.spec.clusters(service), (targets, shed, unit), self._named(service))

    async def put(self, seen: Look[State], record: WeightTable | None, changes: Changes) -> None:
        """The record, then each upstream: servers rise before others fall."""
        for service in changes:
            self._check(service, changes[service], seen.state.servers.get(service))
        await self._put_record(seen.state.recorded, record)
        await side_by_side(
            self._put_upstream(service, row, seen.state.servers[service])
            for service, row in changes.items() if row is not None
        )  # fmt: skip

    async def verdict(self, now: Look[State], table: WeightTable, rows: Rows) -> Verdict:
        """The API is that of the running process."""
        return Verdict(accepted=True, programmed=True)

    def _check(self, service: ServiceId, row: Row | None, servers: tuple[Server, ...] | None) -> None:
        if servers is None:
            raise Refused(f"{self._named(service)}: there is no such upstream with a zone; add it and reload")
        known = {server.server for server in servers if not server.backup}
        missing = [a for c in (row.weights if row else ()) for a in self._addresses(service, c) if a not in known]
        if missing:
            raise Refused(f"{self._named(service)}: upstream {service} has no server {missing[0]}; add it and reload")

    async def _put_upstream(self, service: ServiceId, row: Row, servers: tuple[Server, ...]) -> None:
        path, what = self._path(f"upstreams/{service}/servers"), f"upstream {service}"
        wanted = self._weights(service, row)
        rising: list[tuple[int, dict[str, Any]]] = []
        falling: list[tuple[int, dict[str, Any]]] = []
        for server in (each for each in servers if not each.backup):
            weight = wanted.get(server.server, 0)
            change: dict[str, Any] = {"weight": weight, "down": False} if weight else {"down": True}
            if (weight > 0) == server.down or (weight and weight != server.weight):
                up = weight > 0 and (server.down or weight > server.weight)
                (rising if up else falling).append((server.id, change))
        backups = {a for cluster in row.standbys for a in self._addresses(service, cluster)}
        known = {server.server: server.id for server in servers if server.backup}
        for address in sorted(backups - known.keys()):
            body = json.dumps({"server": address, "backup": True}).encode()
            await self._edge.ask("POST", path, f"{what}, backup {address}", body=body)
        for identity, change in (*rising, *falling):
            await self._edge.ask(
                "PATCH", f"{path}/{identity}", f"{what}, server {identity}", body=json.dumps(change).encode()
            )
        for address in sorted(known.keys() - backups):
            await self._edge.ask("DELETE", f"{path}/{known[address]}", f"{what}, backup {address}")

    def _weights(self, service: ServiceId, row: Row) -> dict[str, int]:
        """The weight of each server: an even part of that of its cluster, in numbers as small as they can be."""
        counts = {cluster: len(self._addresses(service, cluster)) for cluster in row.weights}
        scale = math.lcm(*counts.values())
        each = {cluster: weight * scale // counts[cluster] for cluster, weight in row.weights.items()}
        common = math.gcd(*each.values())
        return {a: weight // common for cluster, weight in each.items() for a in self._addresses(service, cluster)}

    def _row_of(self, service: ServiceId, servers: tuple[Server, ...]) -> Row | None:
        clusters = {a: c for c in self.spec.clusters(service) for a in self._addresses(service, c)}
        used = [server for server in servers if server.backup or not server.down]
        if any(server.server not in clusters for server in used):
            return None
        weights: dict[ClusterId, int] = {}
        for server in used:
            if not server.backup:
                weights[clusters[server.server]] = weights.get(clusters[server.server], 0) + server.weight
        standbys = dict.fromkeys(clusters[server.server] for server in used if server.backup)
        row = Row({c: w for c, w in to_unit(weights, UNIT).items() if w}, tuple(standbys))
        return row if self._weights(service, row) == {s.server: s.weight for s in used if not s.backup} else None

    async def _record(self) -> WeightTable | None:
        path = self._path(f"keyvals/{self.spec.keyval_zone}")
        answer = await self._edge.ask("GET", path, f"keyval zone {self.spec.keyval_zone}")
        text = answer.understood(dict[str, str]).get(self.origin)
        return record_of(text, answer.what) if text else None

    async def _put_record(self, recorded: bool, record: WeightTable | None) -> None:
        path, what = self._path(f"keyvals/{self.spec.keyval_zone}"), f"keyval zone {self.spec.keyval_zone}"
        if record is None and not recorded:
            return
        body = json.dumps({self.origin: record_text(record) if record is not None else None}).encode()
        await self._edge.ask("PATCH" if recorded else "POST", path, what, body=body)

    def _addresses(self, service: ServiceId, cluster: ClusterId) -> list[str]:
        return [at(address) for address in self.spec.endpoints[service, cluster]]

    def _path(self, rest: str) -> str:
        return f"/api/{self.spec.version}/http/{rest}"

    def _named(self, what: str) -> str:
        return f"{self.origin}: {self.where}, {what}"


def _server(peer: _Peer) -> Server:
    """`state` is `down` for a server that is configured so; failed checks say `unhealthy` or `unavail`."""
    return Server(id=peer.id, server=peer.server, weight=peer.weight, backup=peer.backup, down=peer.state == "down")


def plus_connector(spec: PlusSpec) -> FencedConnector[State]:
    """The connector of one NGINX Plus."""
    return FencedConnector(PlusDialect(spec))
