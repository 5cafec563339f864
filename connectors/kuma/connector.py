"""One Kuma control plane by its REST API. It has no compare-and-set, so we compare before and after each write.

Kuma takes any weights, so those of the table stand there as they are. The labels of each route say what was asked for:

    equipoise.io/fence: 1.7    equipoise.io/unit: 10000    equipoise.io/shed: 0    equipoise.io/target-0: east_6000_0
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from connectors.answers import Shape, Whole, side_by_side
from connectors.apidialect import ApiDialect
from connectors.connector import Fencing, MeshLimits, Refused
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict
from connectors.kuma.spec import KumaSpec
from placement.fleet import ServiceId
from placement.weights import Target, WeightTable, table_of

LIMITS = MeshLimits(unit=10_000, standby=False, shed=False, targets_max=256, fencing=Fencing.COMPARED)
"""A zone that is gone is left by Kuma's own cross-zone failover; a route has no standbys of its own."""
FENCE, UNIT, SHED, TARGET = "equipoise.io/fence", "equipoise.io/unit", "equipoise.io/shed", "equipoise.io/target-"
WEIGHT_MAX = 2**32 - 1
LABEL_MAX = 63
"""Characters of a label's value."""
_FENCE = re.compile(r"(\d{1,15})\.(\d{1,15})")
_TARGET = re.compile(r"([^_]+)_(\d{1,15})_(\d{1,4})")
_NUMBER = re.compile(r"\d{1,15}")


class _Ref(Shape):
    kind: str
    name: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    weight: Whole = 1


class _Default(Shape):
    refs: list[_Ref] = Field(alias="backendRefs", default_factory=list)


class _Rule(Shape):
    default: _Default = _Default()


class _To(Shape):
    rules: list[_Rule] = Field(default_factory=list)


class _Spec(Shape):
    to: list[_To] = Field(default_factory=list)


