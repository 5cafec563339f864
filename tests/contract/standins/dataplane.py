"""HAProxy's Data Plane API (v3) in front of a real HAProxy: the configuration is kept here, the process is steered.

As the API does: a PUT needs the version that was read and makes it one larger, a 409 otherwise; a change of weight,
address or maintenance goes to the runtime socket at once, anything else would be a reload (202).
"""

import json
from typing import Any

from aiohttp import web

from connectors.haproxy.programmed import entries_of, servers_of
from connectors.haproxy.runtime import ask
from connectors.haproxy.spec import HaproxySpec, server_name, standby_name
from tests.contract.standins.standin import StandIn

AT = "/v3/services/haproxy"


class DataPlane(StandIn):
    """Beside one HAProxy."""

    def __init__(self, spec: HaproxySpec) -> None:
        super().__init__()
        self.spec = spec
        self.version = 1
        self.servers = {
            (str(service), server_name(cluster, place)): {
                "name": server_name(cluster, place), "address": host, "port": port, "weight": 1, "check": "enabled",
            }
            for (service, cluster), book in spec.endpoints.items()
            for place, (host, port) in enumerate(book, start=1)
        }  # fmt: skip
        for service in spec.services:
            for place in range(1, spec.standbys + 1):
                name = standby_name(place)
                self.servers[service, name] = {
                    "name": name, "address": "127.0.0.1", "port": 1, "backup": "enabled", "maintenance": "enabled",
                }  # fmt: skip
        entries, servers = f"{AT}/runtime/maps/haproxy.map/entries", f"{AT}/configuration/backends/{{be}}/servers"
        self.app.add_routes([
            web.get(f"{AT}/configuration/version", self._get_version), web.get(f"{AT}/stats/native", self._stats),
            web.get(servers, self._get_servers), web.put(f"{servers}/{{name}}", self._put_server),
            web.get(entries, self._get_entries), web.post(entries, self._add_entry),
            web.put(f"{entries}/{{key}}", self._set_entry), web.delete(f"{entries}/{{key}}", self._drop_entry),
        ])  # fmt: skip

    async def _say(self, line: str) -> str:
        return await ask(self.spec.socket, line, "test")

    async def _get_version(self, _: web.Request) -> web.Response:
        return web.json_response(self.version)

    async def _stats(self, _: web.Request) -> web.Response:
        found = servers_of(await self._say("show servers state"), self.spec.services)
        listed = [
            {"backend_name": be, "name": name, "type": "server",
             "stats": {"weight": server.weight, "status": "UP" if server.in_use else "MAINT"}}
            for (be, name), server in found.items()
        ]  # fmt: skip
        return web.json_response({"runtimeAPI": self.spec.socket, "stats": listed})

    async def _get_servers(self, request: web.Request) -> web.Response:
        return web.json_response([s for (be, _), s in self.servers.items() if be == request.match_info["be"]])

    async def _put_server(self, request: web.Request) -> web.Response:
        key, new = (request.match_info["be"], request.match_info["name"]), json.loads(await request.read())
        if int(request.query["version"]) != self.version:
            return _error(409, f"version mismatch, expected {self.version}")
        if key not in self.servers or not 0 <= new["weight"] <= 256:
            return _error(422, f"server {key[1]} cannot be so")
        before, self.servers[key] = self.servers[key], new
        self.version += 1
        for line in _runtime("/".join(key), before, new):
            await self._say(line)
        return web.json_response(new)

    async def _get_entries(self, _: web.Request) -> web.Response:
        found = entries_of(await self._say(f"show map {self.spec.map_path}"))
        return web.json_response([{"id": key, "key": key, "value": value} for key, value in found.items()])

    async def _add_entry(self, request: web.Request) -> web.Response:
        new = json.loads(await request.read())
        await self._say(f"add map {self.spec.map_path} {new['key']} {new['value']}")
        return web.json_response(new, status=201)

    async def _set_entry(self, request: web.Request) -> web.Response:
        value = json.loads(await request.read())["value"]
        await self._say(f"set map {self.spec.map_path} {request.match_info['key']} {value}")
        return web.json_response({"value": value})

    async def _drop_entry(self, request: web.Request) -> web.Response:
        await self._say(f"del map {self.spec.map_path} {request.match_info['key']}")
        return web.Response(status=204)


def _runtime(name: str, before: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What goes to the socket for a change."""
    lines = []
    if (before["address"], before["port"]) != (new["address"], new["port"]):
        lines.append(f"set server {name} addr {new['address']} port {new['port']}")
    if before.get("weight", 1) != new["weight"]:
        lines.append(f"set server {name} weight {new['weight']}")
    if before.get("maintenance") != new.get("maintenance"):
        lines.append(f"set server {name} state {'maint' if new.get('maintenance') == 'enabled' else 'ready'}")
    return lines


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"code": status, "message": message}, status=status)
