"""The API of an Avi GSLB leader: login, sessions, GslbServices with `_last_modified`.

Checked as Avi does: a session and its CSRF token, the API version header, ratios of 1..20, priorities of 0..100.
"""

import itertools
import json
from typing import Any

from aiohttp import web

from tests.contract.harness import SERVICE
from tests.contract.standins.standin import StandIn


class Avi(StandIn):
    """One leader with a GslbService for each service."""

    def __init__(self, clusters: dict[str, str], services: tuple[str, ...] = (SERVICE,)) -> None:
        super().__init__()
        self.clusters = clusters
        """Cluster by address."""
        self._times = itertools.count(1_000)
        self.services: dict[str, dict[str, Any]] = {
            f"gslbservice-{number}": {
                "uuid": f"gslbservice-{number}", "name": service, "domain_names": [f"{service}.fleet.example"],
                "groups": [], "_last_modified": "999", "wildcard_match": False,
            }
            for number, service in enumerate(services, start=1)
        }  # fmt: skip
        self.app.add_routes([
            web.post("/login", self._login), web.get("/api/gslbservice", self._list),
            web.put("/api/gslbservice/{uuid}", self._put),
        ])  # fmt: skip

    def legs(self, service: str) -> tuple[dict[str, int], list[str]]:
        """By the groups in the order of their priorities."""
        groups = [g for each in self.services.values() if each["name"] == service for g in each["groups"]]
        ladder = sorted((g for g in groups if g["priority"]), key=lambda g: -g["priority"])
        if not ladder:
            return {}, []
        weights = {self.clusters[m["ip"]["addr"]]: m["ratio"] for m in ladder[0]["members"] if m["enabled"]}
        return weights, [self.clusters[m["ip"]["addr"]] for group in ladder[1:] for m in group["members"]]

    async def _login(self, request: web.Request) -> web.Response:
        given = json.loads(await request.read())
        if given != {"username": "tests", "password": "of-a-test"}:
            return web.json_response({"error": "Invalid credentials"}, status=401)
        answer = web.json_response({"version": {"Version": "22.1.3"}})
        answer.set_cookie("sessionid", "s1", httponly=True)
        answer.set_cookie("csrftoken", "c1")
        return answer

    def _stranger(self, request: web.Request) -> web.Response | None:
        known = request.cookies.get("sessionid") == "s1" and request.headers.get("x-avi-version")
        if known and (request.method == "GET" or request.headers.get("x-csrftoken") == "c1"):
            return None
        return web.json_response({"error": "Authentication credentials were not provided"}, status=401)

    async def _list(self, request: web.Request) -> web.Response:
        results = list(self.services.values())
        return self._stranger(request) or web.json_response({"count": len(results), "results": results})

    async def _put(self, request: web.Request) -> web.Response:
        if stranger := self._stranger(request):
            return stranger
        wanted, uuid = json.loads(await request.read()), request.match_info["uuid"]
        if wanted.get("_last_modified") != self.services[uuid]["_last_modified"]:
            return web.json_response({"error": "Concurrent Update Error"}, status=412)
        for group in wanted["groups"]:
            for member in group["members"]:
                if not 1 <= member["ratio"] <= 20 or member["ip"]["addr"] not in self.clusters:
                    return web.json_response({"error": f"member {member} is not valid"}, status=400)
        self.services[uuid] = {**wanted, "_last_modified": str(next(self._times))}
        return web.json_response(self.services[uuid])
