"""What we leave on an object: whose it is, the row that was asked for, and the fence it was written under."""

import json
from collections.abc import Mapping
from typing import Any

from connectors.drift import Row
from connectors.kubernetes.resource import Manifest, mapping, text
from placement.fleet import ClusterId
from placement.weights import Target

MANAGED_BY = {"app.kubernetes.io/managed-by": "equipoise"}
ORIGIN = "equipoise.dev/origin"
SERVICE = "equipoise.dev/service"
EPOCH = "equipoise.dev/epoch"
VERSION = "equipoise.dev/version"
ROW = "equipoise.dev/row"
FLOOR = "equipoise.dev/floor-before"
"""What an object said of its replicas before our first write, as JSON."""
ROW_MAX = 100_000

Fence = tuple[int, int]


def labels(origin: str, service: str = "") -> dict[str, str]:
    """By which our objects are found."""
    return MANAGED_BY | {ORIGIN: origin} | ({SERVICE: service} if service else {})


def fence_marks(fence: Fence) -> dict[str, str]:
    """The annotations that the admission policy compares."""
    return {EPOCH: str(fence[0]), VERSION: str(fence[1])}


def annotation(key: str) -> str:
    """JSON Pointer to an annotation."""
    return f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}"


def fence_of(manifest: Mapping[str, Any] | None) -> Fence | None:
    """The fence an object was written under, None where it has none that can be read."""
    epoch, version = (text(manifest, "metadata", "annotations", key) for key in (EPOCH, VERSION))
    if not all(word.isascii() and word.isdigit() and len(word) < 16 for word in (epoch, version)):
        return None
    return int(epoch), int(version)


def marked(manifest: Manifest, origin: str, service: str, unit: int, row: Row, fence: Fence) -> Manifest:
    """The same manifest with all of our marks."""
    metadata = manifest["metadata"] | {
        "labels": dict(mapping(manifest, "metadata", "labels")) | labels(origin, service),
        "annotations": dict(mapping(manifest, "metadata", "annotations"))
        | fence_marks(fence)
        | {ROW: row_text(unit, row)},
    }
    return manifest | {"metadata": metadata}


def row_text(unit: int, row: Row) -> str:
    """A row as an annotation keeps it: `[10000, 0, ["east", 6000, 0], ["west", 4000, 0]]`."""
    targets, shed = row
    return json.dumps([unit, shed, *(list(target) for target in targets)])


def row_of(manifest: Mapping[str, Any] | None) -> tuple[int, Row] | None:
    """(unit, row) of an annotation; None where there is none, or somebody else's hand was at it."""
    said = text(manifest, "metadata", "annotations", ROW)
    try:
        match json.loads(said) if 0 < len(said) < ROW_MAX else None:
            case [int(unit), int(shed), *targets] if unit > 0 <= shed:
                row = tuple(Target(ClusterId(_name(c)), _count(w), _count(p)) for c, w, p in targets)
            case _:
                return None
    except (ValueError, TypeError, RecursionError):
        return None
    sound = sum(target.weight for target in row) + shed == unit and all(
        (t.weight > 0) == (t.priority == 0) for t in row
    )
    return (unit, (row, shed)) if sound else None


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a cluster has a name")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("a weight is a whole number")
    return value
