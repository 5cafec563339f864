"""One Consul by its HTTP API: written by compare-and-set, and read back from its compiled discovery chains."""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import Field

from connectors.answers import Shape, Whole, side_by_side
from connectors.apidialect import ApiDialect
from connectors.connector import Fencing, MeshLimits, Refused, Unavailable
from connectors.consul import entries
from connectors.consul.entries import Defaults, Entry, Resolver, Splitter
from connectors.consul.spec import ConsulSpec
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict, fitted
from connectors.record import NAME, record_of, record_text
from placement.fleet import ServiceId
from placement.weights import Target, WeightTable

LIMITS = MeshLimits(
    unit=entries.UNIT, standby=True, shed=False, targets_max=256, programmed=True, fencing=Fencing.ATOMIC
)
"""*Programmed* says that the servers have compiled it into the discovery chain that they hand to every proxy."""
Found = TypeVar("Found")
OWN_FAULTS = ("No cluster leader", "rpc error", "No known Consul servers", "i/o timeout")
"""What a status 500 says when it is about Consul itself. Otherwise it is how Consul refuses a config entry."""
TOO_OLD = "invalid config key"
"""What a status 400 says to a field that came with a later version: a peer (1.13), a failover target (1.14)."""


class _Kv(Shape):
    value: str | None = Field(alias="Value")
    index: Whole = Field(alias="ModifyIndex")


class _Node(Shape):
    kind: str = Field(alias="Type", default="")
    name: str = Field(alias="Name", default="")
    splits: list[entries.Split] | None = Field(alias="Splits", default=None)


class _Chain(Shape):
    nodes: dict[str, _Node] = Field(alias="Nodes")


class _Compiled(Shape):
    chain: _Chain = Field(alias="Chain")


@dataclass(frozen=True, slots=True)
class State:
    """Indices to compare with, and what is there."""

    record: int
    """0 where there is none."""
    splitters: Mapping[str, Splitter]
    resolvers: Mapping[str, Resolver]
    defaults: frozenset[str]


