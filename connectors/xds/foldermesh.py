"""An Envoy by files: what it watches is moved into place, and its admin interface says what it made of it."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from connectors.answers import Shape, Whole
from connectors.connector import Fencing, MeshLimits, Refused, Unavailable
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict
from connectors.files import alone, replace_file, text_of
from connectors.http import Access, Edge
from connectors.record import record_of, record_text
from connectors.xds import folder
from connectors.xds.connector import LIMITS as STREAM_LIMITS
from connectors.xds.spec import MeshSpec
from connectors.xds.translation import translate
from placement.fleet import OriginId, ServiceId
from placement.weights import Target, WeightTable, table_of

LIMITS = replace(STREAM_LIMITS, programmed=True, achieved=False, fencing=Fencing.ATOMIC)
RECORD = "equipoise.json"
POLL_S = 0.002
Texts = Mapping[str, str]


class _Stat(Shape):
    name: str = ""
    value: Whole | str = 0


class _Stats(Shape):
    stats: list[_Stat]


@dataclass(frozen=True, slots=True)
class FolderSpec:
    """One Envoy, and the folder that it watches on this machine."""

    mesh: MeshSpec
    folder: str
    admin: Access
    """Envoy's admin interface."""


@dataclass(frozen=True, slots=True)
class State:
    """The files as they were, and how often Envoy had refused one."""

    texts: Texts
    rejected: int
    running: Mapping[str, str]
    """The version that Envoy took last, by the name of a statistic."""


