"""Round trips as the latency matrices have them."""

from collections.abc import Iterable, Mapping

from config.cluster import Cluster
from config.latencymatrix import LatencyMatrix
from config.origin import Origin

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
    near = [name for name in (origin.name, origin.spec.cluster, region_of(origin, clusters)) if name]
    far = (cluster.name, cluster.spec.region)
    there = [(a, b) for a in near for b in far]
    back = [(b, a) for a, b in there]
    # Inside a cluster the distance between two clusters of its region is too far, so only its own names count.
    if origin.spec.cluster == cluster.name:
        there, back = [(a, b) for a, b in there if b == cluster.name and a in near[:2]], []
    known = (trips[key] for key in there + back if key in trips)
    return next(known, INSIDE_CLUSTER_MS if origin.spec.cluster == cluster.name else None)
