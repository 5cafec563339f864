"""Consul's HTTP API, as far as the connector uses it: config entries, keys, compare-and-set, discovery chains.

Answers as a real agent does, word for word where it refuses: tests/connectors/consul plays the same requests to both. A
refusal is a status 500 with words, a field that it does not know a 400, a lost race a 200 with `false`. With `peers`
unset it is as before 1.13 (no peers) and 1.14 (no failover targets).
"""

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from aiohttp import web

from tests.contract.standins.standin import StandIn, words

HERE = "dc1"
CLUSTER_OF = {("dc-east", ""): "east", (HERE, ""): "north", ("", "west"): "west", ("dc-x", ""): "broken"}
"""(datacenter, peer) of each cluster."""
KINDS = ("service-defaults", "service-resolver", "service-splitter")
SPLITTABLE = ("http", "http2", "grpc")
Entry = dict[str, Any]
Entries = dict[tuple[str, str], Entry]


class Consul(StandIn):
    """One server."""

    def __init__(self, *, peers: bool = True) -> None:
        super().__init__()
        self.peers = peers
        self.entries: Entries = {}
        self.keys: dict[str, tuple[bytes, int]] = {}
        self._index = itertools.count(10)
        self.app.add_routes([
            web.get("/v1/config/{kind}", self._list), web.put("/v1/config", self._put),
            web.delete("/v1/config/{kind}/{name}", self._drop), web.get("/v1/discovery-chain/{name}", self._chain),
            web.get("/v1/kv/{key:.+}", self._get), web.put("/v1/kv/{key:.+}", self._set),
            web.delete("/v1/kv/{key:.+}", self._unset),
        ])  # fmt: skip

    def legs(self, service: str) -> tuple[dict[str, int], list[str]]:
        """By the splitter, the redirects of its legs, and the failover of the service."""
        chain = Chain(self.entries, service)
        weights = {_cluster(chain.resolved(leg)): round(weight * 100) for leg, weight in chain.splits}
        return weights, [_cluster(target) for target in chain.standbys(service)]

    async def _list(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind not in KINDS:
            return words(500, f"invalid config entry kind: {kind}")
        return web.json_response([entry for (of, _), entry in sorted(self.entries.items()) if of == kind])

    async def _put(self, request: web.Request) -> web.Response:
        entry = json.loads(await request.read())
        strange = next(self._strange(entry), "")
        if strange:
            fault = f'1 error occurred:\n\t* invalid config key "{strange}"\n\n'
            return words(400, f"Bad request: Request decoding failed: {fault}")
        objection = _malformed(entry)
        if objection:
            return words(500, objection)
        key = entry["Kind"], entry["Name"]
        known = self.entries.get(key, {}).get("ModifyIndex", 0)
        if "cas" in request.query and int(request.query["cas"]) != known:
            return web.json_response(False)
        objection = _breaks({**self.entries, key: entry}, entry["Name"])
        if objection:
            return words(500, objection)
        index = next(self._index)
        self.entries[key] = {**entry, "CreateIndex": self.entries.get(key, {}).get("CreateIndex", index)}
        self.entries[key]["ModifyIndex"] = index
        return web.json_response(True)

    def _strange(self, entry: Entry) -> Iterator[str]:
        """The fields that came with a later version."""
        if self.peers or entry.get("Kind") != "service-resolver":
            return
        if "Peer" in (entry.get("Redirect") or {}):
            yield "Redirect.Peer"
        for subset, failover in (entry.get("Failover") or {}).items():
            if "Targets" in failover:
                yield f"Failover[{subset}].Targets"

    async def _drop(self, request: web.Request) -> web.Response:
        key = request.match_info["kind"], request.match_info["name"]
        objection = _breaks({k: entry for k, entry in self.entries.items() if k != key}, key[1])
        if objection:
            return words(500, objection)
        self.entries.pop(key, None)
        return web.json_response({})

    async def _chain(self, request: web.Request) -> web.Response:
        return web.json_response({"Chain": Chain(self.entries, request.match_info["name"]).compiled()})

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


class Chain:
    """The discovery chain of one service: a splitter where there is one, and a resolver for each of its legs."""

    def __init__(self, entries: Entries, service: str) -> None:
        self.entries, self.service = entries, service
        splits = entries.get(("service-splitter", service), {}).get("Splits") or []
        self.splits = [(str(split["Service"]), float(split["Weight"])) for split in splits]

    def resolver(self, name: str) -> Entry:
        """The entry of a name; empty where there is none."""
        return self.entries.get(("service-resolver", name), {})

    def redirects(self, name: str) -> list[tuple[str, str, str]]:
        """(service, datacenter, peer) of a name and of all that it leads to, in order; a circle ends where it began."""
        at = [(name, HERE, "")]
        while to := self.resolver(at[-1][0]).get("Redirect"):
            service = to.get("Service") or at[-1][0]
            step = (service, "" if to.get("Peer") else to.get("Datacenter") or HERE, to.get("Peer", ""))
            at.append(step)
            if service in {known for known, _, _ in at[:-1]}:
                break
        return at

    def resolved(self, name: str) -> tuple[str, str, str]:
        """Where a name ends."""
        return self.redirects(name)[-1]

    def standbys(self, name: str) -> list[tuple[str, str, str]]:
        """What stands in for a service, in order."""
        every = (self.resolver(name).get("Failover") or {}).get("*") or {}
        named = [(name, datacenter, "") for datacenter in every.get("Datacenters") or []]
        return named + [
            (t.get("Service") or name, "" if t.get("Peer") else t.get("Datacenter") or HERE, t.get("Peer", ""))
            for t in every.get("Targets") or []
        ]

    def protocol(self, name: str) -> str:
        """Of a service; tcp where nobody has said."""
        return str(self.entries.get(("service-defaults", name), {}).get("Protocol") or "tcp")

    @property
    def protocols(self) -> list[tuple[str, str]]:
        """(service, protocol) of all that requests may go to, in the order of compiling."""
        named = [name for leg in self._legs for name, _, _ in self.redirects(leg)]
        return [(name, self.protocol(name)) for name in dict.fromkeys(named)]

    @property
    def _legs(self) -> list[str]:
        return [leg for leg, _ in self.splits] or [self.service]

    def fault(self) -> str:
        """Why it does not compile; empty where it does."""
        (_, first), *rest = self.protocols
        other = next(((name, protocol) for name, protocol in rest if protocol != first), None)
        start = f'discovery chain "{self.service}" uses'
        if other is not None:
            return f'{start} inconsistent protocols; service "{other[0]}" has "{other[1]}" which is not "{first}"'
        if self.splits and first not in SPLITTABLE:
            return f'{start} a protocol "{first}" that does not permit advanced routing or splitting behavior'
        return ""

    def compiled(self) -> Entry:
        """As the API gives it."""
        targets: dict[str, Entry] = {}
        nodes: dict[str, Entry] = {}
        for leg in self._legs:
            place = self.resolved(leg)
            spare = [self._target(standby, targets) for standby in self.standbys(place[0])]
            name = self._target(place, targets)
            found = {"ConnectTimeout": "5s", "Target": name}
            found |= {"Failover": {"Targets": [s for s in spare if s != name]}} if spare else {}
            nodes[f"resolver:{name}"] = {"Type": "resolver", "Name": name, "Resolver": found}
        start = next(iter(nodes))
        if self.splits:
            start, name = f"splitter:{self.service}.default", f"{self.service}.default"
            legs = [
                {"Weight": weight, "NextNode": f"resolver:{_name(self.resolved(leg))}"} for leg, weight in self.splits
            ]
            nodes[start] = {"Type": "splitter", "Name": name, "Splits": legs}
        return {
            "ServiceName": self.service, "Namespace": "default", "Datacenter": HERE, "Nodes": nodes,
            "Protocol": self.protocols[0][1], "StartNode": start, "Targets": targets,
        }  # fmt: skip

    def _target(self, place: tuple[str, str, str], targets: dict[str, Entry]) -> str:
        name = _name(place)
        service, datacenter, peer = place
        targets[name] = {"ID": name, "Service": service, "Namespace": "default", "Datacenter": datacenter}
        targets[name] |= {"Peer": peer} if peer else {}
        return name


def _breaks(entries: Entries, changed: str) -> str:
    """What is wrong with the first chain, of those that lead to a changed name, which does not compile."""
    leads: dict[str, set[str]] = {}
    for (kind, name), entry in entries.items():
        ways = [split["Service"] for split in entry.get("Splits") or []] if kind == "service-splitter" else []
        ways += [(entry.get("Redirect") or {}).get("Service") or name] if kind == "service-resolver" else []
        for to in ways:
            leads.setdefault(to, set()).add(name)
    found, more = {changed}, [changed]
    while more:
        new = leads.get(more.pop(), set()) - found
        found, more = found | new, [*more, *new]
    return next((fault for fault in (Chain(entries, name).fault() for name in sorted(found)) if fault), "")


def _name(place: tuple[str, str, str]) -> str:
    service, datacenter, peer = place
    return f"{service}.default.default.external.{peer}" if peer else f"{service}.default.{datacenter}"


def _cluster(place: tuple[str, str, str]) -> str:
    return CLUSTER_OF[place[1], place[2]]


def _malformed(entry: Entry) -> str:
    """What is wrong with an entry by itself."""
    if entry["Kind"] == "service-resolver" and entry.get("Redirect") and entry.get("Failover"):
        return "Redirect and Failover cannot both be set"
    if entry["Kind"] != "service-splitter":
        return ""
    splits = entry.get("Splits") or []
    if not splits:
        return "no splits configured"
    names = [split["Service"] for split in splits]
    twice = next((name for row, name in enumerate(names) if name in names[:row]), None)
    if twice is not None:
        return f'split destination occurs more than once: service="{twice}", subset="", namespace=""'
    total = sum(round(split["Weight"] * 100) for split in splits)
    return "" if total == 10_000 else f"the sum of all split weights must be 100, not {np.float32(total / 100):f}"
