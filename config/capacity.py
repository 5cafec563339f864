"""Can every service run where its document says? Pools for its replicas, and room in them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from config.cluster import Cluster, Pool
from config.declared import Declarations, Declared
from config.prices import dominant_share
from config.problem import Problem, quoted
from config.service import Service
from config.standing import first_pool, pool_named, standings
from placement.fleet import RESOURCES

ROUNDING = 1e-9


def check_capacity(declared: Declarations) -> Iterator[Problem]:
    """Services without a place, replicas without a pool, pools that are too small, clusters that are forbidden."""
    clusters = declared.by_name(Cluster)
    for service in declared.of(Service):
        if not service.model.spec.replicas:
            yield service.problem("runs in no cluster; name one in spec.replicas, if with 0", "spec", "replicas")
        yield from _homeless(service, clusters)
        yield from _forbidden(service, clusters)
        yield from _beyond_autoscaler(service)
    if declared.whole(Service):
        yield from _crowded(declared, clusters)


def _homeless(service: Declared[Service], clusters: Mapping[str, Cluster]) -> Iterator[Problem]:
    """Replicas for which no pool has nodes that the service has a throughput on, or large enough ones."""
    spec = service.model.spec
    for name, replicas in spec.replicas.items():
        if name not in clusters:
            continue
        pools, where = clusters[name].spec.pools, ("spec", "replicas", name)
        if isinstance(replicas, int) and first_pool(service.model, clusters[name]) is None:
            have = ", ".join(sorted({pool.node_type for pool in pools}))
            reason = f"spec.throughput has no node type of cluster {quoted(name)} (it has {have})"
            yield service.problem(reason, *where, on_key=True)
        for pool in replicas if isinstance(replicas, dict) else ():
            row = pool_named(clusters[name], pool)
            if row is not None and pools[row].node_type not in spec.throughput:
                reason = f"spec.throughput has no {pools[row].node_type}, the node type of pool {quoted(pool)}"
                yield service.problem(reason, *where, pool, on_key=True)
    for standing in standings(service.model, clusters):
        node = clusters[standing.cluster].spec.pools[standing.pool]
        if dominant_share(spec.resources, node.per_node) > 1 + ROUNDING:
            reason = f"one replica is larger than a node ({node.node_type}) of pool {standing.cluster}/{node.name}"
            yield service.problem(reason, "spec", "resources", on_key=True)


def _forbidden(service: Declared[Service], clusters: Mapping[str, Cluster]) -> Iterator[Problem]:
    """Jurisdictions that leave none of the clusters it runs in."""
    allowed = service.model.spec.jurisdictions
    runs = [clusters[name] for name in service.model.spec.replicas if name in clusters]
    whole = len(runs) == len(service.model.spec.replicas)
    if allowed and runs and whole and not any(cluster.spec.jurisdiction in allowed for cluster in runs):
        where = ", ".join(f"{cluster.name} in {cluster.spec.jurisdiction}" for cluster in runs)
        reason = f"jurisdictions {', '.join(allowed)} leave none of its clusters ({where})"
        yield service.problem(reason, "spec", "jurisdictions", on_key=True)


def _beyond_autoscaler(service: Declared[Service]) -> Iterator[Problem]:
    """Declared replicas that an autoscaler would not have left as they are."""
    scaler = service.model.spec.autoscaler
    for name, replicas in service.model.spec.replicas.items() if scaler else ():
        assert scaler is not None
        count = replicas if isinstance(replicas, int) else sum(replicas.values())
        most = scaler.replicas_max
        if count and (count < scaler.replicas_min or (most is not None and count > most)):
            limit = f"{scaler.replicas_min} or more" if most is None else f"{scaler.replicas_min} to {most}"
            reason = f"{count} replicas, but the autoscaler keeps {limit}"
            yield service.problem(reason, "spec", "replicas", name, on_key=True)


def _crowded(declared: Declarations, clusters: Mapping[str, Cluster]) -> Iterator[Problem]:
    """Pools whose replicas need more of a resource than all their nodes have."""
    tenants: dict[tuple[str, int], list[tuple[Service, int]]] = defaultdict(list)
    for service in declared.of(Service):
        for standing in standings(service.model, clusters):
            tenants[standing.cluster, standing.pool].append((service.model, standing.count))
    for cluster in declared.of(Cluster):
        for row, pool in enumerate(cluster.model.spec.pools):
            for reason in _shortages(pool, tenants[cluster.name, row]):
                yield cluster.problem(reason, "spec", "pools", row, "nodes")


def _shortages(pool: Pool, tenants: Iterable[tuple[Service, int]]) -> Iterator[str]:
    for column, resource in enumerate(RESOURCES):
        takes = {service.name: count * service.spec.resources.row()[column] for service, count in tenants}
        need, have = sum(takes.values()), pool.nodes * pool.per_node.row()[column]
        if need > have * (1 + ROUNDING):
            split = ", ".join(f"{name} {take:g}" for name, take in sorted(takes.items()) if take)
            yield f"pool {quoted(pool.name)} has {have:g} {resource}, its replicas need {need:g} ({split})"
