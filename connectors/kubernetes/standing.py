"""What an API server holds of one origin: the fence, the objects, the rows they were written for, who changed them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.answers import side_by_side
from connectors.connector import Refused
from connectors.drift import Drift, Row
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.dialect import Dialect
from connectors.kubernetes.managers import others
from connectors.kubernetes.marks import Fence, fence_of, labels, row_of
from connectors.kubernetes.resource import CONFIG_MAP, Manifest, Resource, differing, named, text
from connectors.kubernetes.spec import KubernetesSpec, Ownership, Place
from connectors.kubernetes.split import row_from, split_of
from placement.fleet import ServiceId

Key = tuple[Resource, str, str]
"""(kind, namespace, name)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One look at an API server."""

    fence_map: Manifest | None
    objects: Mapping[Key, Manifest]

    @property
    def fence(self) -> Fence | None:
        """What the origin was last written under."""
        return fence_of(self.fence_map)

    def get(self, resource: Resource, manifest: Mapping[str, Any]) -> Manifest | None:
        """The object of this kind and name as it is."""
        return self.objects.get((resource, text(manifest, "metadata", "namespace"), text(manifest, "metadata", "name")))


async def look(api: KubernetesApi, spec: KubernetesSpec, dialect: Dialect) -> Standing:
    """The fence first, then every object of this origin: those of others by name, ours by their label."""
    fence_map = await api.find(CONFIG_MAP, spec.namespace, spec.fence_name)
    if spec.ownership is Ownership.PATCH:
        resource = dialect.resources[-1]
        keys = [(resource, dialect.namespace(place), place.route_name) for place in spec.places.values()]
        lives = await side_by_side(api.find(*key) for key in keys)
        return Standing(fence_map, {key: live for key, live in zip(keys, lives, strict=True) if live is not None})
    selector = ",".join(f"{key}={value}" for key, value in labels(spec.origin).items())
    spaces = sorted({dialect.namespace(place) for place in spec.places.values()})
    kinds = [(resource, namespace) for resource in dialect.resources for namespace in spaces]
    lists = await side_by_side(api.listed(*kind, selector) for kind in kinds)
    found: dict[Key, Manifest] = {}
    for (resource, namespace), (listed, _) in zip(kinds, lists, strict=True):
        found |= {(resource, namespace, text(live, "metadata", "name")): live for live in listed}
    return Standing(fence_map, found)


def written(standing: Standing, dialect: Dialect, place: Place) -> tuple[int, Row] | None:
    """(unit, row) that was last written for a service."""
    return row_of(standing.objects.get((dialect.resources[-1], dialect.namespace(place), place.route_name)))


def drift_of(
    standing: Standing, spec: KubernetesSpec, dialect: Dialect, place: Place, unit: int, row: Row, us: str
) -> Drift | None:
    """How the objects of a service differ from what was written for this row; None where they do not."""
    split = split_of(row, dialect.limits.unit, dialect.limits.shed)
    try:
        wanted = dialect.wanted(spec, place, split)
    except Refused:
        return None  # the documents no longer know a cluster of it: the next table says what to do
    for resource, manifest in wanted:
        live = standing.get(resource, manifest)
        paths = list(_differing(spec, dialect, place, live, manifest, split.weights)) if live is not None else []
        if live is not None and not paths:
            continue
        holds = standing.objects.get((dialect.resources[-1], dialect.namespace(place), place.route_name))
        found = row_from(dialect.found(spec, place, holds), unit) if holds is not None else None
        who = ", ".join(others(live, us)[:3]) if live is not None else ""
        where = f"{named(manifest)}{f' ({paths[0]})' if paths else ' is gone'}"
        return Drift(spec.origin, place.service, where, row, found, who)
    return None


def _differing(
    spec: KubernetesSpec, dialect: Dialect, place: Place, live: Manifest, manifest: Manifest, weights: Mapping[str, int]
) -> list[str]:
    if spec.ownership is Ownership.PATCH:  # all but the shares is the owner's
        found = {cluster: weight for cluster, weight in dialect.found(spec, place, live).weights.items() if weight}
        return [] if same_shares(found, weights) else ["weights"]
    return list(differing(live.get("spec"), manifest["spec"], "spec"))


def same_shares(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether two sets of weights are in the same proportions, to a ten-thousandth."""
    total, whole = sum(one.values()), sum(other.values())
    if one.keys() != other.keys() or not total or not whole:
        return not one and not other
    return all(abs(one[name] / total - other[name] / whole) <= 1e-4 for name in one)


def services_of(spec: KubernetesSpec) -> list[tuple[ServiceId, Place]]:
    """In a fixed order."""
    return sorted(spec.places.items())
