"""From what stands to what a table wants: which objects to write, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.connector import Refused
from connectors.drift import Row
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.dialect import Dialect
from connectors.kubernetes.managers import declared_by_others
from connectors.kubernetes.marks import (
    EPOCH,
    ROW,
    Fence,
    annotation,
    fence_marks,
    fence_of,
    labels,
    marked,
    row_of,
    row_text,
)
from connectors.kubernetes.resource import Manifest, Resource, covers, entries, mapping, named, text
from connectors.kubernetes.spec import KubernetesSpec, Ownership, Place
from connectors.kubernetes.split import split_of
from connectors.kubernetes.standing import Standing, same_shares


@dataclass(frozen=True, slots=True)
class Change:
    """One object to write. `operations` are a JSON Patch of somebody else's object; None is server-side apply."""

    place: Place
    resource: Resource
    manifest: Manifest
    before: Manifest | None
    operations: list[Mapping[str, Any]] | None = None
    retake: bool = False
    """Whether fields changed by an update are taken back: the object is ours, and nobody declares them."""

    async def make(self, api: KubernetesApi, *, dry_run: bool, force: bool) -> Manifest:
        """The object as it is then, or would be."""
        if self.operations is None:
            return await api.apply(self.manifest, self.resource, dry_run=dry_run, force=force or self.retake)
        namespace, name = (text(self.manifest, "metadata", key) for key in ("namespace", "name"))
        return await api.patch(self.resource, namespace, name, self.operations, dry_run=dry_run)


def changes_of(
    spec: KubernetesSpec,
    dialect: Dialect,
    place: Place,
    unit: int,
    row: Row,
    fence: Fence,
    standing: Standing,
    us: str,
) -> list[Change]:
    """What to write for one service; nothing for what is so already under the same epoch.

    The epoch is renewed on all objects, so that a controller that was overtaken finds every door closed; within an
    epoch there is one controller, whose own writes are kept in order by the fence of the origin.
    """
    split = split_of(row, dialect.limits.unit, dialect.limits.shed)
    found = []
    for resource, manifest in dialect.wanted(spec, place, split):
        live = standing.get(resource, manifest)
        whole = marked(manifest, spec.origin, place.service, unit, row, fence)
        if spec.ownership is Ownership.PATCH:
            operations = _patched(spec, dialect, place, live, whole, split.weights)
            if operations:
                found.append(Change(place, resource, whole, live, operations))
        elif live is None or not _stands(live, whole, fence):
            ours = live is not None and row_of(live) is not None and not declared_by_others(live, us)
            found.append(Change(place, resource, whole, live, retake=ours))
    return found


def _stands(live: Manifest, whole: Manifest, fence: Fence) -> bool:
    had = fence_of(live)
    same_row = text(live, "metadata", "annotations", ROW) == text(whole, "metadata", "annotations", ROW)
    labelled = covers(mapping(live, "metadata", "labels"), whole["metadata"]["labels"])
    return had is not None and had[0] == fence[0] and same_row and labelled and covers(live.get("spec"), whole["spec"])


def _patched(
    spec: KubernetesSpec,
    dialect: Dialect,
    place: Place,
    live: Manifest | None,
    whole: Manifest,
    weights: Mapping[str, int],
) -> list[Mapping[str, Any]]:
    """Replaces the list of destinations, if it is still the one that was read; everything else in each one stays."""
    if live is None:
        raise Refused(f"{spec.origin}: {named(whole)} is not there to be patched; let its owner make it, or own one")
    annotations = mapping(live, "metadata", "annotations")
    marks = {key: value for key, value in whole["metadata"]["annotations"].items() if annotations.get(key) != value}
    now = dialect.found(spec, place, live).weights
    same = same_shares({cluster: weight for cluster, weight in now.items() if weight}, weights)
    had = fence_of(live)
    epoch = text(whole, "metadata", "annotations", EPOCH)
    if same and had is not None and str(had[0]) == epoch and ROW not in marks:
        return []
    operations: list[Mapping[str, Any]] = []
    if not same:
        pointer = dialect.weighted(live)
        old, new = _at(live, pointer), _at(whole, dialect.weighted(whole))
        operations += [
            {"op": "test", "path": pointer, "value": old},
            {"op": "replace", "path": pointer, "value": reweighted(old, new)},
        ]
    if had is not None:
        operations.append({"op": "test", "path": annotation(EPOCH), "value": str(had[0])})
    if not annotations:
        operations.append({"op": "add", "path": "/metadata/annotations", "value": {}})
    return operations + [{"op": "add", "path": annotation(key), "value": value} for key, value in marks.items()]


def reweighted(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Somebody's destinations under new weights: those without one get 0, those that they lack come behind."""
    wanted = {_who(entry): entry for entry in new}
    kept = [entry | {"weight": wanted[_who(entry)]["weight"] if _who(entry) in wanted else 0} for entry in old]
    known = {_who(entry) for entry in old}
    return kept + [entry for name, entry in wanted.items() if name not in known]


def _who(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """What a destination is known by, in any dialect."""
    zone = text(entry, "labels", "kuma.io/zone")
    to = mapping(entry, "destination")
    return (text(entry, "name"), text(entry, "service"), zone, text(to, "host").split(".")[0], text(to, "subset"))


def _at(live: Mapping[str, Any], pointer: str) -> list[dict[str, Any]]:
    value: Any = live
    *path, last = pointer.strip("/").split("/")
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value.get(part, {})
    return [dict(entry) for entry in entries(value, last)]


def fence_manifest(spec: KubernetesSpec, unit: int, fence: Fence, standing: Standing, resource: Resource) -> Manifest:
    """The ConfigMap that says what this origin was last written under; written before everything else.

    It names the version that we read, so that of two controllers one is told that it came too late.
    """
    metadata: dict[str, Any] = {"labels": labels(spec.origin), "annotations": fence_marks(fence)}
    if standing.fence_map is not None:
        metadata["resourceVersion"] = text(standing.fence_map, "metadata", "resourceVersion")
    made = resource.blank(spec.namespace, spec.fence_name, data={"unit": str(unit), "mesh": spec.origin})
    return made | {"metadata": made["metadata"] | metadata}


def waves(changes: list[Change]) -> list[list[Change]]:
    """What others refer to goes first, kind by kind."""
    kinds = list(dict.fromkeys(change.resource for change in changes))
    return [[change for change in changes if change.resource == kind] for kind in kinds]


def undone(change: Change, spec: KubernetesSpec, dialect: Dialect, fence: Fence, done: Manifest) -> Change | None:
    """The change that brings back what stood before, under the new fence; None where nothing stood."""
    known = row_of(change.before)
    if change.before is None:
        return None
    if change.operations is not None:
        pointer = dialect.weighted(done)
        old = _at(change.before, pointer)
        operations: list[Mapping[str, Any]] = [
            {"op": "test", "path": pointer, "value": _at(done, pointer)},
            {"op": "replace", "path": pointer, "value": old},
        ]
        if known is not None:
            operations.append({"op": "add", "path": annotation(ROW), "value": row_text(*known)})
        else:
            operations.append({"op": "remove", "path": annotation(ROW)})
        return Change(change.place, change.resource, change.manifest, done, operations)
    if known is None:
        return None
    split = split_of(known[1], dialect.limits.unit, dialect.limits.shed)
    name = text(change.manifest, "metadata", "name")
    for resource, manifest in dialect.wanted(spec, change.place, split):
        if resource == change.resource and text(manifest, "metadata", "name") == name:
            whole = marked(manifest, spec.origin, change.place.service, known[0], known[1], fence)
            return Change(change.place, resource, whole, done)
    return None
