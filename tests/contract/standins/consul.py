"""Consul's HTTP API, as far as the connector uses it: config entries, keys, compare-and-set, discovery chains.

Checked as Consul does: weights rounded to 0.01 add up to 100, no destination twice, the same splittable protocol on a
service and all its legs, Redirect and Failover exclude each other. A refusal is a status 500 with words; a lost race
is a status 200 with `false`.
"""

import base64
import itertools
import json
from typing import Any

from aiohttp import web

from tests.contract.standins.standin import StandIn, words

HERE = "east-of-nowhere"
CLUSTER_OF = {("dc-east", ""): "east", ("", ""): "north", ("", "west"): "west", ("dc-x", ""): "broken"}
"""(datacenter, peer) of each cluster."""


class Consul(StandIn):
    """One server."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], dict[str, Any]] = {}
        self.keys: dict[str, tuple[bytes, int]] = {}
        self.defaults: dict[str, str] = {}
        """Protocols that somebody else has set."""
        self._index = itertools.count(10)
        self.app.add_routes([
            web.get("/v1/config/{kind}", self._list), web.put("/v1/config", self._put),
            web.delete("/v1/config/{kind}/{name}", self._drop), web.get("/v1/discovery-chain/{name}", self._chain),
            web.get("/v1/kv/{key:.+}", self._get), web.put("/v1/kv/{key:.+}", self._set),
            web.delete("/v1/kv/{key:.+}", self._unset),
        ])  # fmt: skip

    def legs(self, service: str) -> tuple[dict[str, int], list[str]]:
        """By the splitter, the redirects of its legs, and the failover of the service."""
        found = self.entries.get(("service-splitter", service), {}).get("Splits", [])
        weights = {self._leads_to(split["Service"]): round(split["Weight"] * 100) for split in found}
        own = self.entries.get(("service-resolver", service), {}).get("Failover", {}).get("*", {})
        standbys = [CLUSTER_OF[t.get("Datacenter", ""), t.get("Peer", "")] for t in own.get("Targets", [])]
        return weights, standbys

    def _leads_to(self, leg: str) -> str:
        to = self.entries[("service-resolver", leg)]["Redirect"]
        return CLUSTER_OF[to.get("Datacenter", ""), to.get("Peer", "")]

    async def _list(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        found = [entry for (of, _), entry in self.entries.items() if of == kind]
        if kind == "service-defaults":
            found += [{"Kind": kind, "Name": n, "Protocol": p, "ModifyIndex": 1} for n, p in self.defaults.items()]
        return web.json_response(found)

    async def _put(self, request: web.Request) -> web.Response:
        entry = json.loads(await request.read())
        key = entry["Kind"], entry["Name"]
        known = self.entries.get(key, {}).get("ModifyIndex", 0)
        if "cas" in request.query and int(request.query["cas"]) != known:
            return web.json_response(False)
        objection = self._objection(entry)
        if objection:
            return words(500, objection)
        self.entries[key] = {**entry, "CreateIndex": 1, "ModifyIndex": next(self._index)}
        return web.json_response(True)

    def _objection(self, entry: dict[str, Any]) -> str:
        if entry["Kind"] == "service-resolver" and entry.get("Redirect") and entry.get("Failover"):
            return "Redirect and Failover cannot both be set"
        if entry["Kind"] != "service-splitter":
            return ""
        splits = entry.get("Splits") or []
        total = sum(round(split["Weight"] * 100) for split in splits)
        if total != 10_000:
            return f"the sum of all split weights must be 100, not {total / 100:f}"
        names = [split["Service"] for split in splits]
        if len(set(names)) < len(names):
            return "split destination occurs more than once"
        protocols = {self._protocol(name) for name in (entry["Name"], *names)}
        if len(protocols) > 1:
            return f'discovery chain "{entry["Name"]}" uses inconsistent protocols: {sorted(protocols)}'
        return (
            "" if protocols <= {"http", "http2", "grpc"} else f'protocol "{protocols.pop()}" does not permit splitting'
        )

    def _protocol(self, name: str) -> str:
        known = self.entries.get(("service-defaults", name), {}).get("Protocol")
        return str(known or self.defaults.get(name, "tcp"))

    async def _drop(self, request: web.Request) -> web.Response:
        self.entries.pop((request.match_info["kind"], request.match_info["name"]), None)
        return web.json_response({})

    async def _chain(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        splits = self.entries.get(("service-splitter", name), {}).get("Splits", [])
        legs = [{"Weight": s["Weight"], "NextNode": f"resolver:{s['Service']}"} for s in splits]
        nodes = {f"splitter:{name}.default.default": {"Type": "splitter", "Name": name, "Splits": legs}} if legs else {}
        return web.json_response({"Chain": {"ServiceName": name, "Protocol": self._protocol(name), "Nodes": nodes}})

    async def _get(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        if key not in self.keys:
            return words(404, "")
        value, index = self.keys[key]
        return web.json_response([{"Key": key, "Value": base64.b64encode(value).decode(), "ModifyIndex": index}])

    async def _set(self, request: web.Request) -> web.Response:
        return await self._swap(request, (await request.read(), next(self._index)))

    async def _unset(self, request: web.Request) -> web.Response:
        return await self._swap(request, None)

    async def _swap(self, request: web.Request, new: tuple[bytes, int] | None) -> web.Response:
        key = request.match_info["key"]
        if "cas" in request.query and int(request.query["cas"]) != self.keys.get(key, (b"", 0))[1]:
            return web.json_response(False)
        if new is None:
            self.keys.pop(key, None)
        else:
            self.keys[key] = new
        return web.json_response(True)