class Route(Shape):
    """A MeshHTTPRoute, as far as it is ours."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    spec: _Spec


class _Page(Shape):
    items: list[Route]
    next: str | None = None


@dataclass(slots=True)
class KumaDialect(ApiDialect[KumaSpec]):
    """How one control plane is spoken to."""

    PRODUCT = "Kuma"
    LIMITS = LIMITS

    async def look(self) -> Look[Mapping[ServiceId, Row]]:
        """All routes of the mesh; those of ours are told by their names."""
        owner = {self.spec.route(service): service for service in self.spec.clusters}
        ours = {owner[route.name]: route for route in await self._routes() if route.name in owner}
        rows = {service: self._row_of(service, route) for service, route in ours.items()}
        kept = {service: row for service, row in rows.items() if row is not None}
        return Look(self._record(ours), kept, kept)

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """The weights as they are."""
        weights = {target.cluster: target.weight for target in targets if target.weight}
        unknown = [c for c in weights if c not in self.spec.zones or c not in self.spec.clusters.get(service, ())]
        what = f"{self.origin}: {self.where}, {service}"
        if unknown:
            raise Refused(f"{what}: no zone of {unknown[0]} is known; add it")
        if not weights:
            raise Refused(f"{what}: all requests are to be refused, which this mesh cannot do; it keeps what it has")
        if max(weights.values()) > WEIGHT_MAX:
            raise Refused(f"{what}: a weight is larger than {WEIGHT_MAX}")
        return Row(weights)

    async def put(self, seen: Look[Mapping[ServiceId, Row]], record: WeightTable | None, changes: Changes) -> None:
        """Every route of the record carries its fence, so all of them are written."""
        labels = labels_of(record) if record is not None else {}
        rows: dict[ServiceId, Row | None] = {s: seen.state.get(s) for s in (record.services if record else ())}
        rows |= changes
        await side_by_side(self._put(service, row, labels.get(service, {})) for service, row in rows.items())

    async def verdict(self, now: Look[Mapping[ServiceId, Row]], table: WeightTable, rows: Rows) -> Verdict:
        """The control plane has checked and stored them. What proxies run with it tells per proxy only."""
        return Verdict(accepted=True)

    async def _put(self, service: ServiceId, row: Row | None, labels: Mapping[str, str]) -> None:
        name = self.spec.route(service)
        path, what = f"/meshes/{self.spec.mesh}/meshhttproutes/{name}", f"MeshHTTPRoute {name}"
        if row is None:
            await self._edge.ask("DELETE", path, what, expected=frozenset({404}))
            return
        await self._edge.ask("PUT", path, what, body=json.dumps(self.route(service, row, labels)).encode())

    def route(self, service: ServiceId, row: Row, labels: Mapping[str, str]) -> dict[str, Any]:
        """The MeshHTTPRoute of a row."""
        zones = {"kuma.io/zone": self.spec.own_zone}
        refs = [
            {
                "kind": "MeshService",
                "labels": {"kuma.io/display-name": service, "kuma.io/zone": self.spec.zones[cluster]},
                "port": self.spec.port,
                "weight": weight,
            }
            for cluster, weight in sorted(row.weights.items())
        ]
        anything = [{"path": {"type": "PathPrefix", "value": "/"}}]
        return {
            "type": "MeshHTTPRoute", "mesh": self.spec.mesh, "name": self.spec.route(service),
            "labels": {"app.kubernetes.io/managed-by": "equipoise", **labels},
            "spec": {
                "targetRef": {"kind": "Dataplane", "labels": zones} if self.spec.own_zone else {"kind": "Mesh"},
                "to": [{
                    "targetRef": {"kind": "MeshMultiZoneService", "name": service},
                    "rules": [{"matches": anything, "default": {"backendRefs": refs}}],
                }],
            },
        }  # fmt: skip

    async def _routes(self) -> list[Route]:
        found: list[Route] = []
        offset = ""
        while True:
            params = {"size": "1000", **({"offset": offset} if offset else {})}
            path = f"/meshes/{self.spec.mesh}/meshhttproutes"
            page = (await self._edge.ask("GET", path, "MeshHTTPRoutes", params=params)).understood(_Page)
            found += page.items
            following = re.search(r"[?&]offset=([\w-]+)", page.next or "")
            if not following or following[1] == offset or not page.items:
                return found
            offset = following[1]

    def _row_of(self, service: ServiceId, route: Route) -> Row | None:
        rules = [rule for to in route.spec.to for rule in to.rules]
        zones = {self.spec.zones[c]: c for c in self.spec.clusters[service] if c in self.spec.zones}
        refs = rules[0].default.refs if len(rules) == 1 else []
        if not refs or any(ref.labels.get("kuma.io/zone") not in zones for ref in refs):
            return None
        weights = {zones[ref.labels["kuma.io/zone"]]: ref.weight for ref in refs}
        return Row({cluster: weight for cluster, weight in weights.items() if weight})

    def _record(self, ours: Mapping[ServiceId, Route]) -> WeightTable | None:
        """What the labels of the newest routes say; those of an older fence were left out since."""
        known = {service: (_fence(route.labels), _row(route.labels)) for service, route in ours.items()}
        fences = [fence for fence, row in known.values() if fence and row]
        if not fences:
            return None
        newest = max(fences)
        rows = {str(service): row for service, (fence, row) in sorted(known.items()) if fence == newest and row}
        units = {unit for unit, _ in rows.values()}
        return table_of(
            self.origin, max(units), {s: row for s, (unit, row) in rows.items() if unit == max(units)}, newest
        )


def labels_of(record: WeightTable) -> dict[ServiceId, dict[str, str]]:
    """The labels of each route. Refused where the name of a cluster is too long for one."""
    found = {}
    for service, targets, shed in record.items():
        listed = {f"{TARGET}{place}": f"{t.cluster}_{t.weight}_{t.priority}" for place, t in enumerate(targets)}
        if any(len(value) > LABEL_MAX for value in listed.values()):
            raise Refused(f"{record.origin}: {service}: the name of a cluster is too long for a label of Kuma")
        fence = f"{record.epoch}.{record.version}"
        found[service] = {FENCE: fence, UNIT: str(record.unit), SHED: str(shed), **listed}
    return found


def _fence(labels: Mapping[str, str]) -> tuple[int, int] | None:
    found = _FENCE.fullmatch(labels.get(FENCE, ""))
    return (int(found[1]), int(found[2])) if found else None


def _row(labels: Mapping[str, str]) -> tuple[int, dict[str, tuple[int, int]]] | None:
    """(unit, row) of some labels; None where they are none of ours, or do not add up."""
    if not (_NUMBER.fullmatch(labels.get(UNIT, "")) and _NUMBER.fullmatch(labels.get(SHED, ""))):
        return None
    listed = [_TARGET.fullmatch(value) for key, value in labels.items() if key.startswith(TARGET)]
    row = {found[1]: (int(found[2]), int(found[3])) for found in listed if found}
    unit, shed = int(labels[UNIT]), int(labels[SHED])
    whole = unit > 0 and sum(weight for weight, _ in row.values()) + shed == unit and len(row) == len(listed)
    return (unit, row) if whole and all((w > 0) == (p == 0) for w, p in row.values()) else None


def kuma_connector(spec: KumaSpec) -> FencedConnector[Mapping[ServiceId, Row]]:
    """The connector of one control plane."""
    return FencedConnector(KumaDialect(spec))
