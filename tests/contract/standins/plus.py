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
    """One process with one upstream."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = itertools.count(len(CLUSTERS))
        self.servers: dict[int, dict[str, Any]] = {
            place: {"id": place, "server": f"10.0.0.{place + 1}:80", "weight": 1, "backup": False, "down": False}
            for place in range(len(CLUSTERS))
        }
        self.keys: dict[str, str] = {}
        at = "/api/9/http"
        self.app.add_routes([
            web.get(f"{at}/upstreams", self._upstreams), web.post(f"{at}/upstreams/{SERVICE}/servers", self._add),
            web.patch(f"{at}/upstreams/{SERVICE}/servers/{{id}}", self._change),
            web.delete(f"{at}/upstreams/{SERVICE}/servers/{{id}}", self._drop),
            web.get(f"{at}/keyvals/equipoise", self._keys), web.post(f"{at}/keyvals/equipoise", self._new_key),
            web.patch(f"{at}/keyvals/equipoise", self._set_key),
        ])  # fmt: skip

    def legs(self, service: str) -> tuple[dict[str, int], list[str]]:
        """By the servers of the upstream."""
        clusters = {f"10.0.0.{place + 1}:80": cluster for place, cluster in enumerate(CLUSTERS)}
        used = [s for s in self.servers.values() if not s["down"] and service == SERVICE]
        weights = {clusters[s["server"]]: s["weight"] for s in used if not s["backup"]}
        return weights, [clusters[s["server"]] for s in used if s["backup"]]

    async def _upstreams(self, _: web.Request) -> web.Response:
        peers = [{**s, "name": s["server"], "state": "down" if s["down"] else "up"} for s in self.servers.values()]
        return web.json_response({SERVICE: {"peers": peers, "keepalive": 0, "zone": SERVICE}})

    async def _add(self, request: web.Request) -> web.Response:
        identity = next(self._ids)
        self.servers[identity] = {"weight": 1, "backup": False, "down": False, **json.loads(await request.read())}
        self.servers[identity]["id"] = identity
        return web.json_response(self.servers[identity], status=201)

    async def _change(self, request: web.Request) -> web.Response:
        server, change = self.servers.get(int(request.match_info["id"])), json.loads(await request.read())
        if server is None:
            return _error(404, "UpstreamServerNotFound", "server with specified ID does not exist")
        if "backup" in change or change.get("weight", 1) < 1:
            return _error(400, "UpstreamServerWeightFormatError", "weight must be a positive number")
        server.update(change)
        return web.json_response(server)

    async def _drop(self, request: web.Request) -> web.Response:
        self.servers.pop(int(request.match_info["id"]), None)
        return web.json_response(list(self.servers.values()))

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


def _error(status: int, code: str, text: str) -> web.Response:
    return web.json_response({"error": {"status": status, "text": text, "code": code}}, status=status)
