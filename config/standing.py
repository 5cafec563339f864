"""Which pools the replicas of a service stand in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from config.cluster import Cluster
from config.service import Service


@dataclass(frozen=True, slots=True)
class Standing:
    """Replicas of one service in one pool."""

    cluster: str
    pool: int
    """Position among the pools of the cluster."""
    count: int
    rps_per_replica: float


def first_pool(service: Service, cluster: Cluster) -> int | None:
    """The first pool of a cluster with a node type that the service has a throughput for, None if there is none."""
    fits = (row for row, pool in enumerate(cluster.spec.pools) if pool.node_type in service.spec.throughput)
    return next(fits, None)


def pool_named(cluster: Cluster, name: str) -> int | None:
    """The pool of a cluster by its name, None if there is none."""
    return next((row for row, pool in enumerate(cluster.spec.pools) if pool.name == name), None)


def standings(service: Service, clusters: Mapping[str, Cluster]) -> tuple[Standing, ...]:
    """All of a service, sorted by cluster and pool. What cannot be resolved is left out: config.capacity reports it."""
    found = []
    for name, replicas in service.spec.replicas.items():
        cluster = clusters.get(name)
        for pool, count in _by_pool(service, cluster, replicas) if cluster else ():
            throughput = service.spec.throughput.get(cluster.spec.pools[pool].node_type) if cluster else None
            if throughput:
                found.append(Standing(name, pool, count, throughput))
    return tuple(sorted(found, key=lambda standing: (standing.cluster, standing.pool)))


def _by_pool(service: Service, cluster: Cluster, replicas: int | dict[str, int]) -> Iterable[tuple[int, int]]:
    if isinstance(replicas, int):
        pool = first_pool(service, cluster)
        return [] if pool is None else [(pool, replicas)]
    named = ((pool_named(cluster, name), count) for name, count in replicas.items())
    return [(pool, count) for pool, count in named if pool is not None]
