"""The fleet and its day: every table of `placement.fleet.Fleet` from the lists, and readings for each hour, UTC.

Letters as in placement.fleet. Origins are the meshes of the clusters, in their order, and then the client regions.
Capacity is what somebody who knows the demand would have bought: 1.35 of a service's peak at a utilization of 0.8,
spread over its clusters by the users near them, for GPUs by the square root of that, with what buying comes to (a
lognormal). Nobody moves a replica during the day.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.realfleet.places import NOT_EU, Place, clusters, round_trips_ms, rows, transfer_usd_per_gb, users
from benchmarks.realfleet.prices import GENERAL, SHAPES, Node, nodes
from benchmarks.realfleet.services import CALLS, Catalogue, catalogue
from placement.columns import Floats, Ints, bools, floats, ints
from placement.fleet import (
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

HOURS = 24
BOUGHT = 1.35 / 0.8
NEAR_MS = 40.0
RTT_MAX_MS = 400.0
VCPU_PER_REPLICA, GIB_PER_REPLICA = 4.0, 16.0
GENERAL_MS = {"web": 8.0, "api": 4.0}


@dataclass(frozen=True, slots=True)
class Day:
    """A fleet and what it is asked for."""

    fleet: Fleet
    readings: tuple[Readings, ...]
    """One for each hour, UTC."""
    kind: tuple[str, ...]
    """(S,) web, api or llm."""
    rtt_measured: float
    """Part of the round trips that come from a table; the rest is distance."""


@dataclass(frozen=True, slots=True)
class Hosting:
    """(H,) Where replicas stand; one site for each backend."""

    service: Ints
    cluster: Ints
    node: list[Node]
    replicas: Floats
    replica_rps: Floats
    latency_ms: Floats


def real_fleet(data: Path, seed: int = 0) -> Day:
    """The fleet and 24 readings from the data folder."""
    rng = np.random.default_rng(seed)
    places, clients, wanted = clusters(data), users(data), catalogue(data, rng)
    origins = places + clients
    rtt_ms, measured = round_trips_ms(data, origins, places)
    demand = _demand(data, rng, wanted, clients)
    hosting = _hosting(rng, wanted, places, nodes(data, places), rtt_ms[len(places) :], demand)
    fleet = _fleet(wanted, places, origins, hosting, rtt_ms, data)
    inside = fleet.flows.origin >= len(places)
    error_ratio = floats(rng.uniform(0, 0.001, len(fleet.backends)))
    readings = []
    for hour in range(HOURS):
        asked = np.zeros(len(fleet.flows))
        asked[inside] = demand[hour, fleet.flows.service[inside], fleet.flows.origin[inside] - len(places)]
        readings.append(
            Readings(
                at_s=3600.0 * hour,
                demand_rps=floats(asked),
                capacity_rps=floats(hosting.replicas * hosting.replica_rps),
                latency_ms=floats(hosting.latency_ms),
                error_ratio=error_ratio,
            )
        )
    return Day(fleet, tuple(readings), wanted.kind, measured)


def _demand(data: Path, rng: np.random.Generator, wanted: Catalogue, clients: list[Place]) -> Floats:
    """(24, S, client regions) requests/s: users, their hour, and a taste of their own."""
    table = rows(data / "benchmarks" / "policy_fleets_profiles.csv")
    weight = np.array([c.weight for c in clients])
    taste = rng.lognormal(0.0, 0.3, (len(wanted.kind), len(clients))) * weight
    taste /= taste.sum(axis=1, keepdims=True)
    local = (np.arange(HOURS)[:, None] + np.array([c.longitude / 15 for c in clients])) % HOURS
    out = np.empty((HOURS, len(wanted.kind), len(clients)))
    for s, kind in enumerate(wanted.kind):
        profile = [float(r[kind]) for r in table]
        out[:, s] = wanted.mean_rps[s] * taste[s] * np.interp(local, np.arange(HOURS + 1), [*profile, profile[0]])
    return out


def _hosting(
    rng: np.random.Generator,
    wanted: Catalogue,
    places: list[Place],
    sold: list[list[Node]],
    rtt_ms: Floats,
    demand: Floats,
) -> Hosting:
    """Which clusters run what, with how many replicas."""
    columns: list[tuple[int, int, Node, float, float, float]] = []
    for s, (kind, model) in enumerate(zip(wanted.kind, wanted.model, strict=True)):
        asked = demand[:, s] if wanted.caller[s] < 0 else CALLS * demand[:, wanted.caller[s]]
        lawful = np.array([_admits(wanted, s, p) and (model is None or len(sold[c]) > 1) for c, p in enumerate(places)])
        hosts = np.flatnonzero(lawful & (rng.random(len(places)) < (0.5 if model is None else 0.7)))
        hosts = hosts if len(hosts) > 2 else np.flatnonzero(lawful)
        near = np.exp(-rtt_ms[:, hosts] / NEAR_MS) + 1e-9
        local = (asked.max(axis=0)[:, None] * near / near.sum(axis=1, keepdims=True)).sum(axis=0)
        part = rng.lognormal(0.0, 0.25, len(hosts)) * (local if model is None else np.sqrt(local))
        bought = BOUGHT * asked.sum(axis=1).max() * part / part.sum()
        for c, rps in zip(hosts.tolist(), bought.tolist(), strict=True):
            node = sold[c][0] if model is None else sold[c][int(rng.integers(1, len(sold[c])))]
            each = model.rps(node.node_type) if model else float(wanted.replica_rps[s])
            time_ms = model.service_ms(node.node_type) if model else GENERAL_MS[kind]
            columns.append((s, c, node, float(np.ceil(rps / each)), each, time_ms))
    service, cluster, node_of, replicas, replica_rps, latency_ms = zip(*columns, strict=True)
    return Hosting(
        np.array(service),
        np.array(cluster),
        list(node_of),
        np.array(replicas),
        np.array(replica_rps),
        np.array(latency_ms),
    )


def _admits(wanted: Catalogue, service: int, place: Place) -> bool:
    return not wanted.fenced[service] or _jurisdiction(place) == "EU"


def _jurisdiction(place: Place) -> str:
    return place.continent if place.region not in NOT_EU else "GB"


def _fleet(
    wanted: Catalogue,
    places: list[Place],
    origins: list[Place],
    hosting: Hosting,
    rtt_ms: Floats,
    data: Path,
) -> Fleet:
    """The tables."""
    services, calls = _services(wanted), _calls(wanted)
    pools, sites = _pools_and_sites(hosting, len(places))
    backends, row = backends_of(ints(hosting.service), ints(hosting.cluster), len(places))
    mesh = np.where(np.arange(len(origins)) < len(places), np.arange(len(origins)), -1)
    allowed = [[_admits(wanted, s, p) for p in places] for s in range(len(wanted.kind))]
    return Fleet(
        clusters=Clusters(
            ids=tuple(ClusterId(p.name) for p in places),
            region=tuple(p.name for p in places),
            provider=tuple(p.provider for p in places),
            jurisdiction=tuple(_jurisdiction(p) for p in places),
            gateway_rps=floats(np.full(len(places), np.inf)),
        ),
        pools=pools,
        services=services,
        sites=replace(sites, backend=row),
        backends=backends,
        origins=Origins(tuple(OriginId(p.name) for p in origins), ints(mesh)),
        flows=reachable_flows(services, calls, ints(mesh)),
        calls=calls,
        network=Network(
            floats(rtt_ms),
            floats(transfer_usd_per_gb(data, origins, places)),
            floats(transfer_usd_per_gb(data, places, origins).T),
        ),
        allowed=bools(allowed),
    )


def _services(wanted: Catalogue) -> Services:
    number = {kind: iter(range(len(wanted.kind))) for kind in set(wanted.kind)}
    return Services(
        ids=tuple(ServiceId(f"{kind}-{next(number[kind]):02d}") for kind in wanted.kind),
        priority=floats(wanted.priority),
        rtt_max_ms=floats(np.where(wanted.fenced | (np.array(wanted.kind) == "llm"), np.inf, RTT_MAX_MS)),
        rtt_target_ms=floats(np.full(len(wanted.kind), np.inf)),
        usd_per_request_ms=floats(wanted.value_usd),
        request_bytes=floats(wanted.request_bytes),
        response_bytes=floats(wanted.response_bytes),
        utilization_target=floats(wanted.headroom),
        exposed=bools(wanted.caller < 0),
    )


def _calls(wanted: Catalogue) -> Calls:
    child = np.flatnonzero(wanted.caller >= 0)
    return Calls(ints(wanted.caller[child]), ints(child), floats(np.full(len(child), CALLS)))


def _pools_and_sites(hosting: Hosting, clusters: int) -> tuple[Pools, Sites]:
    """Pools just large enough for what runs in them; a GPU each, or a part of a general node."""
    types = list(SHAPES)
    kind = np.array([types.index(n.node_type) for n in hosting.node])
    key, pool = np.unique(hosting.cluster * len(types) + kind, return_inverse=True)
    per_node = SHAPES[GENERAL][0] / VCPU_PER_REPLICA
    needed = np.where(kind == 0, hosting.replicas / per_node, hosting.replicas)
    usd = np.array([n.usd_per_hour for n in hosting.node])
    first = np.unique(pool, return_index=True)[1]
    pools = Pools(
        cluster=ints(key // len(types)),
        node_type=tuple(types[k] for k in key % len(types)),
        nodes=ints(np.ceil(np.bincount(pool, weights=needed))),
        capacity=floats([SHAPES[types[k]] for k in key % len(types)]),
        usd_per_node_hour=floats(usd[first]),
    )
    sites = Sites(
        service=ints(hosting.service),
        pool=ints(pool),
        backend=ints(np.zeros(len(pool))),
        rps_per_replica=floats(hosting.replica_rps),
        usd_per_replica_hour=floats(np.where(kind == 0, usd / per_node, usd)),
    )
    return pools, sites
