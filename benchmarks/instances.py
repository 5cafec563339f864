"""Synthetic assignment problems of any size: seeded, arrays throughout, some pools scarce and some idle.

A world of regions on three continents' worth of map, one CPU pool per cluster and one or two GPU pools on most, a
quarter of the services on GPUs, popularity by a Pareto law, demand by population and hour, sovereignty as missing
routes, and capacity that stands mostly, not wholly, where unconstrained demand would go.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.fleets import DETOUR, EARTH_KM, FIBRE_KM_PER_MS
from placement.assignment import (
    AssignmentProblem,
    AssignmentRoutes,
    AssignmentSites,
    Demands,
    Links,
    Losses,
)
from placement.columns import Bools, Floats, Ints, floats, ints

GPU_USD_PER_HOUR = np.array([0.0, 0.6, 1.9, 4.2])
"""By kind of node: none, L4, A100, H100."""
USD_PER_UNIT_HOUR = np.array([0.035, 0.0045, 0.0001, 0.0])
"""vCPU, GiB of memory, GiB of storage; a GPU has the price of its kind."""
CANDIDATES = 8
TIGHTNESS = 0.8 / 1.15
"""Natural load over capacity, with room for the loss of a region."""
SURVIVE = 0.7 / 0.95
"""Raw capacity that has to remain, per rps of demand: 70 % of it, at 95 % utilization."""


@dataclass(frozen=True, slots=True)
class _World:
    jurisdiction: Ints
    """(J,) of each region."""
    hour: Floats
    """(J,) local time."""
    rtt_ms: Floats
    """(J, J)"""
    egress_usd_per_mb: Floats
    """(J, J)"""
    cluster: Ints
    """(P,)"""
    kind: Ints
    """(P,) index into GPU_USD_PER_HOUR."""
    region: Ints
    """(P,)"""
    factor: Floats
    """(P,) regional price level."""


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """(S,) unless said otherwise."""

    rps: Floats
    gpu: Bools
    use: Floats
    """(S, R)"""
    rps_per_replica: Floats
    """(S, 4) by kind of node, 0 where it cannot run."""
    mb: Floats
    usd_per_ms: Floats
    """$ per request and ms."""
    priority: Floats
    rtt_max_ms: Floats
    home: Ints
    """Jurisdiction it must not leave, -1 where it may."""
    guarded: Bools
    utilization: Floats


def synthetic(services: int, clusters: int, seed: int = 0, migration: float = 0.0) -> AssignmentProblem:
    """Draw a problem. With `migration` > 0, starting a replica costs that part of its price for an hour."""
    rng = np.random.default_rng(seed)
    world = _world(rng, clusters)
    catalogue = _catalogue(rng, services, world)
    service, region, rps = _demand(rng, catalogue, world)
    demand, pool = _candidates(rng, catalogue, world, service, region)
    owner = service[demand]
    key, site = np.unique(owner * len(world.kind) + pool, return_inverse=True)
    sites = _sites(catalogue, world, key // len(world.kind), key % len(world.kind), migration)
    usd = _distance_usd(catalogue, world, owner, region[demand], world.region[pool])
    order = np.lexsort((usd, demand))
    routes = AssignmentRoutes(
        demand=ints(demand[order]),
        site=ints(site[order]),
        service=ints(owner[order]),
        usd=floats(usd[order]),
        bytes_per_request=floats(1e6 * catalogue.mb[owner[order]]),
    )
    unit = _unit_usd(sites, services)
    total = floats(np.bincount(service, rps, services))
    domains = np.column_stack([world.region[sites.pool], np.full(len(sites), -1)])
    scale = np.tile([0.053, 0.009, 1e-4, 0.0], (len(world.kind), 1))
    scale[:, 3] = GPU_USD_PER_HOUR[world.kind]
    none = np.zeros(0, dtype=np.int64)
    return AssignmentProblem(
        capacity=floats(_capacity(rng, catalogue, world, sites, routes, rps)),
        usd_scale=floats(scale),
        utilization=floats(catalogue.utilization),
        unit_usd=floats(unit),
        spread_max=floats(np.ones(services)),
        block=ints(np.arange(services)),
        demands=Demands(
            ints(service),
            ints(np.full(len(service), -1)),
            floats(rps),
            floats(10 * (catalogue.priority * unit)[service]),
        ),
        sites=sites,
        routes=routes,
        losses=_losses(catalogue, sites.service, domains[:, 0], SURVIVE * total, 5 * unit),
        site_domains=ints(domains),
        links=Links(ints(none), ints(none), floats(none), floats(none)),
        calls_parent=ints(none),
        calls_child=ints(none),
        calls_per_request=floats(none),
    )


def _world(rng: np.random.Generator, clusters: int) -> _World:
    regions = min(33, clusters, max(6, round(3.3 * clusters**0.5)))
    continent = np.arange(regions) % 5  # two rich ones, then dearer traffic
    centre = np.array([[-1.6, 0.7], [0.15, 0.85], [2.2, 0.4], [-0.8, -0.4], [0.6, 0.1]])
    lon, lat = (centre[continent] + rng.uniform(-0.35, 0.35, (regions, 2))).T
    cosine = np.sin(lat)[:, None] * np.sin(lat) + np.cos(lat)[:, None] * np.cos(lat) * np.cos(lon[:, None] - lon)
    rtt_ms = 1 + 2 * DETOUR * EARTH_KM * np.arccos(np.clip(cosine, -1, 1)) / FIBRE_KM_PER_MS
    dear = continent >= 2
    within = continent[:, None] == continent
    egress = np.where(within, 0.02, np.where(dear[:, None] | dear, 0.09, 0.05)) / 1024
    np.fill_diagonal(egress, 0.0)
    region_of = np.concatenate([np.arange(regions), rng.integers(0, regions, clusters - regions)])
    gpus = [
        [1 + c] if c < 3 else list(1 + rng.choice(3, rng.integers(1, 3), replace=False)) if rng.random() < 0.7 else []
        for c in range(clusters)
    ]
    cluster = np.repeat(np.arange(clusters), [1 + len(kinds) for kinds in gpus])
    kind = np.concatenate([[0, *kinds] for kinds in gpus])
    level = rng.uniform(0.85, 1.35, regions)
    hour = (14 + lon * 12 / np.pi) % 24
    region = region_of[cluster]
    return _World(continent, hour, rtt_ms, egress, cluster, kind, region, level[region])


def _catalogue(rng: np.random.Generator, count: int, world: _World) -> _Catalogue:
    rps = rng.pareto(1.15, count) + 0.05
    rps = 400 * np.minimum(rps, np.quantile(rps, 0.9995))
    gpu = rng.random(count) < 0.25
    rps[gpu] *= 0.05
    vcpu = np.where(gpu, rng.choice([4.0, 8.0, 12.0], count), rng.choice([0.25, 0.5, 1.0, 2.0, 4.0], count))
    memory = vcpu * np.where(gpu, 4.0, rng.choice([1.0, 2.0, 4.0], count))
    storage = rng.choice([0.0, 0.0, 0.0, 10.0, 50.0], count)
    speed = np.where(gpu, rng.lognormal(np.log(6), 0.6, count), rng.lognormal(np.log(60), 0.8, count) * vcpu**0.9)
    on_gpu = np.array([0, 1, 3.2, 7.5]) * rng.lognormal(0, 0.15, (count, 4))
    replicas = rps / speed
    sovereign = rng.random(count) < 0.12
    return _Catalogue(
        rps=rps,
        gpu=gpu,
        use=np.column_stack([vcpu, memory, storage, gpu]),
        rps_per_replica=speed[:, None] * np.where(gpu[:, None], on_gpu, np.array([1.0, 0, 0, 0])),
        mb=np.minimum(rng.lognormal(np.log(0.02), 1, count), 2.0),
        usd_per_ms=rng.lognormal(np.log(2e-9), 0.8, count) * np.where(gpu, 5, 1),
        priority=rng.choice([1.0, 3.0, 10.0], count, p=[0.5, 0.35, 0.15]),
        rtt_max_ms=rng.choice([80.0, 150.0, 300.0], count, p=[0.25, 0.35, 0.4]),
        home=np.where(sovereign, rng.choice(world.jurisdiction, count), -1),
        guarded=rng.random(count) < 0.6,
        utilization=np.where(replicas > 20, 0.8, np.where(replicas > 4, 0.7, 0.55)),
    )


def _demand(rng: np.random.Generator, catalogue: _Catalogue, world: _World) -> tuple[Ints, Ints, Floats]:
    """Six sources per service on average, weighted by people, hour and chance: (service, region, rps), sorted."""
    regions, services = len(world.hour), len(catalogue.rps)
    weight = rng.dirichlet(np.full(regions, 3.0)) * (1 + 0.6 * np.cos((world.hour - 20) * np.pi / 12))
    weight = weight * rng.lognormal(0, 0.5, (services, regions))
    away = (catalogue.home[:, None] >= 0) & (catalogue.home[:, None] != world.jurisdiction)
    rank = np.where(away, 2.0, rng.random((services, regions))).argsort(axis=1).argsort(axis=1)
    sources = np.maximum(1, rng.poisson(6, services))
    weight = np.where((rank < sources[:, None]) & ~away, weight, 0.0)
    service, region = np.nonzero(weight)
    return service, region, (catalogue.rps[:, None] * weight / weight.sum(axis=1, keepdims=True))[service, region]


def _distance_usd(catalogue: _Catalogue, world: _World, service: Ints, source: Ints, region: Ints) -> Floats:
    """$/h per rps of transfer and latency from source regions to regions."""
    egress = catalogue.mb[service] * world.egress_usd_per_mb[source, region]
    return np.asarray(3600 * (egress + catalogue.usd_per_ms[service] * world.rtt_ms[source, region]))


def _candidates(
    rng: np.random.Generator, catalogue: _Catalogue, world: _World, service: Ints, source: Ints
) -> tuple[Ints, Ints]:
    """The cheapest admissible pools of every demand, in chunks to bound memory."""
    kept = []
    for chunk in np.array_split(np.arange(len(service)), max(1, len(service) // 4000)):
        s, j = service[chunk][:, None], source[chunk][:, None]
        mu = catalogue.rps_per_replica[s, world.kind]
        home = catalogue.home[s]
        allowed = (mu > 0) & (world.rtt_ms[j, world.region] <= catalogue.rtt_max_ms[s])
        allowed &= (home < 0) | (world.jurisdiction[world.region] == home)
        usd = _replica_usd(catalogue, world, s, np.arange(len(world.kind)))
        usd = usd / np.maximum(mu, 1e-9) / catalogue.utilization[s]
        usd = usd + _distance_usd(catalogue, world, s, j, world.region)
        usd = np.where(allowed, usd * rng.lognormal(0, 0.01, usd.shape), np.inf)
        best = np.argpartition(usd, min(CANDIDATES, usd.shape[1]) - 1, axis=1)[:, :CANDIDATES]
        row, place = np.nonzero(np.isfinite(np.take_along_axis(usd, best, axis=1)))
        kept.append((chunk[row], best[row, place]))
    demand, pool = (np.concatenate(part) for part in zip(*kept, strict=True))
    return demand, pool


def _replica_usd(catalogue: _Catalogue, world: _World, service: Ints, pool: Ints) -> Floats:
    base = (catalogue.use @ USD_PER_UNIT_HOUR)[service]
    return np.asarray((base + GPU_USD_PER_HOUR[world.kind[pool]]) * world.factor[pool])


def _sites(catalogue: _Catalogue, world: _World, service: Ints, pool: Ints, migration: float) -> AssignmentSites:
    usd = _replica_usd(catalogue, world, service, pool)
    return AssignmentSites(
        service=ints(service),
        pool=ints(pool),
        cluster=ints(world.cluster[pool]),
        rps_per_replica=floats(catalogue.rps_per_replica[service, world.kind[pool]]),
        usd_per_replica_hour=floats(usd),
        use=floats(catalogue.use[service]),
        standing=ints(np.zeros(len(service))),
        replicas_min=ints(np.zeros(len(service))),
        replicas_max=ints(np.full(len(service), 10**9)),
        migration_usd=floats(migration * usd),
    )


def _unit_usd(sites: AssignmentSites, services: int) -> Floats:
    """(S,) mean $/h per rps over a service's sites."""
    usd = np.bincount(sites.service, sites.usd_per_replica_hour / sites.rps_per_replica, services)
    return np.maximum(usd / np.maximum(1, np.bincount(sites.service, minlength=services)), 1e-9)


