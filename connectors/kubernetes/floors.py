"""A connectors.workload.WorkloadConnector: the replica floors of the services behind one API server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.connector import Receipt, Refused
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.marks import EPOCH, VERSION, Fence, fence_marks, fence_of
from connectors.kubernetes.resource import Manifest, mapping, named, text
from connectors.kubernetes.workload import (
    AUTOSCALER,
    DEPLOYMENT,
    SCALED_OBJECT,
    Keeper,
    Kept,
    availability,
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

    async def write(self, table: FloorTable) -> Receipt:
        """Set every floor. Refused for a lower fence, an object that is not there, or a floor that it cannot have.

        All objects are looked at and tried dry before the first is changed.
        """
        patches = [await self._patch(table, service) for service in sorted({service for service, _ in table.floors})]
        for dry_run in (True, False):
            for kept, operations_ in patches:
                if operations_:
                    where = (kept.keeper.resource, kept.namespace, kept.name)
                    await self.api.patch(*where, operations_, dry_run=dry_run)
        return await self._receipt(table)

    async def _patch(self, table: FloorTable, service: ServiceId) -> tuple[Kept, list[Mapping[str, Any]]]:
        kept = self.spec.kept.get(service)
        if kept is None:
            raise Refused(f"{self.owner}: nothing is known to keep the replicas of {service}")
        live = await self.api.get(kept.keeper.resource, kept.namespace, kept.name)
        had = fence_of(live)
        if had is not None and table.fence < had:
            raise Refused(
                f"{self.owner}: (epoch, version) {table.fence} is lower than {had}, which {named(live)} has already; "
                "another controller leads"
            )
        await self._alone(kept)
        floors = table.of(service)
        here = {c: n for c, n in floors.items() if kept.keeper is Keeper.KARMADA or c == self.spec.home}
        now = floors_in(kept, live, self.spec.home, self.spec.names)
        same = now == {c: n for c, n in here.items() if n or kept.keeper is not Keeper.KARMADA}
        if same and had == table.fence:
            return kept, []
        changed = operations(kept, live, here, self.spec.home, self.spec.names)
        return kept, [*(changed[:1] if same else changed), *_fenced(live, table.fence)]

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


def _fenced(live: Manifest, fence: Fence) -> list[Mapping[str, Any]]:
    annotations = mapping(live, "metadata", "annotations")
    first: list[Mapping[str, Any]] = (
        [] if annotations else [{"op": "add", "path": "/metadata/annotations", "value": {}}]
    )
    marks = fence_marks(fence)
    return [
        *first,
        *(
            {"op": "add", "path": f"/metadata/annotations/{key.replace('/', '~1')}", "value": marks[key]}
            for key in (EPOCH, VERSION)
        ),
    ]
