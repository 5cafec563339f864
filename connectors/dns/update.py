"""Any name server that takes dynamic updates (RFC 2136) signed with TSIG (RFC 8945): weights as SRV records.

One update message holds all rows that change and the record, with the record that was read as its prerequisite. So it
is compared and written in one step, by the server. Plain address records know no weights; clients must follow SRV.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import dns.asyncquery
import dns.exception
import dns.name
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update

from connectors.connector import Fencing, MeshLimits, Refused, Unavailable
from connectors.dns.lookup import found
from connectors.dns.spec import UpdateSpec
from connectors.dns.srv import hosts, records_of, row_of, service_name
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict, fitted
from connectors.record import record_of, record_text
from placement.fleet import OriginId, ServiceId
from placement.weights import Target, WeightTable

LIMITS = MeshLimits(
    unit=10_000, standby=True, shed=False, targets_max=128, programmed=True, fencing=Fencing.ATOMIC, ttl_min_s=1.0
)
"""An SRV weight is 0..65535. How long old answers live on is `settle_s`, the TTL of each origin."""
PIECE = 255
"""Most bytes of one string of a TXT record."""
MESSAGE_MAX_BYTES = 65_000
UPDATE_TIMEOUT_S = 10.0
QUERIES_AT_ONCE = 16
RACED = frozenset({dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.YXDOMAIN, dns.rcode.NXDOMAIN})

Texts = Mapping[ServiceId, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Seen:
    """The SRV records of each service, and the record as it stands in the zone."""

    texts: Texts
    record: str
    """Empty where there is none."""


@dataclass(slots=True)
class UpdateDialect:
    """How one zone is spoken to."""

    spec: UpdateSpec

    @property
    def origin(self) -> OriginId:
        """Whose names these are."""
        return self.spec.names.origin

    @property
    def where(self) -> str:
        """For messages."""
        return f"the name server at {self.spec.server[0]}:{self.spec.server[1]}"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return replace(LIMITS, settle_s=float(self.spec.names.ttl_s))

    async def look(self) -> Look[Seen]:
        """The record, and the SRV records of our names, as the server answers them."""
        record = await self._record()
        if record is None:
            return Look(None, {}, Seen({}, ""))
        gate, services = asyncio.Semaphore(QUERIES_AT_ONCE), self.spec.names.services
        answers = await asyncio.gather(*(self._srv(service, gate) for service in services))
        texts = {service: texts for service, texts in zip(services, answers, strict=True) if texts}
        rows = {service: row_of(each, self.spec.names, service) for service, each in texts.items()}
        kept = {service: row for service, row in rows.items() if row is not None}
        return Look(record_of(_unquoted(record), self._named("record")), kept, Seen(texts, record))

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """Weights in 10,000ths, every standby with a priority of its own."""
        row = fitted(LIMITS, self.spec.names.clusters(service), (targets, shed, unit), self._named(service))
        records_of(row, self.spec.names, service)
        return row

    async def put(self, seen: Look[Seen], record: WeightTable | None, changes: Changes) -> None:
        """One update message with the record that was seen as its prerequisite."""
        try:
            keyring = dns.tsigkeyring.from_text({self.spec.key_name: self.spec.key_secret()})
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._named('update')}: the TSIG key cannot be read: {error}") from None
        algorithm = dns.name.from_text(self.spec.key_algorithm)
        update = dns.update.UpdateMessage(self.spec.names.zone, keyring=keyring, keyalgorithm=algorithm)
        if seen.state.record:
            update.present(self._place, "TXT", seen.state.record)
        else:
            update.absent(self._place, "TXT")
        update.delete(self._place, "TXT")
        if record is not None:
            update.add(self._place, 0, "TXT", _quoted(record_text(record)))
        for service, row in changes.items():
            self._add(update, service, row)
        await self._send(update)

    async def verdict(self, now: Look[Seen], table: WeightTable, rows: Rows) -> Verdict:
        """The look after the write was a query for every name at the server that answers for them."""
        return Verdict(accepted=True, programmed=all(now.rows.get(service) == row for service, row in rows.items()))

    def _add(self, update: dns.update.UpdateMessage, service: ServiceId, row: Row | None) -> None:
        names = self.spec.names
        update.delete(service_name(names, service), "SRV")
        if row is None:
            return
        for srv in records_of(row, names, service):
            update.add(service_name(names, service), names.ttl_s, "SRV", srv.text())
        for host, (kind, address) in hosts(names, service).items():
            update.replace(host, names.ttl_s, kind, address)

    async def _send(self, update: dns.update.UpdateMessage) -> None:
        what = self._named(f"update of {self.spec.names.zone}")
        try:
            if len(update.to_wire(max_size=65_535)) > MESSAGE_MAX_BYTES:
                raise Refused(f"{what}: the update is larger than a DNS message; use more zones")
            answer = await dns.asyncquery.tcp(
                update, self.spec.server[0], port=self.spec.server[1], timeout=UPDATE_TIMEOUT_S
            )
        except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadKey, dns.tsig.BadTime) as error:
            raise Refused(f"{what}: {type(error).__name__}: {error}; check the TSIG key and the clocks") from None
        except dns.exception.TooBig:
            raise Refused(f"{what}: the update is larger than a DNS message; use more zones") from None
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            raise Unavailable(f"{what}: {type(error).__name__}: {error}") from None
        self._judge(answer.rcode(), what)

    @staticmethod
    def _judge(code: dns.rcode.Rcode, what: str) -> None:
        if code == dns.rcode.NOERROR:
            return
        if code in RACED:
            raise Unavailable(f"{what}: {dns.rcode.to_text(code)}: somebody else changed it since it was read")
        if code == dns.rcode.SERVFAIL:
            raise Unavailable(f"{what}: SERVFAIL")
        raise Refused(f"{what}: {dns.rcode.to_text(code)}; the key must be allowed to update this zone")

    async def _record(self) -> str | None:
        answer = await found(self.spec.server, self._place, "TXT", self._named(f"query {self._place} TXT"))
        if answer.rcode not in {"NOERROR", "NXDOMAIN"}:
            raise Unavailable(f"{self._named(f'query {self._place} TXT')}: {answer.rcode}")
        return answer.texts[0] if answer.texts else None

    async def _srv(self, service: ServiceId, gate: asyncio.Semaphore) -> tuple[str, ...]:
        name = service_name(self.spec.names, service)
        async with gate:
            answer = await found(self.spec.server, name, "SRV", self._named(f"query {name} SRV"))
        return tuple(sorted(answer.texts))

    @property
    def _place(self) -> str:
        """Where the record stands."""
        return f"_equipoise-{self.origin}.{self.spec.names.zone}"

    def _named(self, what: str) -> str:
        return f"{self.origin}: {self.where}, {what}"


def _quoted(text: str) -> str:
    """The strings of a TXT record. JSON of ours is ASCII."""
    pieces = (text[start : start + PIECE] for start in range(0, len(text), PIECE))
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)


def _unquoted(text: str) -> str:
    """The inverse, of what a server answers."""
    found_, escaped, inside = [], False, False
    for sign in text:
        if escaped:
            found_.append(sign)
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == '"':
            inside = not inside
        elif inside:
            found_.append(sign)
    return "".join(found_)


def update_connector(spec: UpdateSpec) -> FencedConnector[Seen]:
    """The connector of one zone."""
    return FencedConnector(UpdateDialect(spec))
