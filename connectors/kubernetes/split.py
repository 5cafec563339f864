"""A row as one mesh is told it: whole weights in the mesh's own unit, and the share that is refused."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from connectors.drift import Row
from placement.fleet import ClusterId
from placement.weights import Target


@dataclass(frozen=True, slots=True)
class Split:
    """Weights by cluster, none of them 0, adding up to the mesh's unit; empty where all is refused."""

    weights: Mapping[str, int]
    refused_ratio: float = 0.0


def split_of(row: Row, unit: int, can_refuse: bool) -> Split:
    """The split nearest to a row. What has weight keeps some; where nothing can be refused, the rest serves all."""
    targets, shed = row
    weighted = [target for target in targets if target.weight]
    total = sum(target.weight for target in weighted)
    if not total:
        return Split({}, 1.0)
    refused = shed / (total + shed) if can_refuse else 0.0
    return Split(
        dict(zip((str(t.cluster) for t in weighted), _rounded([t.weight for t in weighted], unit), strict=True)),
        refused,
    )


def _rounded(weights: list[int], unit: int) -> list[int]:
    """Whole numbers above 0 that add up to the unit, by largest remainder: exact where that is possible."""
    total = sum(weights)
    shares = np.array(weights, dtype=np.float64) * unit / total
    found = np.maximum(np.floor(shares + 1e-9), 1.0).astype(np.int64)
    order = np.argsort(found - shares, kind="stable")
    short = unit - int(found.sum())
    if short > 0:
        found[order[:short]] += 1
    while short < 0:  # many small ones were lifted to 1: the largest give
        found[int(np.argmax(found))] -= 1
        short += 1
    return [int(weight) for weight in found]


def rounding_error(row: Row, split: Split) -> float:
    """The most by which a share among the served differs from the row."""
    targets, _ = row
    total, given = sum(target.weight for target in targets), sum(split.weights.values())
    if not total or not given:
        return 0.0
    return max(abs(t.weight / total - split.weights.get(str(t.cluster), 0) / given) for t in targets)


def row_from(split: Split, unit: int) -> Row:
    """The row that a split found in a mesh makes, in the unit of a table."""
    used = {cluster: weight for cluster, weight in split.weights.items() if weight > 0}
    shed = round(unit * split.refused_ratio) if used else unit
    if unit - shed < len(used):
        shed = unit - len(used)
    rounded = _rounded(list(used.values()), unit - shed) if used else []
    return tuple(Target(ClusterId(c), w, 0) for c, w in zip(used, rounded, strict=True)), shed