@dataclass(slots=True)
class ConsulDialect(ApiDialect[ConsulSpec]):
    """How one Consul is spoken to."""

    PRODUCT = "Consul"
    LIMITS = LIMITS

    async def look(self) -> Look[State]:
        """The record, and all splitters and resolvers at once."""
        record, index = await self._record()
        listed = await asyncio.gather(
            self._list("service-splitter", list[Splitter]),
            self._list("service-resolver", list[Resolver]),
            self._list("service-defaults", list[Defaults]),
        )
        splitters = {found.name: found for found in listed[0]}
        resolvers = {found.name: found for found in listed[1]}
        known = frozenset(found.name for found in listed[2] if found.protocol)
        rows = {
            s: entries.row_of(self.spec, s, splitters.get(self.spec.name(s)), resolvers) for s in self.spec.clusters
        }
        kept = {service: row for service, row in rows.items() if row is not None}
        return Look(record, kept, State(index, splitters, resolvers, known))

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """Weights in hundredths of a percent."""
        known = self.spec.clusters.get(service, frozenset()) & self.spec.places.keys()
        return fitted(LIMITS, known, (targets, shed, unit), f"{self.origin}: {self.where}, {service}")

    async def put(self, seen: Look[State], record: WeightTable | None, changes: Changes) -> None:
        """The record first: whoever loses the race for it writes nothing else."""
        await self._put_record(seen.state, record)
        await side_by_side(self._put_service(seen.state, service, row) for service, row in changes.items())

    async def verdict(self, now: Look[State], table: WeightTable, rows: Rows) -> Verdict:
        """Whether the compiled chains say the same."""
        wrong = await side_by_side(self._uncompiled(service, row) for service, row in rows.items())
        late = [service for service in wrong if service]
        detail = f"not yet in the discovery chain: {', '.join(late)}" if late else ""
        return Verdict(accepted=True, programmed=not late, detail=detail)

    async def _uncompiled(self, service: ServiceId, row: Row) -> str:
        name = self.spec.name(service)
        answer = await self._edge.ask("GET", f"/v1/discovery-chain/{name}", f"discovery-chain {name}")
        nodes = answer.understood(_Compiled).chain.nodes.values()
        splits = next((node.splits or [] for node in nodes if node.kind == "splitter"), [])
        return "" if sorted(round(s.weight * 100) for s in splits) == sorted(row.weights.values()) else service

    async def _record(self) -> tuple[WeightTable | None, int]:
        answer = await self._edge.ask("GET", self._place, f"key {self._key}", expected=frozenset({404}))
        if answer.status == 404:
            return None, 0
        found = next(iter(answer.understood(list[_Kv])), None)
        if found is None or found.value is None:
            return None, found.index if found else 0
        try:
            text = base64.b64decode(found.value, validate=True)
        except binascii.Error as error:
            raise Unavailable(f"{answer.what}: bad answer: {error}") from None
        return record_of(text, answer.what), found.index

    async def _put_record(self, state: State, record: WeightTable | None) -> None:
        method, body = ("DELETE", b"") if record is None else ("PUT", record_text(record).encode())
        if record is None and not state.record:
            return
        await self._set(method, self._place, f"key {self._key}", state.record, body)

    async def _put_service(self, state: State, service: ServiceId, row: Row | None) -> None:
        """Protocols, then resolvers, then the splitter: nothing refers to what is not there."""
        name = self.spec.name(service)
        if row is None:
            if name in state.splitters:
                await self._delete("service-splitter", name)
            return
        legs = sorted(row.weights)
        for missing in sorted({name, *(self.spec.leg(service, cluster) for cluster in legs)} - state.defaults):
            await self._set_entry(entries.defaults(missing, self.spec.protocol), 0)
        for cluster in legs:
            known = state.resolvers.get(self.spec.leg(service, cluster))
            if not entries.leads_there(self.spec, service, cluster, known):
                await self._set_entry(entries.redirect(self.spec, service, cluster), known.index if known else 0)
        own = state.resolvers.get(name)
        if row.standbys or (own is not None and own.failover):
            await self._set_entry(entries.failover(self.spec, service, row), own.index if own else 0)
        splitter = state.splitters.get(name)
        await self._set_entry(entries.splitter(self.spec, service, row), splitter.index if splitter else 0)

    async def _set_entry(self, entry: Entry, index: int) -> None:
        await self._set("PUT", "/v1/config", f"{entry['Kind']} {entry['Name']}", index, json.dumps(entry).encode())

    async def _delete(self, kind: str, name: str) -> None:
        await self._edge.ask("DELETE", f"/v1/config/{kind}/{name}", f"{kind} {name}")

    async def _set(self, method: str, path: str, what: str, index: int, body: bytes) -> None:
        """Compare and set. A status of 200 with `false` says that somebody else was faster."""
        answer = await self._edge.ask(
            method, path, what, params={"cas": str(index)}, body=body, expected=frozenset({400, 500})
        )
        if answer.status == 400:
            old = "; it is too old for that: give every cluster its datacenter, and no peer"
            raise Refused(f"{answer.what}: status 400: {answer.words}{old if TOO_OLD in answer.words else ''}")
        if answer.status == 500:
            said = f"{answer.what}: status 500: {answer.words}"
            own = any(words in answer.words for words in OWN_FAULTS) or not answer.words or "<" in answer.words[:1]
            raise (Unavailable if own else Refused)(said)
        if not answer.understood(bool):
            raise Unavailable(f"{answer.what}: somebody else changed it since it was read")

    async def _list(self, kind: str, shape: type[list[Found]]) -> list[Found]:
        return (await self._edge.ask("GET", f"/v1/config/{kind}", kind)).understood(shape)

    @property
    def _key(self) -> str:
        return f"{NAME}/{self.origin}"

    @property
    def _place(self) -> str:
        return f"/v1/kv/{self._key}"


def consul_connector(spec: ConsulSpec) -> FencedConnector[State]:
    """The connector of one Consul."""
    return FencedConnector(ConsulDialect(spec))
