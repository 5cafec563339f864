"""PowerDNS by its HTTP API: LUA records for weights, comments for the record, and a query after every write.

The API takes LUA that does not compile and answers SERVFAIL from then on. So each name is asked for at the server
itself before a write counts as accepted; one that fails is taken back. All rows of a table go out in one PATCH, which
PowerDNS carries out whole or not at all. Comments are seen by the API alone, no query returns them.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import BaseModel, Field

from connectors.connector import Fencing, MeshLimits, Refused
from connectors.dns import lua
from connectors.dns.lookup import found
from connectors.dns.spec import PowerDnsSpec
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict, fitted
from connectors.http import Edge
from connectors.record import NAME, joined, parts, record_of, record_text
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import Target, WeightTable

UNIT = 10_000
LIMITS = MeshLimits(
    unit=UNIT, standby=True, shed=False, targets_max=64, programmed=True, fencing=Fencing.COMPARED, ttl_min_s=1.0
)
"""Without `health` there are no standbys. How long old answers live on is `settle_s`, the TTL of each origin."""
QUERIES_AT_ONCE = 16


class _Content(BaseModel):
    content: str


class _Comment(BaseModel):
    content: str
    account: str


class _Rrset(BaseModel):
    name: str
    type: str
    ttl: int = 0
    records: list[_Content] = Field(default_factory=list)
    comments: list[_Comment] = Field(default_factory=list)


class _Zone(BaseModel):
    rrsets: list[_Rrset]


Contents = Mapping[ServiceId, tuple[str, ...]]


@dataclass(slots=True)
class PowerDnsDialect:
    """How one zone of a PowerDNS is spoken to."""

    spec: PowerDnsSpec
    _edge: Edge = field(init=False)

    def __post_init__(self) -> None:
        self._edge = Edge(self.spec.access, f"{self.origin}: {self.where}")

    @property
    def origin(self) -> OriginId:
        """Whose names these are."""
        return self.spec.names.origin

    @property
    def where(self) -> str:
        """For messages."""
        return f"PowerDNS at {self.spec.access.shown}"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return replace(LIMITS, standby=self.spec.health, settle_s=float(self.spec.names.ttl_s))

    async def close(self) -> None:
        """Give up the connections."""
        await self._edge.close()

    async def look(self) -> Look[Contents]:
        """The LUA records of our names, and the rows in their comments."""
        zone = (await self._edge.ask("GET", self._path, f"zone {self.spec.names.zone}")).understood(_Zone)
        owner = {self.spec.names.name(service): service for service in self.spec.names.services}
        ours = {owner[r.name]: r for r in zone.rrsets if r.type == "LUA" and r.name in owner}
        contents = {s: tuple(sorted(record.content for record in rrset.records)) for s, rrset in ours.items()}
        rows = {service: self._row_of(service, texts) for service, texts in contents.items()}
        return Look(self._record(ours), {s: row for s, row in rows.items() if row is not None}, contents)

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """Weights in 10,000ths; standbys where PowerDNS checks health."""
        row = fitted(self.limits, self.spec.names.clusters(service), (targets, shed, unit), self._named(service))
        lua.contents(row, self._book(service), self.spec.health, self._named(service))
        return row

    async def put(self, seen: Look[Contents], record: WeightTable | None, changes: Changes) -> None:
        """One PATCH: the rows that change, and the comments of all."""
        notes = _notes(record)
        rrsets = [self._rrset(s, seen, changes, notes.get(s)) for s in sorted({*notes, *changes})]
        body = json.dumps({"rrsets": [rrset for rrset in rrsets if rrset]}).encode()
        await self._edge.ask("PATCH", self._path, f"zone {self.spec.names.zone}", body=body)

    async def verdict(self, now: Look[Contents], table: WeightTable, rows: Rows) -> Verdict:
        """What the server itself answers for every name. Refused where one of them does not work."""
        gate = asyncio.Semaphore(QUERIES_AT_ONCE)
        wrong = await asyncio.gather(*(self._asked(service, row, gate) for service, row in rows.items()))
        strange = "; ".join(words for words in wrong if words)
        return Verdict(accepted=True, programmed=not strange, detail=strange)

    async def _asked(self, service: ServiceId, row: Row, gate: asyncio.Semaphore) -> str:
        """What is strange about the answer to a name, empty where nothing is."""
        book, name = self._book(service), self.spec.names.name(service)
        allowed = {host for cluster in (*row.weights, *row.standbys) for host, _ in book[cluster]}
        kind = "AAAA" if all(":" in host for host in allowed) else "A"
        async with gate:
            answer = await found(self.spec.server, name, kind, self._named(f"query {name} {kind}"))
        if answer.rcode != "NOERROR" or not answer.texts:
            said = answer.rcode if answer.rcode != "NOERROR" else "no address"
            raise Refused(f"{self._named(service)}: {name} {kind} answers {said}; the record is taken back")
        foreign = [text for text in answer.texts if text not in allowed]
        return f"{name} still answers {foreign[0]}" if foreign else ""

    def _rrset(
        self, service: ServiceId, seen: Look[Contents], changes: Changes, note: str | None
    ) -> dict[str, object] | None:
        rrset: dict[str, object] = {"name": self.spec.names.name(service), "type": "LUA"}
        row = changes.get(service)
        if service in changes and row is None:
            return {**rrset, "changetype": "DELETE"}
        texts = seen.state.get(service, ())
        if row is not None:
            texts = lua.contents(row, self._book(service), self.spec.health, self._named(service))
        if not texts:
            return None
        comments = [{"content": note, "account": NAME}] if note else []
        records = [{"content": text, "disabled": False} for text in texts]
        return {
            **rrset,
            "changetype": "REPLACE",
            "ttl": self.spec.names.ttl_s,
            "records": records,
            "comments": comments,
        }

    def _row_of(self, service: ServiceId, texts: tuple[str, ...]) -> Row | None:
        return lua.row_of(texts, self._book(service), UNIT, self.spec.health)

    def _record(self, ours: Mapping[ServiceId, _Rrset]) -> WeightTable | None:
        found_ = []
        for service, rrset in ours.items():
            texts = [comment.content for comment in rrset.comments if comment.account == NAME]
            found_ += [record_of(text, self._named(f"comment of {service}")) for text in texts[:1]]
        return joined(found_)

    def _book(self, service: ServiceId) -> dict[ClusterId, tuple[tuple[str, int], ...]]:
        return {cluster: at for (owner, cluster), at in self.spec.names.endpoints.items() if owner == service}

    @property
    def _path(self) -> str:
        return f"/api/v1/servers/{self.spec.server_id}/zones/{self.spec.names.zone}"

    def _named(self, what: str) -> str:
        return f"{self.origin}: {self.where}, {what}"


def _notes(record: WeightTable | None) -> dict[ServiceId, str]:
    """The part of the record that stands beside each row."""
    return {service: record_text(part) for service, part in parts(record).items()} if record is not None else {}


def powerdns_connector(spec: PowerDnsSpec) -> FencedConnector[Contents]:
    """The connector of one zone."""
    return FencedConnector(PowerDnsDialect(spec))
