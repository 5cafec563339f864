"""From documents to the fleet as columns, and to the readings that stand in until something is measured."""

from collections.abc import Mapping

import numpy as np

from config.autoscaler import scaler_of
from config.cluster import Cluster
from config.configuration import Configuration
from config.distances import by_kind, distances_ms, link_bytes, region_of, round_trips
from config.prices import dominant_share, egress_prices, egress_usd_per_gb, pool_prices
from config.standing import Standing, standings
from placement.columns import Floats, Ints, bools, floats, index_of, ints
from placement.fleet import (
    RESOURCES,
    Backends,
    Calls,
    ClusterId,
    Clusters,
    Fleet,
    Network,
    OriginId,
    Origins,
    Pools,
    ServiceId,
    Services,
    Sites,
    backends_of,
    reachable_flows,
)
from placement.readings import Readings

PRIORITIES = {"high": 10.0, "normal": 3.0, "low": 1.0}
"""What the price of refusing a request is multiplied by."""
DECLARED_AT_S = 0.0
"""The time of readings that nobody measured."""


def fleet_of(configuration: Configuration) -> Fleet:
    """The fleet; rows are sorted by name, pools keep the order of their cluster's document."""
    clusters, services = _clusters(configuration), _services(configuration)
    pools = _pools(configuration)
    sites, backends = _sites(configuration, pools)
    standing = ints([found.count for found in _standings(configuration)])
    row = index_of(clusters.ids)
    homes = [row[ClusterId(o.spec.cluster)] if o.spec.cluster else -1 for o in configuration.origins]
    origins = Origins(ids=tuple(OriginId(o.name) for o in configuration.origins), cluster=ints(homes))
    calls = _calls(configuration)
    return Fleet(
        clusters=clusters,
        pools=pools,
        services=services,
        sites=sites,
        backends=backends,
        origins=origins,
        flows=reachable_flows(services, calls, origins.cluster),
        calls=calls,
        network=_network(configuration),
        allowed=bools(
            [
                [s.spec.jurisdictions is None or j in s.spec.jurisdictions for j in clusters.jurisdiction]
                for s in configuration.services
            ]
        ),
        scaler=scaler_of(configuration.services, pools, sites, backends, standing),
    )


def declared_replicas(configuration: Configuration, fleet: Fleet) -> Ints:
    """(H,) replicas of each site as the documents have them."""
    count = ints([standing.count for standing in _standings(configuration)])
    assert len(count) == len(fleet.sites.service), "this fleet was not made from this configuration"
    return count


def declared_readings(configuration: Configuration, fleet: Fleet) -> Readings:
    """Expected demand, the capacity of the declared replicas, no latency and no errors, at time 0.

    Where replicas follow load, the capacity is that of the most there may be: until `capacity_rps` is measured nobody
    knows how many there are.
    """
    expected = {(s, o.name): rps for o in configuration.origins for s, rps in o.spec.expected_rps.items()}
    names = zip(fleet.flows.service.tolist(), fleet.flows.origin.tolist(), strict=True)
    demand = [expected.get((fleet.services.ids[s], fleet.origins.ids[o]), 0.0) for s, o in names]
    served = declared_replicas(configuration, fleet) * fleet.sites.rps_per_replica
    capacity = np.bincount(fleet.sites.backend, weights=served, minlength=len(fleet.backends))
    if fleet.scaler is not None:
        capacity = np.where(fleet.scaler.follows, fleet.scaler.replicas_max * fleet.scaler.rps_per_replica, capacity)
    nothing = np.zeros(len(fleet.backends))
    return Readings(DECLARED_AT_S, floats(demand), floats(capacity), floats(nothing), floats(nothing))


def _clusters(configuration: Configuration) -> Clusters:
    specs = [cluster.spec for cluster in configuration.clusters]
    return Clusters(
        ids=tuple(ClusterId(cluster.name) for cluster in configuration.clusters),
        region=tuple(spec.region for spec in specs),
        provider=tuple(spec.provider for spec in specs),
        jurisdiction=tuple(spec.jurisdiction for spec in specs),
        gateway_rps=floats([np.inf if spec.gateway_rps is None else spec.gateway_rps for spec in specs]),
    )


