"""The REST API of a Kuma control plane in universal mode: MeshHTTPRoutes, paged, without compare-and-set.

Checked as Kuma does: weights are 0..4294967295, the kinds of references are known, label values are label values.
"""

import json
import re
from typing import Any

from aiohttp import web

from tests.contract.standins.standin import StandIn

PAGE = 2
"""Small, so that every listing has to be put together."""
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
KINDS = {"MeshService", "MeshMultiZoneService", "MeshExternalService"}


class Kuma(StandIn):
    """One control plane."""

    def __init__(self) -> None:
        super().__init__()
        self.routes: dict[str, dict[str, Any]] = {}
        one = "/meshes/default/meshhttproutes/{name}"
        self.app.add_routes([
            web.get("/meshes/default/meshhttproutes", self._list), web.put(one, self._put), web.delete(one, self._drop),
        ])  # fmt: skip

    def legs(self, service: str) -> tuple[dict[str, int], list[str]]:
        """By the only rule of the route that is for the service."""
        for route in self.routes.values():
            to = route["spec"]["to"][0]
            if to["targetRef"]["name"] == service:
                refs = to["rules"][0]["default"]["backendRefs"]
                return {r["labels"]["kuma.io/zone"].removeprefix("zone-"): r["weight"] for r in refs}, []
        return {}, []

    async def _list(self, request: web.Request) -> web.Response:
        start = int(request.query.get("offset", 0))
        names = sorted(self.routes)[start : start + PAGE]
        following = f"{self.url}{request.path}?offset={start + PAGE}" if start + PAGE < len(self.routes) else None
        return web.json_response({
            "total": len(self.routes), "items": [self.routes[n] for n in names], "next": following,
        })  # fmt: skip

    async def _put(self, request: web.Request) -> web.Response:
        route, name = json.loads(await request.read()), request.match_info["name"]
        causes = [{"field": where, "message": what} for where, what in self._objections(route, name)]
        if causes:
            problem = {"status": 400, "title": "Could not process a resource", "invalid_parameters": causes}
            return web.json_response(problem, status=400)
        known = name in self.routes
        self.routes[name] = {**route, "creationTime": "2026-10-01T00:00:00Z"}
        return web.json_response({"warnings": []}, status=200 if known else 201)

    def _objections(self, route: dict[str, Any], name: str) -> list[tuple[str, str]]:
        found = []
        if route.get("type") != "MeshHTTPRoute" or route.get("name") != name or route.get("mesh") != "default":
            found.append(("type", "type, mesh and name must be those of the path"))
        labels = dict(route.get("labels", {}))
        for to in route["spec"]["to"]:
            for ref in to["rules"][0]["default"]["backendRefs"]:
                labels |= ref["labels"]
                if ref["kind"] not in KINDS:
                    found.append(("spec.to[0].rules[0].default.backendRefs", f"kind {ref['kind']} is not supported"))
                if not 0 <= ref["weight"] <= 2**32 - 1:
                    found.append(("spec.to[0].rules[0].default.backendRefs", "weight is out of range"))
                found += [("labels", f"{v!r} is no label value") for v in labels.values() if not LABEL.fullmatch(v)]
        return found

    async def _drop(self, request: web.Request) -> web.Response:
        return web.json_response({}, status=200 if self.routes.pop(request.match_info["name"], None) else 404)
