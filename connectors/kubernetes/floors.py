"""A connectors.workload.WorkloadConnector: the replica floors of the services behind one API server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.answers import side_by_side
from connectors.connector import Receipt, Refused
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.marks import FLOOR, Fence, annotation, fence_marks, fence_of
from connectors.kubernetes.resource import Manifest, mapping, named, text
from connectors.kubernetes.workload import (
    AUTOSCALER,
    DEPLOYMENT,
    SCALED_OBJECT,
    Keeper,
    Kept,
    availability,
    back_operations,
    before_us,
    floors_in,
    operations,
)
from connectors.workload import FloorKey, FloorTable
from placement.fleet import ClusterId, OriginId, ServiceId


@dataclass(frozen=True, slots=True)
class FloorSpec:
    """What is kept behind one API server."""

    owner: OriginId
    home: ClusterId
    """The cluster of the API server; where Karmada's is, one of a name that no floor has."""
    kept: Mapping[ServiceId, Kept]
    names: Mapping[ClusterId, str]
    """What Karmada calls each cluster."""


@dataclass(frozen=True, slots=True)
class KubernetesFloors:
    """Objects stay whose they are: one number in each is changed, by a JSON Patch that tests what was read."""

    spec: FloorSpec
    api: KubernetesApi

    @property
    def owner(self) -> OriginId:
        """Whose API server it is."""
        return self.spec.owner

    async def read(self) -> FloorTable | None:
        """The floors of the objects that carry our fence, as they are now; the table has the highest fence of them."""
        found: dict[FloorKey, int] = {}
        fences: list[Fence] = []
        for service, kept in sorted(self.spec.kept.items()):
            live = await self.api.find(kept.keeper.resource, kept.namespace, kept.name)
            fence = fence_of(live)
            if live is None or fence is None:
                continue
            fences.append(fence)
            floors = floors_in(kept, live, self.spec.home, self.spec.names)
            found |= {(service, cluster): least for cluster, least in floors.items()}
        return FloorTable(self.owner, *max(fences), found) if fences else None

    async def standing(self) -> dict[FloorKey, int]:
        """The floors of all objects that are there, whoever set them.

        A policy of Karmada that has no static weights says nothing of floors and is left out; where it has some, a
        cluster without one has a floor of 0.
        """
        found: dict[FloorKey, int] = {}
        known = sorted(self.spec.kept.items())
        lives = await side_by_side(self.api.find(k.keeper.resource, k.namespace, k.name) for _, k in known)
        for (service, kept), live in zip(known, lives, strict=True):
            floors = floors_in(kept, live, self.spec.home, self.spec.names) if live is not None else {}
            if floors and kept.keeper is Keeper.KARMADA:
                floors = dict.fromkeys(self.spec.names, 0) | floors
            found |= {(service, cluster): least for cluster, least in floors.items()}
        return found

    async def write(self, table: FloorTable) -> Receipt:
        """Set every floor. Refused for a lower fence, an object that is not there, or a floor that it cannot have.

        All objects are looked at and tried dry before the first is changed.
        """
        for kept, patch in await self._tried(table):
            await self.api.patch(kept.keeper.resource, kept.namespace, kept.name, patch)
        return await self._receipt(table)

    async def judge(self, table: FloorTable) -> Receipt:
        """The same by a dry run of the API server: schemas, admission, rights, fence; nothing is changed."""
        tried = await self._tried(table)
        words = f"{len(tried)} objects would change"
        return Receipt(self.owner, *table.fence, stored=False, accepted=True, detail=words)

    async def restore(self, service: ServiceId, fence: Fence) -> bool:
        """Give an object back as it was before our first write, without our marks. False where it has none.

        Refused for a lower fence, and where our note of what was there is gone.
        """
        kept = self._kept(service)
        live = await self.api.get(kept.keeper.resource, kept.namespace, kept.name)
        if fence_of(live) is None:
            return False
        self._fenced_off(live, fence)
        before = text(live, "metadata", "annotations", FLOOR)
        if not before:
            raise Refused(f"{self.owner}: {named(live)} has lost its annotation {FLOOR}; set its floor by hand")
        where = (kept.keeper.resource, kept.namespace, kept.name)
        await self.api.patch(*where, back_operations(kept, live, before))
        return True

    async def _tried(self, table: FloorTable) -> list[tuple[Kept, list[Mapping[str, Any]]]]:
        """What to change, after a dry run of all of it."""
        patches = [await self._patch(table, service) for service in sorted({service for service, _ in table.floors})]
        patches = [(kept, patch) for kept, patch in patches if patch]
        for kept, patch in patches:
            await self.api.patch(kept.keeper.resource, kept.namespace, kept.name, patch, dry_run=True)
        return patches

    def _kept(self, service: ServiceId) -> Kept:
        kept = self.spec.kept.get(service)
        if kept is None:
            raise Refused(f"{self.owner}: nothing is known to keep the replicas of {service}")
        return kept

    def _fenced_off(self, live: Manifest, fence: Fence) -> None:
        had = fence_of(live)
        if had is not None and fence < had:
            raise Refused(
                f"{self.owner}: (epoch, version) {fence} is lower than {had}, which {named(live)} has already; "
                "another controller leads"
            )

    async def _patch(self, table: FloorTable, service: ServiceId) -> tuple[Kept, list[Mapping[str, Any]]]:
        kept = self._kept(service)
        live = await self.api.get(kept.keeper.resource, kept.namespace, kept.name)
        self._fenced_off(live, table.fence)
        await self._alone(kept)
        floors = table.of(service)
        here = {c: n for c, n in floors.items() if kept.keeper is Keeper.KARMADA or c == self.spec.home}
        now = floors_in(kept, live, self.spec.home, self.spec.names)
        same = now == {c: n for c, n in here.items() if n or kept.keeper is not Keeper.KARMADA}
        if same and fence_of(live) == table.fence:
            return kept, []
        changed = operations(kept, live, here, self.spec.home, self.spec.names)
        marks = fence_marks(table.fence) | ({} if fence_of(live) else {FLOOR: before_us(kept, live)})
        return kept, [*(changed[:1] if same else changed), *_marking(live, marks)]

    async def _alone(self, kept: Kept) -> None:
        """An autoscaler would undo replicas that are set beside it: its own floor is the one to raise."""
        if kept.keeper is Keeper.KARMADA or kept.keeper is Keeper.KEDA:
            return
        for live in (await self.api.listed(AUTOSCALER, kept.namespace))[0]:
            target = mapping(live, "spec", "scaleTargetRef")
            if kept.keeper is Keeper.DEPLOYMENT and text(target, "name") == kept.deployment:
                raise Refused(f"{self.owner}: {named(live)} scales Deployment {kept.deployment}; set its floor instead")
            owners = mapping(live, "metadata").get("ownerReferences")
            keda = (
                [o for o in owners if isinstance(o, dict) and o.get("kind") == SCALED_OBJECT.kind]
                if isinstance(owners, list)
                else []
            )
            if text(live, "metadata", "name") == kept.name and keda:
                raise Refused(
                    f"{self.owner}: {named(live)} belongs to ScaledObject {keda[0].get('name')}; set its floor"
                )

    async def _receipt(self, table: FloorTable) -> Receipt:
        """Accepted when every controller has seen it, programmed when so many are wanted, achieved when available."""
        seen, wants, there, short = True, True, True, []
        for service in sorted({service for service, _ in table.floors}):
            kept, least = self.spec.kept[service], table.floors.get((service, self.spec.home), 0)
            if kept.keeper is Keeper.KARMADA:
                return Receipt(self.owner, *table.fence, stored=True, detail="Karmada's member clusters are not asked")
            live = await self.api.find(DEPLOYMENT, kept.namespace, kept.deployment)
            newest, wanted, available = availability(live) if live is not None else (False, 0, 0)
            seen, wants, there = seen and newest, wants and wanted >= least, there and available >= least
            if available < least:
                short.append(f"{service} has {available} of {least}")
        detail = "; ".join(short[:5])
        return Receipt(self.owner, *table.fence, True, seen or None, wants, there, detail)


def _marking(live: Manifest, marks: Mapping[str, str]) -> list[Mapping[str, Any]]:
    first: list[Mapping[str, Any]] = (
        []
        if mapping(live, "metadata", "annotations")
        else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    )
    return first + [{"op": "add", "path": annotation(key), "value": value} for key, value in marks.items()]
