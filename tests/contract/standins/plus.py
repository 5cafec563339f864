"""The API of NGINX Plus (version 9): upstreams, servers and key-value zones, as far as the connector uses them.

Checked as it does: an unknown upstream, server or zone is a 404 with its code; weights are positive; `backup` is
fixed; a key that is there already is a 409.
"""

import itertools
import json
from typing import Any

from aiohttp import web

from tests.contract.harness import CLUSTERS, SERVICE
from tests.contract.standins.standin import StandIn


class Plus(StandIn):
    """One process with an upstream for each service."""

    def __init__(self, services: tuple[str, ...] = (SERVICE,)) -> None:
        super().__init__()
        self._ids = itertools.count(len(CLUSTERS))
        self.upstreams: dict[str, dict[int, dict[str, Any]]] = {
            service: {
                place: {"id": place, "server": f"10.0.0.{place + 1}:80", "weight": 1, "backup": False, "down": False}
                for place in range(len(CLUSTERS))
            }
            for service in services
        }
        self.keys: dict[str, str] = {}
        at = "/api/9/http"
        self.app.add_routes([
            web.get(f"{at}/upstreams", self._upstreams), web.post(f"{at}/upstreams/{{of}}/servers", self._add),
            web.patch(f"{at}/upstreams/{{of}}/servers/{{id}}", self._change),
            web.delete(f"{at}/upstreams/{{of}}/servers/{{id}}", self._drop),
            web.get(f"{at}/keyvals/equipoise", self._keys), web.post(f"{at}/keyvals/equipoise", self._new_key),
            web.patch(f"{at}/keyvals/equipoise", self._set_key),
        ])  # fmt: skip

    def legs(self, service: str) -> tuple[dict[str, int], list[str]]:
        """By the servers of the upstream."""
        clusters = {f"10.0.0.{place + 1}:80": cluster for place, cluster in enumerate(CLUSTERS)}
        used = [s for s in self.upstreams.get(service, {}).values() if not s["down"]]
        weights = {clusters[s["server"]]: s["weight"] for s in used if not s["backup"]}
        return weights, [clusters[s["server"]] for s in used if s["backup"]]

    async def _upstreams(self, _: web.Request) -> web.Response:
        found = {
            service: {"peers": [_peer(server) for server in servers.values()], "keepalive": 0, "zone": service}
            for service, servers in self.upstreams.items()
        }
        return web.json_response(found)

    def _servers(self, request: web.Request) -> dict[int, dict[str, Any]]:
        return self.upstreams[request.match_info["of"]]

    async def _add(self, request: web.Request) -> web.Response:
        identity, servers = next(self._ids), self._servers(request)
        servers[identity] = {"weight": 1, "backup": False, "down": False, **json.loads(await request.read())}
        servers[identity]["id"] = identity
        return web.json_response(servers[identity], status=201)

    async def _change(self, request: web.Request) -> web.Response:
        server, change = self._servers(request).get(int(request.match_info["id"])), json.loads(await request.read())
        if server is None:
            return _error(404, "UpstreamServerNotFound", "server with specified ID does not exist")
        if "backup" in change or change.get("weight", 1) < 1:
            return _error(400, "UpstreamServerWeightFormatError", "weight must be a positive number")
        server.update(change)
        return web.json_response(server)

    async def _drop(self, request: web.Request) -> web.Response:
        self._servers(request).pop(int(request.match_info["id"]), None)
        return web.json_response(list(self._servers(request).values()))

    async def _keys(self, _: web.Request) -> web.Response:
        return web.json_response(self.keys)

    async def _new_key(self, request: web.Request) -> web.Response:
        new = json.loads(await request.read())
        if new.keys() & self.keys.keys():
            return _error(409, "KeyvalKeyExists", "key already exists")
        self.keys |= new
        return web.Response(status=201)

    async def _set_key(self, request: web.Request) -> web.Response:
        for key, value in json.loads(await request.read()).items():
            if key not in self.keys:
                return _error(404, "KeyvalKeyNotFound", "key not found")
            if value is None:
                del self.keys[key]
            else:
                self.keys[key] = value
        return web.Response(status=204)


def _peer(server: dict[str, Any]) -> dict[str, Any]:
    return {**server, "name": server["server"], "state": "down" if server["down"] else "up"}


def _error(status: int, code: str, text: str) -> web.Response:
    return web.json_response({"error": {"status": status, "text": text, "code": code}}, status=status)
