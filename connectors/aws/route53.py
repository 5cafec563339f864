"""Weighted records of Route 53 (API 2013-04-01).

A change batch is carried out whole or not at all, and a DELETE whose values are not those of the zone makes it fail. So
the record of what was asked for, a TXT beside each name, is deleted with the value that was read and created with the
new one in the batch that changes the weights: compared and written in one step.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from connectors.answers import Shape, Whole
from connectors.aws.api import AwsAccess, AwsApi, shaped
from connectors.connector import Fencing, MeshLimits, Refused
from connectors.dns.spec import Names
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict, fitted
from connectors.record import joined, line_of, parts, table_of_line
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import Target, WeightTable

LIMITS = MeshLimits(
    unit=255, weight_max=255, standby=True, standbys_max=1, shed=False, targets_max=100, fencing=Fencing.ATOMIC,
    programmed=True, ttl_min_s=1.0, zeros_are_equal=True,
)  # fmt: skip
"""100 records of one name and type, of weights 0..255. A record of weight 0 is answered only when all others are
unhealthy, so standbys need health checks; several would share. All 0 would mean equal shares: never written."""
IDENTIFIER = "equipoise-"
CHANGES_MAX = 300
CHARACTERS_MAX = 20_000
"""In one batch, below the API's 1,000 values and 32,000 characters, of which an UPSERT counts twice."""
LATE = ("but it was not found", "but the values provided do not match", "but it already exists")


class _Value(Shape):
    value: str = Field(alias="Value")


class _Set(Shape):
    name: str = Field(alias="Name")
    kind: str = Field(alias="Type")
    identifier: str | None = Field(alias="SetIdentifier", default=None)
    weight: Whole | None = Field(alias="Weight", default=None)
    values: list[_Value] = Field(alias="ResourceRecords", default_factory=list)


class _Page(Shape):
    sets: list[_Set] = Field(alias="ResourceRecordSets")
    more: bool = Field(alias="IsTruncated", default=False)
    next_name: str | None = Field(alias="NextRecordName", default=None)
    next_kind: str | None = Field(alias="NextRecordType", default=None)
    next_identifier: str | None = Field(alias="NextRecordIdentifier", default=None)


class _Info(Shape):
    identifier: str = Field(alias="Id")
    status: str = Field(alias="Status")


class _Change(Shape):
    info: _Info = Field(alias="ChangeInfo")


RecordSet = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Route53Spec:
    """One hosted zone."""

    names: Names
    access: AwsAccess
    zone_id: str
    health_checks: Mapping[ClusterId, str] = field(default_factory=dict)
    """The health check of each cluster; without them there are no standbys."""


@dataclass(frozen=True, slots=True)
class State:
    """Our record sets as they stand, word by word."""

    weighted: Mapping[ServiceId, Mapping[ClusterId, RecordSet]]
    notes: Mapping[ServiceId, RecordSet]