def _capacity(
    rng: np.random.Generator,
    catalogue: _Catalogue,
    world: _World,
    sites: AssignmentSites,
    routes: AssignmentRoutes,
    rps: Floats,
) -> Floats:
    """(P, R): 70 % where everybody would go without limits, the rest spread at random over pools of the kind."""
    served_usd = sites.usd_per_replica_hour / sites.rps_per_replica
    cost = routes.usd + served_usd[routes.site] / catalogue.utilization[routes.service]
    order = np.lexsort((cost, routes.demand))
    pick = order[np.diff(routes.demand[order], prepend=-1) > 0]
    h = routes.site[pick]
    replicas = rps[routes.demand[pick]] / (sites.rps_per_replica[h] * catalogue.utilization[sites.service[h]])
    natural = np.zeros((len(world.kind), sites.use.shape[1]))
    np.add.at(natural, sites.pool[h], sites.use[h] * replicas[:, None])
    spread = np.zeros_like(natural)
    for kind in np.unique(world.kind):
        these = world.kind == kind
        spread[these] = rng.dirichlet(np.full(these.sum(), 2.0))[:, None] * natural[these].sum(axis=0)
    return floats(np.maximum((0.7 * natural + 0.3 * spread) / TIGHTNESS, 2 * sites.use.max(axis=0)))


def _losses(catalogue: _Catalogue, service: Ints, region: Ints, survive: Floats, short: Floats) -> Losses:
    """A row per region for guarded services that have more than one."""
    regions = int(region.max()) + 1
    key = np.unique(service * regions + region)
    several = np.bincount(key // regions, minlength=len(survive)) > 1
    key = key[(catalogue.guarded & several)[key // regions]]
    s = key // regions
    return Losses(ints(s), ints(key % regions), floats(survive[s]), floats(short[s]))
