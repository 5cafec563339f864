"""The connector: one origin's weights in the objects of its mesh; fenced, tried dry, read back, undone if refused."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from connectors.connector import MeshLimits, Receipt, Refused, Unavailable
from connectors.drift import Drift, OnDrift, Row
from connectors.kubernetes.answers import Conflicted, Missing
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.changes import Change, changes_of, fence_manifest, undone, waves
from connectors.kubernetes.dialect import Dialect, Shadowing, Telling, Word, together
from connectors.kubernetes.hearing import Hearing, Key, key_of
from connectors.kubernetes.marks import fence_of, labels
from connectors.kubernetes.mirror import followed
from connectors.kubernetes.resource import CONFIG_MAP, Manifest, mapping, named, whole_number
from connectors.kubernetes.spec import KubernetesSpec, Ownership
from connectors.kubernetes.split import rounding_error, split_of
from connectors.kubernetes.standing import Standing, drift_of, look, services_of, written
from placement.fleet import OriginId, ServiceId
from placement.weights import WeightTable, table_from_content

AT_ONCE = 8
"""Requests to one API server at the same time; servers limit what one client may have in flight."""
UNIT = "unit"

T = TypeVar("T")


@dataclass(slots=True)
class KubernetesConnector:
    """A connectors.connector.Connector, Judging and Drifting, for the mesh behind one API server.

    All state is in the cluster: the fence in a ConfigMap that is written first and with compare-and-set, the rows in
    annotations of the objects that hold them. A write is tried dry as a whole before anything is changed; what the
    mesh then refuses is taken back.
    """

    spec: KubernetesSpec
    api: KubernetesApi
    dialect: Dialect
    drifts: tuple[Drift, ...] = field(default=())

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""
        return self.spec.origin

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return self.dialect.limits

    @property
    def on_drift(self) -> OnDrift:
        """What to do about the hands of others."""
        return self.spec.on_drift

    async def read(self) -> WeightTable | None:
        """The table that stands; by `on_drift` the rows we wrote, or those that were found."""
        standing = await look(self.api, self.spec, self.dialect)
        fence = standing.fence
        unit = whole_number(_number(mapping(standing.fence_map, "data").get(UNIT)))
        if fence is None or not unit:
            self.drifts = ()
            return None
        rows: dict[str, Row] = {}
        found: list[Drift] = []
        for service, place in services_of(self.spec):
            known = written(standing, self.dialect, place)
            if known is None or known[0] != unit:
                continue
            rows[service] = known[1]
            drift = drift_of(standing, self.spec, self.dialect, place, unit, known[1], self.api.field_manager)
            if drift is not None:
                found.append(drift)
                if self.on_drift is OnDrift.ADOPT and drift.found is not None:
                    rows[service] = drift.found
        self.drifts = tuple(found)
        content = {s: {"shed": shed, "targets": [list(t) for t in row]} for s, (row, shed) in rows.items()}
        return table_from_content({"origin": self.origin, "unit": unit, "services": content}, fence)

    async def judge(self, table: WeightTable) -> Receipt:
        """What a write would say, by server-side dry run: schemas, admission, ownership, fence; nothing is changed."""
        changes, _ = await self._tried(table)
        said = [f"{len(changes)} objects would change", *self._rounded(table)]
        if isinstance(self.dialect, Shadowing):
            seen = await self.dialect.shadow(self.api, tuple(change.manifest for change in changes))
            said += [seen] if seen else []
        return Receipt(table.origin, table.epoch, table.version, stored=False, accepted=True, detail="; ".join(said))

    async def write(self, table: WeightTable) -> Receipt:
        """Bring the mesh to the table, object by object, and wait for its word.

        Raises Refused, with what stood before in force again, for a lower fence, a cluster the mesh has no name of, a
        field of another manager, or whatever API server, admission or mesh object to. `accepted` is None where the
        mesh has not answered within `patience_s`.
        """
        changes, standing = await self._tried(table)
        await self._fence(table, standing, dry_run=False)
        made: list[tuple[Change, Manifest]] = []
        try:
            for wave in waves(changes):
                await self._each(wave, lambda change: self._make(change, made))
            word = await self._word(table, {key_of(manifest): change for change, manifest in made})
        except Refused as no:
            await self._undo(table, made)
            raise Refused(f"{no}{_remedy(no)}") from None
        if word.accepted is False:
            await self._undo(table, made)
            raise Refused(f"{self.origin}: {word.why}")
        dark = await self._dark()
        detail = [*(words for words in (word.why, dark) if words), *self._rounded(table), *self._left()]
        return Receipt(
            table.origin, table.epoch, table.version, stored=True, accepted=word.accepted,
            programmed=False if dark else word.programmed, detail="; ".join(detail),
        )  # fmt: skip

    async def _dark(self) -> str:
        """Why the data plane runs with nothing new; empty where nobody says so, or may be asked."""
        if not isinstance(self.dialect, Telling):
            return ""
        try:
            return await self.dialect.told(self.api, self.spec)
        except (Unavailable, Refused):
            return ""

    async def _tried(self, table: WeightTable) -> tuple[list[Change], Standing]:
        """What to write, after a dry run of all of it."""
        standing = await look(self.api, self.spec, self.dialect)
        self._compare(table, standing)
        await self.dialect.check(self.api, self.spec)
        changes = [
            change
            for service, row in self._rows(table, standing)
            for change in self._changes(table, service, row, standing)
        ]
        await self._fence(table, standing, dry_run=True)
        force = self.spec.force
        try:
            await self._each(changes, lambda change: change.make(self.api, dry_run=True, force=force))
        except Refused as no:
            raise Refused(f"{no}{_remedy(no)}") from None
        return changes, standing

    def _compare(self, table: WeightTable, standing: Standing) -> None:
        fence = standing.fence
        if fence is not None and table.fence < fence:
            raise Refused(
                f"{self.origin}: (epoch, version) {table.fence} is lower than {fence}, which ConfigMap "
                f"{self.spec.namespace}/{self.spec.fence_name} has already; another controller leads"
            )

    def _rows(self, table: WeightTable, standing: Standing) -> Iterable[tuple[ServiceId, Row]]:
        """The rows to write: all, but for those that somebody else changed and that are to be ignored."""
        for service, targets, shed in table.items():
            place = self.spec.places.get(service)
            if place is None:
                raise Refused(f"{self.origin}: service {service} has no name in this mesh; give it one")
            if self.on_drift is OnDrift.IGNORE:
                known = written(standing, self.dialect, place)
                us = self.api.field_manager
                if known and drift_of(standing, self.spec, self.dialect, place, *known, us):
                    continue
            yield service, (targets, shed)

    def _changes(self, table: WeightTable, service: ServiceId, row: Row, standing: Standing) -> list[Change]:
        place = self.spec.places[service]
        us = self.api.field_manager
        return changes_of(self.spec, self.dialect, place, table.unit, row, table.fence, standing, us)

    async def _fence(self, table: WeightTable, standing: Standing, *, dry_run: bool) -> None:
        """Write the fence before anything else: who is overtaken here changes nothing."""
        manifest = fence_manifest(self.spec, table.unit, table.fence, standing, CONFIG_MAP)
        try:
            if standing.fence_map is None:
                await self.api.create(manifest, CONFIG_MAP, dry_run=dry_run)
            else:
                await self.api.apply(manifest, CONFIG_MAP, dry_run=dry_run, force=True)  # nobody else has a say in it
        except Conflicted:
            now = fence_of(await self.api.find(CONFIG_MAP, self.spec.namespace, self.spec.fence_name))
            if now is not None and now > table.fence:
                raise Refused(
                    f"{self.origin}: overtaken by (epoch, version) {now} while writing {table.fence}"
                ) from None
            raise Unavailable(f"{self.origin}: {named(manifest)} changed while it was written") from None

    async def _make(self, change: Change, made: list[tuple[Change, Manifest]]) -> None:
        made.append((change, await change.make(self.api, dry_run=False, force=self.spec.force)))

    async def _word(self, table: WeightTable, changed: dict[Key, Change]) -> Word:
        """What the mesh says of the objects that hold the weights, once it has said it of all, or when time is up."""
        latest, counted = Word(True), dict[str, bool | None]()
        resource, hearing = self.dialect.resources[-1], Hearing(self.spec, self.dialect, changed)
        spaces = sorted({self.dialect.namespace(self.spec.places[service]) for service in table.services})
        try:
            async with asyncio.timeout(self.spec.patience_s):
                for namespace in spaces:
                    async with aclosing(followed(self.api, resource, namespace, self._selector())) as looks:
                        async for held in looks:
                            latest = hearing.of(table, namespace, held)
                            counted[namespace] = latest.programmed
                            if latest.accepted is not None and latest.programmed is not False:
                                break
                    if latest.accepted is False:
                        break
        except TimeoutError:
            if latest.accepted is None or len(counted) < len(spaces):
                return Word(None, latest.why or "the mesh has not answered yet")
        return Word(latest.accepted, latest.why, together(counted.values()))

    def _selector(self) -> str:
        if self.spec.ownership is Ownership.PATCH:
            return ""
        return ",".join(f"{key}={value}" for key, value in labels(self.origin).items())

    async def _undo(self, table: WeightTable, made: list[tuple[Change, Manifest]]) -> None:
        """Put back what stood before, unless another controller has written since."""
        for change, done in reversed(made):
            back = undone(change, self.spec, self.dialect, table.fence, done)
            try:
                if back is not None:
                    await back.make(self.api, dry_run=False, force=self.spec.force)
                elif change.before is None and change.operations is None:
                    await self.api.delete(change.resource, *key_of(done)[1:])
            except (Missing, Refused):
                continue  # somebody else was there meanwhile: theirs stands, and the next read says so

    async def _each(self, changes: list[Change], work: Callable[[Change], Awaitable[object]]) -> None:
        """All at once, a few at a time; the first no ends the rest."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(change: Change) -> None:
            async with turn:
                await work(change)

        done = await asyncio.gather(*map(one, changes), return_exceptions=True)
        no = [error for error in done if isinstance(error, BaseException)]
        if no:
            raise next((error for error in no if isinstance(error, Refused)), no[0])

    def _rounded(self, table: WeightTable) -> list[str]:
        limits = self.limits
        worst, kept = 0.0, []
        for service, targets, shed in table.items():
            split = split_of((targets, shed), limits.unit, limits.shed)
            worst = max(worst, rounding_error((targets, shed), split))
            if shed and not limits.shed:
                kept.append(str(service))
        words = (
            [f"rounded to weights of {limits.unit} together, shares off by up to {worst:.2%}"] if worst > 1e-6 else []
        )
        return words + ([f"this mesh refuses nothing: all of {', '.join(kept[:5])} is served"] if kept else [])

    def _left(self) -> list[str]:
        ignored = [str(drift.service) for drift in self.drifts] if self.on_drift is OnDrift.IGNORE else []
        return [f"left alone: {', '.join(ignored[:5])}"] if ignored else []


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else None


def _remedy(no: Refused) -> str:
    if isinstance(no, Conflicted) and no.managers:
        return (
            f"; {', '.join(no.managers)} owns it: let it go there, or change weights in its object (ownership: patch)"
        )
    return ""