@dataclass(slots=True)
class Route53Dialect:
    """How one hosted zone is spoken to."""

    spec: Route53Spec
    _api: AwsApi = field(init=False)
    _change: str = ""

    def __post_init__(self) -> None:
        self._api = AwsApi("route53", self.spec.access, f"{self.origin}: {self.where}", LATE)

    @property
    def origin(self) -> OriginId:
        """Whose names these are."""
        return self.spec.names.origin

    @property
    def where(self) -> str:
        """For messages."""
        return f"Route 53, zone {self.spec.zone_id}"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return replace(LIMITS, standby=bool(self.spec.health_checks), settle_s=float(self.spec.names.ttl_s))

    async def close(self) -> None:
        """Give up the connections."""
        await self._api.close()

    async def look(self) -> Look[State]:
        """All record sets of the zone; ours are told by their names and identifiers."""
        owner = {self.spec.names.name(service): service for service in self.spec.names.services}
        places = {self._note_name(service): service for service in self.spec.names.services}
        weighted: dict[ServiceId, dict[ClusterId, RecordSet]] = {}
        notes: dict[ServiceId, RecordSet] = {}
        for raw in await self._sets():
            identifier = raw.get("SetIdentifier") or ""
            if raw["Name"] in owner and identifier.startswith(IDENTIFIER) and raw["Type"] in {"A", "AAAA", "CNAME"}:
                cluster = ClusterId(identifier.removeprefix(IDENTIFIER))
                weighted.setdefault(owner[raw["Name"]], {})[cluster] = raw
            elif raw["Name"] in places and raw["Type"] == "TXT":
                notes[places[raw["Name"]]] = raw
        rows = {service: self._row_of(service, sets) for service, sets in weighted.items()}
        tables = [self._noted(service, raw) for service, raw in notes.items()]
        return Look(joined(tables), {s: row for s, row in rows.items() if row is not None}, State(weighted, notes))

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """Weights of 1..255, and the first standby at 0."""
        row = fitted(self.limits, self.spec.names.clusters(service), (targets, shed, unit), self._named(service))
        kinds = {self._kind(service, cluster) for cluster in (*row.weights, *row.standbys)}
        if len(kinds) > 1:
            raise Refused(f"{self._named(service)}: the clusters have addresses of different kinds: {sorted(kinds)}")
        return row

    async def put(self, seen: Look[State], record: WeightTable | None, changes: Changes) -> None:
        """Batches of whole services, each compared and written in one step."""
        lines = {service: line_of(part) for service, part in parts(record).items()} if record is not None else {}
        batch: list[dict[str, Any]] = []
        for service in sorted({*lines, *changes}):
            more = self._changes(service, seen.state, lines.get(service, ""), changes)
            if batch and (len(batch) + len(more) > CHANGES_MAX or len(str(batch)) + len(str(more)) > CHARACTERS_MAX):
                await self._send(batch)
                batch = []
            batch += more
        if batch:
            await self._send(batch)

    async def verdict(self, now: Look[State], table: WeightTable, rows: Rows) -> Verdict:
        """Whether all of Route 53's servers have it."""
        if not self._change:
            return Verdict(accepted=True)
        answer = await self._api.call("GetChange", f"change {self._change}", Id=self._change)
        found: _Change = shaped(_Change, answer, self._named("change"))
        done = found.info.status == "INSYNC"
        return Verdict(accepted=True, programmed=done or None, detail="" if done else f"change {found.info.status}")

    async def _send(self, batch: list[dict[str, Any]]) -> None:
        answer = await self._api.call(
            "ChangeResourceRecordSets", f"{len(batch)} changes", HostedZoneId=self.spec.zone_id,
            ChangeBatch={"Comment": "equipoise", "Changes": batch},
        )  # fmt: skip
        found: _Change = shaped(_Change, answer, self._named("change"))
        self._change = found.info.identifier.rpartition("/")[2]

    def _changes(self, service: ServiceId, state: State, line: str, changes: Changes) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        noted = state.notes.get(service)
        wanted_note = self._note(service, line) if line else None
        if noted != wanted_note:
            found += [{"Action": "DELETE", "ResourceRecordSet": noted}] if noted else []
            found += [{"Action": "CREATE", "ResourceRecordSet": wanted_note}] if wanted_note else []
        if service in changes:
            row, before = changes[service], state.weighted.get(service, {})
            wanted = self._record_sets(service, row) if row is not None else {}
            gone = [{"Action": "DELETE", "ResourceRecordSet": raw} for c, raw in before.items() if c not in wanted]
            found += gone + [{"Action": "UPSERT", "ResourceRecordSet": each} for each in wanted.values()]
        return found

    def _record_sets(self, service: ServiceId, row: Row) -> dict[ClusterId, RecordSet]:
        weights = {**dict.fromkeys(row.standbys, 0), **row.weights}
        return {cluster: self._record_set(service, cluster, weight) for cluster, weight in sorted(weights.items())}

    def _record_set(self, service: ServiceId, cluster: ClusterId, weight: int) -> RecordSet:
        hosts = sorted({host for host, _ in self.spec.names.endpoints[service, cluster]})
        found: RecordSet = {
            "Name": self.spec.names.name(service), "Type": self._kind(service, cluster),
            "SetIdentifier": f"{IDENTIFIER}{cluster}", "Weight": weight, "TTL": self.spec.names.ttl_s,
            "ResourceRecords": [{"Value": host} for host in hosts],
        }  # fmt: skip
        check = self.spec.health_checks.get(cluster)
        return {**found, "HealthCheckId": check} if check else found

    def _row_of(self, service: ServiceId, sets: Mapping[ClusterId, RecordSet]) -> Row | None:
        known = self.spec.names.clusters(service)
        if not sets or any(cluster not in known for cluster in sets):
            return None
        weights = {cluster: int(raw.get("Weight", 0)) for cluster, raw in sets.items()}
        standbys = tuple(cluster for cluster, weight in weights.items() if not weight)
        row = Row({cluster: weight for cluster, weight in weights.items() if weight}, standbys)
        return row if self._record_sets(service, row) == dict(sorted(sets.items())) else None

    def _kind(self, service: ServiceId, cluster: ClusterId) -> str:
        hosts = {host for host, _ in self.spec.names.endpoints[service, cluster]}
        try:
            versions = {ipaddress.ip_address(host).version for host in hosts}
        except ValueError:
            sound = len(hosts) == 1 and all(
                part and len(part) < 64 and " " not in part for h in hosts for part in h.split(".")
            )
            if sound and not any(host.replace(".", "").isdigit() for host in hosts):
                return "CNAME"
            raise Refused(
                f"{self._named(service)}: {cluster} has {sorted(hosts)}, which a record cannot hold"
            ) from None
        if len(versions) > 1:
            raise Refused(f"{self._named(service)}: {cluster} has addresses of both families")
        return "A" if versions == {4} else "AAAA"

    def _note_name(self, service: ServiceId) -> str:
        return f"_equipoise-{self.origin}.{self.spec.names.name(service)}"

    def _note(self, service: ServiceId, line: str) -> RecordSet:
        quoted = " ".join(f'"{line[start : start + 250]}"' for start in range(0, len(line), 250))
        return {
            "Name": self._note_name(service), "Type": "TXT", "TTL": self.spec.names.ttl_s,
            "ResourceRecords": [{"Value": quoted}],
        }  # fmt: skip

    def _noted(self, service: ServiceId, raw: RecordSet) -> WeightTable:
        value = raw["ResourceRecords"][0]["Value"] if raw["ResourceRecords"] else ""
        line = value.replace('" "', "").strip('"')
        return table_of_line(self.origin, service, line, self._named(f"TXT of {service}"))

    async def _sets(self) -> list[RecordSet]:
        found: list[RecordSet] = []
        following: dict[str, str] = {}
        while True:
            answer = await self._api.call(
                "ListResourceRecordSets", "record sets", HostedZoneId=self.spec.zone_id, MaxItems="300", **following
            )
            page: _Page = shaped(_Page, answer, self._named("record sets"))
            found += [_plain(each) for each in answer["ResourceRecordSets"] if each.get("ResourceRecords")]
            names = {"StartRecordName": page.next_name, "StartRecordType": page.next_kind}
            names |= {"StartRecordIdentifier": page.next_identifier}
            after = {key: value for key, value in names.items() if value}
            if not page.more or not page.next_name or after == following:
                return found
            following = after

    def _named(self, what: str) -> str:
        return f"{self.origin}: {self.where}, {what}"


def _plain(raw: RecordSet) -> RecordSet:
    """A record set as it has to be given to delete it; Route 53 writes `*` and the like as octal."""
    kept = ("Name", "Type", "SetIdentifier", "Weight", "TTL", "ResourceRecords", "HealthCheckId")
    found = {key: raw[key] for key in kept if key in raw}
    return {**found, "Name": found["Name"].replace("\\137", "_").replace("\\052", "*")}


def route53_connector(spec: Route53Spec) -> FencedConnector[State]:
    """The connector of one hosted zone."""
    return FencedConnector(Route53Dialect(spec))
