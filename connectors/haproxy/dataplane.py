"""HAProxy by its Data Plane API (v3): what is written there is in the configuration file too, and outlives a reload.

A server is replaced outside of a transaction, with the version of the configuration that was read: the API answers 409
where somebody else was faster, and brings a change of weight, address or maintenance into the running process at once,
without a reload. The map is written with `force_sync`, which stores it as well.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field

from connectors.answers import Shape, Whole, side_by_side
from connectors.connector import MeshLimits, Refused
from connectors.haproxy.connector import LIMITS as RUNTIME_LIMITS
from connectors.haproxy.connector import HaproxyConnector
from connectors.haproxy.programmed import WEIGHT_MAX, Programmed, Server, ServerKey
from connectors.haproxy.spec import FENCE_KEY, HaproxySpec
from connectors.http import Access, Edge

LIMITS = replace(RUNTIME_LIMITS, achieved=False)
AT = "/v3/services/haproxy"
SERVER = "server"
NO_DRILLS = "drills of an HAProxy go over its runtime socket, which the Data Plane API does not stand for"


class _Server(Shape):
    name: str
    address: str = ""
    port: Whole | None = None
    weight: Whole | None = None
    maintenance: str | None = None


class _Stat(Shape):
    weight: Whole | None = None
    status: str = ""


class _Native(Shape):
    backend: str | None = Field(alias="backend_name", default=None)
    name: str | None = None
    kind: str = Field(alias="type", default="")
    stats: _Stat = _Stat()


class _Stats(Shape):
    stats: list[_Native]


class _Entry(Shape):
    key: str
    value: str


class DataPlaneConnector(HaproxyConnector):
    """A connectors.connector.Connector for the HAProxy of one origin, over the API that stands beside it.

    Table and fence are in a map, as for the runtime socket; weights are those of the running process.
    """

    def __init__(self, spec: HaproxySpec, access: Access) -> None:
        super().__init__(replace(spec, socket=access.shown))
        self._edge = Edge(access, f"{spec.origin}: HAProxy at {access.shown}")
        self._raw: dict[ServerKey, dict[str, Any]] = {}
        self._version = 0
        self._unfit = NO_DRILLS

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return LIMITS

    async def close(self) -> None:
        """Give up the connections."""
        await self._edge.close()

    async def _now(self) -> Programmed:
        """The version first: whatever changes after it makes the first write fail."""
        version = await self._edge.ask("GET", f"{AT}/configuration/version", "version")
        self._version = version.understood(int)
        found = await self._edge.ask("GET", f"{AT}/stats/native", "statistics", params={"type": SERVER})
        running = {(n.backend or "", n.name or ""): n.stats for n in found.understood(_Stats).stats if n.kind == SERVER}
        backends = sorted(self.spec.services)
        parts = await side_by_side(self._servers(backend, running) for backend in backends)
        return Programmed({key: server for part in parts for key, server in part.items()}, await self._entries())

    async def _drill_entries(self) -> dict[str, str]:
        """None: what is armed has to end by HAProxy's own clock, which this API does not tell."""
        return {}

    async def _servers(self, backend: str, running: Mapping[ServerKey, _Stat]) -> dict[ServerKey, Server]:
        path = f"{AT}/configuration/backends/{backend}/servers"
        answer = await self._edge.ask("GET", path, f"backend {backend}", expected=frozenset({404}))
        if answer.status == 404:
            return {}
        for raw in answer.understood(list[dict[str, Any]]):
            self._raw[backend, str(raw.get("name"))] = raw
        return {
            (backend, server.name): _server(server, running.get((backend, server.name)))
            for server in answer.understood(list[_Server])
        }

    async def _entries(self) -> dict[str, str]:
        answer = await self._edge.ask("GET", self._map, f"map {self.spec.map_path}", expected=frozenset({404}))
        if answer.status == 404:
            raise Refused(
                f"{answer.what}: there is no such map; add it to the configuration, as `equipoise bootstrap` prints it"
            )
        found = {entry.key: entry.value for entry in reversed(answer.understood(list[_Entry]))}
        return {key: value for key, value in found.items() if key in self.spec.services or key == FENCE_KEY}

    async def _apply(self, now: Programmed, wanted: Programmed, early: frozenset[str]) -> str:
        """Make it so by requests, in the order that `commands` has; what is refused comes back as words."""
        changed = [key for key, value in wanted.entries.items() if now.entries.get(key) != value]
        servers = {key: server for key, server in wanted.servers.items() if now.servers[key] != server}
        rising = [key for key, server in servers.items() if server.weight > now.servers[key].weight or
                  (server.in_use and not now.servers[key].in_use)]  # fmt: skip
        try:
            for key in (key for key in changed if key in early):
                await self._put_entry(key, wanted.entries[key], key in now.entries)
            for name in (*rising, *(key for key in servers if key not in rising)):
                await self._put_server(name, wanted.servers[name])
            for key in (key for key in changed if key not in early):
                await self._put_entry(key, wanted.entries[key], key in now.entries)
            for key in (key for key in now.entries if key not in wanted.entries):
                await self._edge.ask("DELETE", f"{self._map}/{key}", f"map key {key}", params={"force_sync": "true"})
        except Refused as words:
            return str(words)
        return ""

    async def _put_server(self, key: ServerKey, server: Server) -> None:
        host, port = server.address
        raw = {**self._raw.get(key, {"name": key[1]}), "address": host, "port": port, "weight": server.weight}
        if server.in_use:
            raw.pop("maintenance", None)
        if not server.in_use and ":" in key[1]:
            raw["maintenance"] = "enabled"
        if raw == self._raw.get(key):
            # The file has it already and the process has not: without a change the API would do nothing.
            near = server.weight - 1 if server.weight == WEIGHT_MAX else server.weight + 1
            await self._replace(key, {**raw, "weight": near})
        await self._replace(key, raw)

    async def _replace(self, key: ServerKey, raw: dict[str, Any]) -> None:
        backend, name = key
        await self._edge.ask(
            "PUT", f"{AT}/configuration/backends/{backend}/servers/{name}", f"server {backend}/{name}",
            params={"version": str(self._version)}, body=json.dumps(raw).encode(),
        )  # fmt: skip
        self._version += 1
        self._raw[key] = raw

    async def _put_entry(self, key: str, value: str, known: bool) -> None:
        path, body = (f"{self._map}/{key}", {"value": value}) if known else (self._map, {"key": key, "value": value})
        await self._edge.ask(
            "PUT" if known else "POST", path, f"map key {key}", params={"force_sync": "true"},
            body=json.dumps(body).encode(),
        )  # fmt: skip

    @property
    def _map(self) -> str:
        return f"{AT}/runtime/maps/{PurePosixPath(self.spec.map_path).name}/entries"


def _server(server: _Server, running: _Stat | None) -> Server:
    """As it runs; as the file has it where the process does not tell."""
    weight = server.weight if server.weight is not None else 1
    in_use = server.maintenance != "enabled"
    if running is not None:
        weight = weight if running.weight is None else running.weight
        in_use = not running.status.startswith(("MAINT", "DRAIN"))
    return Server(weight, (server.address, server.port or 0), in_use)
