"""Synthetic fleets of any size, so that size can be tried from day one. Seeded; arrays throughout.

Places are random points on a sphere with a ring of regions; round trips follow great-circle distance at two thirds of
the speed of light times a detour factor; popularity of services is a power law; every fourth service is called by the
one before it. Utilization of the whole comes out near `utilization`.
"""

import numpy as np

from placement.columns import Floats, bools, floats, ints
from placement.fleet import (
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

EARTH_KM, FIBRE_KM_PER_MS, DETOUR = 6371.0, 200.0, 1.5
PROVIDERS = ("aws", "azure", "gcp")
PER_REGION = 3


def synthetic(services: int, clusters: int, seed: int = 0, utilization: float = 0.55) -> tuple[Fleet, Readings]:
    """A fleet of `services` x `clusters` and readings that fit it."""
    rng = np.random.default_rng(seed)
    table = _clusters(clusters)
    network = _network(rng, clusters)
    wanted = _services(rng, services)
    sites, backends = _sites(rng, services, clusters)
    parent = np.arange(0, services - 1, 4)
    calls = Calls(ints(parent), ints(parent + 1), floats(rng.uniform(0.5, 2.0, len(parent))))
    origins = Origins(tuple(OriginId(c) for c in table.ids), ints(np.arange(clusters)))
    flows = reachable_flows(wanted, calls, origins.cluster)
    allowed = np.ones((services, clusters), dtype=bool)
    fenced = rng.random(services) < 0.1
    home = np.array([j == "EU" for j in table.jurisdiction])
    allowed[fenced] = home | ~home.any()
    fleet = Fleet(
        clusters=table,
        pools=_pools(rng, clusters),
        services=wanted,
        sites=sites,
        backends=backends,
        origins=origins,
        flows=flows,
        calls=calls,
        network=network,
        allowed=bools(allowed),
    )
    return fleet, _readings(rng, fleet, utilization)


def _clusters(count: int) -> Clusters:
    region = tuple(f"region-{i // PER_REGION:03d}" for i in range(count))
    return Clusters(
        ids=tuple(ClusterId(f"cluster-{i:03d}") for i in range(count)),
        region=region,
        provider=tuple(PROVIDERS[(i // PER_REGION) % len(PROVIDERS)] for i in range(count)),
        jurisdiction=tuple("EU" if (i // PER_REGION) % 3 == 0 else "US" for i in range(count)),
        gateway_rps=floats(np.full(count, np.inf)),
    )


def _network(rng: np.random.Generator, clusters: int) -> Network:
    regions = -(-clusters // PER_REGION)
    longitude, latitude = rng.uniform(-np.pi, np.pi, regions), rng.uniform(-0.6, 0.9, regions)
    row = np.arange(clusters) // PER_REGION
    lon, lat = longitude[row], latitude[row]
    cosine = np.sin(lat)[:, None] * np.sin(lat) + np.cos(lat)[:, None] * np.cos(lat) * np.cos(lon[:, None] - lon)
    km = EARTH_KM * np.arccos(np.clip(cosine, -1, 1))
    rtt_ms = 0.5 + 2 * DETOUR * km / FIBRE_KM_PER_MS
    same = row[:, None] == row
    egress = np.where(same, 0.01, np.where(km < 5000, 0.02, 0.08))
    np.fill_diagonal(egress, 0.0)
    return Network(floats(rtt_ms), floats(egress), floats(egress.T))


def _services(rng: np.random.Generator, count: int) -> Services:
    return Services(
        ids=tuple(ServiceId(f"service-{i:05d}") for i in range(count)),
        priority=floats(rng.choice([1.0, 3.0, 10.0], count, p=[0.3, 0.5, 0.2])),
        rtt_max_ms=floats(rng.choice([120.0, 250.0, 500.0], count)),
        rtt_target_ms=floats(np.full(count, np.inf)),
        usd_per_request_ms=floats(10 ** rng.uniform(-8, -6.5, count)),
        request_bytes=floats(10 ** rng.uniform(2, 4, count)),
        response_bytes=floats(10 ** rng.uniform(3, 5, count)),
        utilization_target=floats(np.full(count, 0.7)),
        exposed=bools(np.arange(count) % 4 != 1),
    )


def _pools(rng: np.random.Generator, clusters: int) -> Pools:
    return Pools(
        cluster=ints(np.arange(clusters)),
        node_type=("general",) * clusters,
        nodes=ints(np.full(clusters, 1000)),
        capacity=floats(np.tile([16.0, 64.0, 0.0, 0.0], (clusters, 1))),
        usd_per_node_hour=floats(rng.uniform(0.6, 1.1, clusters)),
    )


def _sites(rng: np.random.Generator, services: int, clusters: int) -> tuple[Sites, Backends]:
    spread = np.minimum(clusters, np.maximum(2, rng.poisson(min(8, clusters / 2), services)))
    rank = rng.random((services, clusters)).argsort(axis=1).argsort(axis=1)
    service, cluster = np.nonzero(rank < spread[:, None])
    backends, row = backends_of(service, cluster, clusters)
    rps = 10 ** rng.uniform(1, 2.5, services)
    price = rng.uniform(0.03, 0.3, services)[service] * rng.uniform(0.9, 1.3, clusters)[cluster]
    return Sites(ints(service), ints(cluster), row, floats(rps[service]), floats(price)), backends


def _readings(rng: np.random.Generator, fleet: Fleet, utilization: float) -> Readings:
    popularity = 100 * (1 + rng.pareto(1.2, len(fleet.services)))
    weight = rng.random(len(fleet.origins)) + 0.2
    exposed = fleet.services.exposed[fleet.flows.service]
    demand = np.where(exposed, popularity[fleet.flows.service] * weight[fleet.flows.origin], 0.0)
    outside = np.bincount(fleet.flows.service, weights=demand, minlength=len(fleet.services)).astype(np.float64)
    total = _with_calls(fleet, outside)
    hosts = np.bincount(fleet.backends.service, minlength=len(fleet.services))
    capacity = (total / np.maximum(hosts, 1) / utilization)[fleet.backends.service]
    return Readings(
        at_s=0.0,
        demand_rps=floats(demand),
        capacity_rps=floats(np.maximum(capacity, 10.0) * rng.uniform(0.7, 1.4, len(fleet.backends))),
        latency_ms=floats(rng.uniform(2, 40, len(fleet.backends))),
        error_ratio=floats(rng.uniform(0, 0.002, len(fleet.backends))),
    )


def _with_calls(fleet: Fleet, service_rps: Floats) -> Floats:
    total = service_rps.copy()
    np.add.at(total, fleet.calls.child, fleet.calls.per_request * total[fleet.calls.parent])
    return total