def _pools(configuration: Configuration) -> Pools:
    rows = [(row, pool) for row, cluster in enumerate(configuration.clusters) for pool in cluster.spec.pools]
    usd = [usd for cluster in configuration.clusters for usd in pool_prices(configuration.price_books, cluster.spec)]
    assert None not in usd, "the price of a pool is missing; config.completeness reports it"
    return Pools(
        cluster=ints([row for row, _ in rows]),
        node_type=tuple(pool.node_type for _, pool in rows),
        nodes=ints([pool.nodes for _, pool in rows]),
        capacity=floats(np.reshape([pool.per_node.row() for _, pool in rows], (-1, len(RESOURCES)))),
        usd_per_node_hour=floats(np.array(usd, dtype=np.float64)),
    )


def _services(configuration: Configuration) -> Services:
    specs = [service.spec for service in configuration.services]
    return Services(
        ids=tuple(ServiceId(service.name) for service in configuration.services),
        priority=floats([PRIORITIES[spec.priority] for spec in specs]),
        rtt_max_ms=floats([np.inf if spec.rtt_max_ms is None else spec.rtt_max_ms for spec in specs]),
        rtt_target_ms=floats([np.inf if spec.rtt_target_ms is None else spec.rtt_target_ms for spec in specs]),
        usd_per_request_ms=floats([spec.value_usd_per_million_request_ms / 1e6 for spec in specs]),
        request_bytes=floats([spec.request_bytes for spec in specs]),
        response_bytes=floats([spec.response_bytes for spec in specs]),
        utilization_target=floats([spec.utilization_target for spec in specs]),
        exposed=bools([spec.exposed for spec in specs]),
    )


def _standings(configuration: Configuration) -> list[Standing]:
    """One for each site, in the order of the sites."""
    clusters = configuration.cluster_by_name()
    return [standing for service in configuration.services for standing in standings(service, clusters)]


def _sites(configuration: Configuration, pools: Pools) -> tuple[Sites, Backends]:
    """A site for every pool in which a service has replicas, be it 0 of them."""
    clusters = configuration.cluster_by_name()
    first_pool = _first_pools(configuration)
    service, pool, rps, usd = [], [], [], []
    for row, document in enumerate(configuration.services):
        for standing in standings(document, clusters):
            at = first_pool[standing.cluster] + standing.pool
            node = clusters[standing.cluster].spec.pools[standing.pool].per_node
            service.append(row)
            pool.append(at)
            rps.append(standing.rps_per_replica)
            usd.append(pools.usd_per_node_hour[at] * dominant_share(document.spec.resources, node))
    backends, backend = backends_of(ints(service), pools.cluster[ints(pool)], len(clusters))
    return Sites(ints(service), ints(pool), backend, floats(rps), floats(usd)), backends


def _first_pools(configuration: Configuration) -> Mapping[str, int]:
    """The row in Pools of the first pool of each cluster."""
    counts = [len(cluster.spec.pools) for cluster in configuration.clusters]
    starts = np.cumsum([0, *counts]).tolist()
    return {cluster.name: start for cluster, start in zip(configuration.clusters, starts, strict=False)}


def _calls(configuration: Configuration) -> Calls:
    row = index_of(service.name for service in configuration.services)
    rows = [(row[s.name], row[c], rate) for s in configuration.services for c, rate in sorted(s.spec.calls.items())]
    return Calls(
        parent=ints([parent for parent, _, _ in rows]),
        child=ints([child for _, child, _ in rows]),
        per_request=floats([rate for _, _, rate in rows]),
    )


def _network(configuration: Configuration) -> Network:
    clusters = configuration.cluster_by_name()
    rtt = distances_ms(round_trips(configuration.latency_matrices), configuration.origins, clusters)
    prices = egress_prices(configuration.price_books)
    here = [region_of(origin, clusters) for origin in configuration.origins]
    there = [cluster.spec.region for cluster in configuration.clusters]
    out = by_kind(here, there, lambda a, b: egress_usd_per_gb(prices, a, b))
    back = by_kind(here, there, lambda a, b: egress_usd_per_gb(prices, b, a))
    whole = all(np.isfinite(column).all() for column in (rtt, out, back))
    assert whole, "a distance or transfer price is missing; config.completeness reports it"
    return Network(rtt, out, back, _links(configuration, clusters))


def _links(configuration: Configuration, clusters: Mapping[str, Cluster]) -> Floats | None:
    """(O, C) bytes/s, None where no document has a limit."""
    if not any(cluster.spec.link_mbps for cluster in configuration.clusters):
        return None
    rows = [[link_bytes(o, cluster, clusters) for cluster in configuration.clusters] for o in configuration.origins]
    return floats(rows)
