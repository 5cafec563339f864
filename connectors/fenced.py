"""What every connector does that keeps its table in the mesh: compare fences, write what differs, read back, undo.

A mesh is described by a Dialect: how to look at what it has, what a row becomes in its own numbers, and how to write.
The rest is the same everywhere and stands here once. All state is in the mesh; a connector that starts anew knows what
the last one knew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from connectors.connector import MeshLimits, Receipt, Refused, Unavailable
from connectors.fit import at_most, largest_error, to_unit
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import Target, WeightTable, table_of

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Row:
    """What a mesh runs with for one service, in its own numbers. Equal rows need no write."""

    weights: Mapping[ClusterId, int]
    """Above 0."""
    standbys: tuple[ClusterId, ...] = ()
    shed: int = 0


Rows = Mapping[ServiceId, Row]
Changes = Mapping[ServiceId, Row | None]
"""None: take away what we put there."""


@dataclass(frozen=True, slots=True)
class Look(Generic[State]):
    """What a mesh has at one moment."""

    record: WeightTable | None
    """The last table that it was given."""
    rows: Rows
    """What it runs with, whoever wrote it. A row that could not be understood is left out."""
    state: State
    """What the dialect needs to write in one step what it looked at before: versions, identities."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a mesh says after a write."""

    accepted: bool | None = True
    programmed: bool | None = None
    detail: str = ""


class Dialect(Protocol[State]):
    """How one kind of mesh is spoken to. Its methods raise only Unavailable or Refused."""

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""

    @property
    def where(self) -> str:
        """For messages: `Consul at https://consul:8501`."""

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""

    async def look(self) -> Look[State]:
        """What it has now."""

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """What a row of a table becomes. Refused for what it cannot express."""

    async def put(self, seen: Look[State], record: WeightTable | None, changes: Changes) -> None:
        """Write these rows and the record over what was seen; None takes the record away. The rest stays."""

    async def verdict(self, now: Look[State], table: WeightTable, rows: Rows) -> Verdict:
        """What it says of a table that it has, `now` being the look after the write. Refused: it is taken back.

        `rows` are those that changed, or all where none did.
        """