@dataclass(slots=True)
class FolderDialect:
    """How an Envoy is spoken to by files."""

    spec: FolderSpec
    _edge: Edge = field(init=False)
    _files: dict[str, Texts] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._edge = Edge(self.spec.admin, f"{self.origin}: {self.where}")

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""
        return self.spec.mesh.origin

    @property
    def where(self) -> str:
        """For messages."""
        return f"Envoy with {self.spec.folder}"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return LIMITS

    async def close(self) -> None:
        """Give up the connections."""
        await self._edge.close()

    async def look(self) -> Look[State]:
        """The files, and which of them Envoy runs with. A service whose files are others, or not in use, has no row."""
        texts = await asyncio.to_thread(self._texts)
        record = record_of(texts[RECORD], self._named("record")) if RECORD in texts else None
        rejected, running = await self._asked()
        state = State(texts, rejected, running)
        return Look(record, self._rows(record, state) if record is not None else {}, state)

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """The row as it is; Refused where an address is missing."""
        one = table_of(self.origin, unit, {service: {t.cluster: (t.weight, t.priority) for t in targets}})
        translate(one, self.spec.mesh)
        return _row(targets, shed)

    async def put(self, seen: Look[State], record: WeightTable | None, changes: Changes) -> None:
        """Move what differs into place, and wait until Envoy has taken or refused it."""
        wanted = self._translated(record) if record is not None else folder.EMPTY
        what = self._named("write")
        with alone(Path(self.spec.folder) / f"{RECORD}.lock", what):
            if await asyncio.to_thread(self._texts) != seen.state.texts:
                raise Unavailable(f"{what}: somebody else changed it since it was read")
            await self._move({RECORD: record_text(record)} if record is not None else {}, seen.state.texts)
            await self._move(wanted, seen.state.texts)
        await self._taken(wanted, seen.state.rejected)
        gone = [name for name in seen.state.texts if name.startswith(("eds-", "rds-")) and name not in wanted]
        await asyncio.to_thread(self._unlink, gone if record is not None else [*gone, RECORD])

    async def verdict(self, now: Look[State], table: WeightTable, rows: Rows) -> Verdict:
        """Envoy has said that it took every file, or `put` would not have ended."""
        return Verdict(accepted=True, programmed=all(now.rows.get(service) == row for service, row in rows.items()))

    async def _taken(self, wanted: Texts, rejected_before: int) -> None:
        versions = {name: folder.version_in(text) for name, text in wanted.items()}
        while True:
            rejected, running = await self._asked()
            if rejected > rejected_before:
                late = [name for name, version in versions.items() if running.get(folder.readout(name)) != version]
                raise Refused(self._named(f"{', '.join(late) or 'a file'}: Envoy refuses it; its log says why"))
            if all(running.get(folder.readout(name)) == version for name, version in versions.items()):
                return
            await asyncio.sleep(POLL_S)

    async def _asked(self) -> tuple[int, dict[str, str]]:
        """How many files Envoy has refused so far, and the version of each file that it runs with."""
        params = {"filter": r"(version_text|update_rejected)$", "format": "json"}
        answer = await self._edge.ask("GET", "/stats", "statistics", params=params)
        stats = {stat.name: stat.value for stat in answer.understood(_Stats).stats if stat.name}
        rejected = sum(int(v) for name, v in stats.items() if name.endswith("update_rejected") and isinstance(v, int))
        texts = {name: str(value) for name, value in stats.items() if name.endswith("version_text")}
        return rejected, texts

    def _rows(self, record: WeightTable, state: State) -> dict[ServiceId, Row]:
        """The rows of the record whose files are as we would write them, and as Envoy runs with them."""
        try:
            wanted = self._translated(record)
        except Refused:
            return {}
        sound = {
            name for name, text in wanted.items()
            if state.texts.get(name) == text and state.running.get(folder.readout(name)) == folder.version_in(text)
        }  # fmt: skip
        if not {n for n in wanted if not n.startswith("eds-")} <= sound:
            return {}
        found = {}
        for service, targets, shed in record.items():
            begins = (f"eds-{folder.safe(service)}.json", f"eds-{folder.safe(service)}%7C")
            mine = {name for name in wanted if name.startswith(begins)}
            if mine <= sound:
                found[service] = _row(targets, shed)
        return found

    def _translated(self, table: WeightTable) -> Texts:
        """The files of a table. A write needs those of two tables, and of each of them twice."""
        digest = table.digest()
        if digest not in self._files:
            kept = dict(list(self._files.items())[-1:])
            self._files = kept | {digest: folder.files_of(translate(table, self.spec.mesh), self.spec.folder)}
        return self._files[digest]

    def _texts(self) -> dict[str, str]:
        """All files of ours, the first ones made where there are none: Envoy refuses to start without."""
        at = Path(self.spec.folder)
        try:
            for name, text in folder.EMPTY.items():
                if not (at / name).exists():
                    replace_file(at / name, text)
            names = [p.name for p in at.glob("*.json") if p.name.startswith(("eds-", "rds-", "lds.", "cds.", RECORD))]
            found = {name: text_of(at / name) for name in sorted(names)}
        except (OSError, ValueError) as error:
            raise Unavailable(self._named(f"read: {error}")) from None
        return {name: text for name, text in found.items() if text is not None}

    async def _move(self, files: Texts, before: Texts) -> None:
        try:
            await asyncio.to_thread(self._replace, {n: text for n, text in files.items() if before.get(n) != text})
        except OSError as error:
            raise Unavailable(self._named(f"write: {error}")) from None

    def _replace(self, files: Texts) -> None:
        """The record outlives the machine; a file that Envoy watches is compared with it, and made again."""
        for name, text in files.items():
            replace_file(Path(self.spec.folder) / name, text, durable=name == RECORD)

    def _unlink(self, gone: list[str]) -> None:
        for name in gone:
            with contextlib.suppress(OSError):
                (Path(self.spec.folder) / name).unlink()

    def _named(self, what: str) -> str:
        return f"{self.origin}: {self.where}, {what}"


def _row(targets: tuple[Target, ...], shed: int) -> Row:
    standbys = sorted((t for t in targets if t.priority), key=lambda target: target.priority)
    return Row({t.cluster: t.weight for t in targets if t.weight}, tuple(t.cluster for t in standbys), shed)


def folder_connector(spec: FolderSpec) -> FencedConnector[State]:
    """The connector of one Envoy by files."""
    return FencedConnector(FolderDialect(spec))
