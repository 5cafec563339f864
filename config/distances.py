"""Round trips as the latency matrices have them."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import product
from typing import TypeVar

import numpy as np

from config.cluster import Cluster
from config.latencymatrix import LatencyMatrix
from config.origin import Origin
from placement.columns import Floats, floats

Kind = TypeVar("Kind", bound=Hashable)
Other = TypeVar("Other", bound=Hashable)
INSIDE_CLUSTER_MS = 0.5
"""Between an origin and its own cluster, unless a matrix says otherwise."""


def round_trips(matrices: Iterable[LatencyMatrix]) -> dict[tuple[str, str], float]:
    """Milliseconds by the two names as written."""
    return {
        (near, far): rtt for matrix in matrices for near, row in matrix.spec.rtt_ms.items() for far, rtt in row.items()
    }


def region_of(origin: Origin, clusters: Mapping[str, Cluster]) -> str:
    """Where an origin is: the region of its cluster, or its own."""
    if origin.spec.region is not None:
        return origin.spec.region
    assert origin.spec.cluster is not None, f"origin {origin.name} is nowhere"
    return clusters[origin.spec.cluster].spec.region


def rtt_ms(
    trips: Mapping[tuple[str, str], float], origin: Origin, cluster: Cluster, clusters: Mapping[str, Cluster]
) -> float | None:
    """The most specific round trip from an origin to a cluster, None where there is none.

    The origin goes by its name, its cluster or its region, the cluster by its name or region, in this order. Only if
    no matrix has that direction, the other one counts.
    """
    near, far = _near(origin, clusters), (cluster.name, cluster.spec.region)
    if origin.spec.cluster != cluster.name:
        return _known(trips, near, far)
    # Inside a cluster the distance between two clusters of its region is too far, so only its own names count.
    own = ((name, cluster.name) for name in near[:2])
    return next((trips[key] for key in own if key in trips), INSIDE_CLUSTER_MS)


def distances_ms(
    trips: Mapping[tuple[str, str], float], origins: Sequence[Origin], clusters: Mapping[str, Cluster]
) -> Floats:
    """(O, C) round trips of all of them, NaN where there is none.

    Those that no matrix tells apart are looked up once: a thousand clusters may be in thirty regions.
    """
    named = {name for pair in trips for name in pair}
    near = [tuple(name for name in _near(origin, clusters) if name in named) for origin in origins]
    far = [tuple(n for n in (c.name, c.spec.region) if n in named) for c in clusters.values()]
    found = np.array(by_kind(near, far, lambda a, b: _known(trips, a, b)))
    at = {name: column for column, name in enumerate(clusters)}
    for row, origin in enumerate(origins):
        home = clusters.get(origin.spec.cluster or "")
        if home is not None:
            found[row, at[home.name]] = rtt_ms(trips, origin, home, clusters)
    return floats(found)


def by_kind(near: Sequence[Kind], far: Sequence[Other], value: Callable[[Kind, Other], float | None]) -> Floats:
    """(len(near), len(far)) of a value that what is equal has in common, each asked for once; NaN for None."""
    kinds, others = list(dict.fromkeys(near)), list(dict.fromkeys(far))
    table = np.array([[value(a, b) for b in others] for a in kinds], dtype=float).reshape(len(kinds), len(others))
    row, column = ({kind: i for i, kind in enumerate(found)} for found in (kinds, others))
    return floats(table[np.ix_([row[k] for k in near], [column[k] for k in far])])


def _near(origin: Origin, clusters: Mapping[str, Cluster]) -> tuple[str, ...]:
    """What an origin goes by, the most specific first."""
    return tuple(name for name in (origin.name, origin.spec.cluster, region_of(origin, clusters)) if name)


def _known(trips: Mapping[tuple[str, str], float], near: Iterable[str], far: Iterable[str]) -> float | None:
    there = list(product(near, far))
    return next((trips[key] for key in [*there, *((b, a) for a, b in there)] if key in trips), None)


def link_bytes(origin: Origin, cluster: Cluster, clusters: Mapping[str, Cluster]) -> float:
    """Most bytes/s between an origin and a cluster, inf for no limit; the most specific name of the origin counts."""
    near = (origin.name, origin.spec.cluster, region_of(origin, clusters))
    limits = cluster.spec.link_mbps
    return next((limits[name] * 1e6 / 8 for name in near if name in limits), float("inf"))