@dataclass(slots=True)
class FencedConnector(Generic[State]):
    """A connectors.connector.Connector for whatever a Dialect speaks to."""

    dialect: Dialect[State]
    _rows: dict[ServiceId, tuple[object, Row | Refused]] = field(default_factory=dict, repr=False)

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""
        return self.dialect.origin

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return self.dialect.limits

    async def close(self) -> None:
        """Give up connections, where the dialect has any."""
        closing = getattr(self.dialect, "close", None)
        if closing is not None:
            await closing()

    async def read(self) -> WeightTable | None:
        """The table in force: what is recorded, with the weights that the mesh really has."""
        seen = await self.dialect.look()
        return self._in_force(seen.record, seen.rows) if seen.record else None

    async def write(self, table: WeightTable) -> Receipt:
        """Bring the mesh to the table by writing what differs. All is read back.

        Raises Refused for a lower fence, for what the mesh cannot express, and, with what stood before in force again,
        for what it objects to. Unavailable while writing leaves open what it has; the next `read` tells.
        """
        seen = await self.dialect.look()
        self._check_fence(seen, table)
        rows = self._wanted(table)
        changed = {service: row for service, row in rows.items() if seen.rows.get(service) != row}
        now = seen
        if changed or not _same(seen.record, table):
            now = await self._change(seen, table, changed)
        try:
            verdict = await self.dialect.verdict(now, table, changed or rows)
        except Refused as words:
            await self._undo(seen, table, changed, str(words))
            raise
        said = [verdict.detail, self._rounding(table, rows)]
        return Receipt(
            table.origin, table.epoch, table.version, stored=True, accepted=verdict.accepted,
            programmed=verdict.programmed, detail="; ".join(words for words in said if words),
        )  # fmt: skip

    def _check_fence(self, seen: Look[State], table: WeightTable) -> None:
        if seen.record is not None and table.fence < seen.record.fence:
            raise Refused(
                f"{self.origin}: (epoch, version) {table.fence} is lower than {seen.record.fence}, which "
                f"{self.dialect.where} has already; another controller leads"
            )

    def _wanted(self, table: WeightTable) -> dict[ServiceId, Row]:
        rows = {}
        for service, targets, shed in table.items():
            found = self._row(service, targets, shed, table.unit)
            if isinstance(found, Refused):
                raise found
            rows[service] = found
        return rows

    def _row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row | Refused:
        """What the dialect makes of a row; kept, because most rows stay as they are from tick to tick."""
        key = (targets, shed, unit)
        known = self._rows.get(service)
        if known is not None and known[0] == key:
            return known[1]
        found: Row | Refused
        try:
            found = self.dialect.row(service, targets, shed, unit)
        except Refused as refusal:
            found = refusal
        self._rows[service] = (key, found)
        return found

    async def _change(self, seen: Look[State], table: WeightTable, changed: Rows) -> Look[State]:
        try:
            await self.dialect.put(seen, table, changed)
        except Refused as words:
            await self._undo(seen, table, changed, str(words))
            raise
        now = await self.dialect.look()
        if now.record is not None and now.record.fence > table.fence:
            raise Refused(
                f"{self.origin}: overtaken by (epoch, version) {now.record.fence} while writing {table.fence}"
            )
        wrong = self._differs(now, table, changed)
        if wrong:
            await self._undo(seen, table, changed, wrong)
            raise Refused(f"{self.origin}: {self.dialect.where}, read back: {wrong}")
        return now

    def _differs(self, now: Look[State], table: WeightTable, changed: Rows) -> str:
        if not _same(now.record, table):
            return "the record of what was written is not what was written"
        other = next((service for service, row in changed.items() if now.rows.get(service) != row), None)
        return "" if other is None else f"{other} is {now.rows.get(other, 'missing')}, not {changed[other]}"

    async def _undo(self, before: Look[State], table: WeightTable, changed: Rows, words: str) -> None:
        """Put back what stood before, unless another controller has written since. Says so where that fails."""
        try:
            now = await self.dialect.look()
            if now.record is not None and now.record.fence > table.fence:
                raise Refused(f"{self.origin}: overtaken by (epoch, version) {now.record.fence}; {words}")
            stood = {s: before.rows.get(s) for s in changed if now.rows.get(s) != before.rows.get(s)}
            if stood or not _same(now.record, before.record):
                await self.dialect.put(now, before.record, stood)
        except Unavailable as silence:
            raise Refused(f"{words}; and what stood before could not be put back: {silence}") from None

    def _in_force(self, record: WeightTable, rows: Rows) -> WeightTable:
        found = {}
        for service, targets, shed in record.items():
            if service in rows:
                found[str(service)] = self._row_in_force(service, targets, shed, record.unit, rows[service])
        return table_of(record.origin, record.unit, found, record.fence)

    def _row_in_force(
        self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int, actual: Row
    ) -> dict[str, tuple[int, int]]:
        """A row as recorded where the mesh runs with what that becomes, else as the mesh has it."""
        if self._row(service, targets, shed, unit) == actual:
            return {str(target.cluster): (target.weight, target.priority) for target in targets}
        kept = to_unit(actual.weights, unit if self.limits.shed is False else unit - min(actual.shed, unit))
        row = {str(cluster): (weight, 0) for cluster, weight in kept.items() if weight}
        spare = [str(cluster) for cluster in actual.standbys if cluster not in row]
        return row | {cluster: (0, place) for place, cluster in enumerate(spare, start=1)}

    def _rounding(self, table: WeightTable, rows: Rows) -> str:
        error = 0.0
        for service, targets, shed in table.items():
            wanted = {target.cluster: target.weight for target in targets if target.weight}
            error = max(error, largest_error(wanted, rows[service].weights))
            if shed and not self.limits.shed:
                return "this mesh cannot refuse requests, so what was to be refused is served in proportion"
        return f"rounded to this mesh's weights, shares off by up to {error:.2%}" if error > 1e-6 else ""


def _same(record: WeightTable | None, table: WeightTable | None) -> bool:
    if record is None or table is None:
        return record is table
    return record.fence == table.fence and record.same_weights(table)


def fitted(limits: MeshLimits, known: frozenset[ClusterId], row: tuple[tuple[Target, ...], int, int], name: str) -> Row:
    """A row (targets, shed, unit) within limits. Refused for a cluster that is not `known`.

    Also where nothing is left to serve and the mesh cannot refuse. Standbys beyond the mesh's number are left out, for
    they would share what the first is to take.
    """
    targets, shed, unit = row
    unknown = [target.cluster for target in targets if target.cluster not in known]
    if unknown:
        raise Refused(f"{name}: no endpoint in {unknown[0]} is known; add its address")
    weights: dict[ClusterId, int] = {target.cluster: target.weight for target in targets if target.weight}
    if not weights and not limits.shed:
        raise Refused(f"{name}: all requests are to be refused, which this mesh cannot do; it keeps what it has")
    if len(weights) > limits.targets_max:
        raise Refused(f"{name}: {len(weights)} destinations are more than the {limits.targets_max} that it takes")
    ordered = sorted((target for target in targets if target.priority), key=lambda target: target.priority)
    standbys = tuple(target.cluster for target in ordered)[: limits.standbys_max if limits.standby else 0]
    if limits.weight_max:
        return Row(_used(at_most(weights, limits.weight_max)), standbys)
    refused = round(shed / unit * limits.unit) if limits.shed else 0
    return Row(_used(to_unit(weights, limits.unit - refused)), standbys, refused)


def _used(weights: Mapping[ClusterId, int]) -> dict[ClusterId, int]:
    return {cluster: weight for cluster, weight in weights.items() if weight}
