"""From documents to what an hour of each thing costs and emits: nodes, replicas, disks, load balancers, transfers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

import numpy as np

from config.cluster import Cluster, Pool
from config.configuration import Configuration
from config.distances import region_of
from config.pricebook import EgressPrice, PowerUse, PriceBook
from config.prices import ANY, dominant_shares, most_specific, node_prices, pool_prices, spot_prices, term_ends
from config.standing import standings
from placement.columns import floats, ints
from placement.pricing.brackets import Brackets, flat
from placement.pricing.commitments import NodeBill, Reserved, SavingsPlan, node_bill

HOURS_PER_MONTH = 730.0
"""As price lists count a month."""
NO_TEAM = "(no team)"
SPOT = "spot"


@dataclass(frozen=True, slots=True)
class PoolRate:
    """What a pool costs while it stands."""

    cluster: str
    name: str
    provider: str
    region: str
    node_type: str
    purchase: str
    nodes: int
    list_usd: float
    """$/h of a node as listed for its purchase."""
    paid_usd: float
    """$/h of a node after commitments."""
    gpu: bool
    storage_gib: float
    """Of all nodes."""
    storage_usd: float
    """$/h of all nodes' disks."""
    grams: float | None
    """Grams of CO2 equivalent an hour of all nodes; None where the grid or the power is unknown."""


@dataclass(frozen=True, slots=True)
class ReplicaRate:
    """What a replica of a service in a cluster takes of its nodes, mean over its pools."""

    usd: float
    """$/h, after commitments."""
    gpu: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """Everything that usage is priced with."""

    pools: tuple[PoolRate, ...]
    replicas: Mapping[tuple[str, str], ReplicaRate]
    """By (service, cluster)."""
    balancers: Mapping[str, float]
    """$/h of the load balancer of each cluster; clusters without a price are left out."""
    unused: tuple[tuple[str, float], ...]
    """$/h of commitments that nothing uses."""
    egress: Mapping[tuple[str, str], Brackets]
    """By (sending, receiving) region."""
    regions: Mapping[str, str]
    """By origin and cluster. (An origin that is a cluster's mesh has its region.)"""
    providers: Mapping[str, str]
    """By cluster."""
    bytes_of: Mapping[str, tuple[float, float]]
    """(request, response) by service."""
    teams: Mapping[str, str]
    """By service."""
    books: tuple[tuple[str, str, str], ...]
    """(name, as of, source) of every price book."""
    fallbacks: tuple[str, ...]
    currency: str = "USD"

    @property
    def as_of(self) -> str:
        """The day of the oldest price."""
        return min((day for _, day, _ in self.books), default="")


def rates_of(documents: Configuration, starts_s: float, ends_s: float) -> Rates:
    """What an hour costs, with commitments as far as their terms overlap the time from start to end."""
    books, clusters = documents.price_books, documents.cluster_by_name()
    pools, bill = _pools(documents, starts_s, ends_s)
    regions = {o.name: region_of(o, clusters) for o in documents.origins}
    regions |= {cluster.name: cluster.spec.region for cluster in documents.clusters}
    return Rates(
        pools=pools,
        replicas=_replicas(documents, pools),
        balancers=dict(_balancers(books, documents.clusters)),
        unused=bill.unused,
        egress=_egress(books, set(regions.values())),
        regions=regions,
        providers={cluster.name: cluster.spec.provider for cluster in documents.clusters},
        bytes_of={s.name: (s.spec.request_bytes, s.spec.response_bytes) for s in documents.services},
        teams={s.name: s.metadata.labels.get("team", NO_TEAM) for s in documents.services},
        books=tuple((book.name, book.spec.as_of.isoformat(), book.spec.source) for book in books),
        fallbacks=documents.fallbacks,
    )


def _pools(documents: Configuration, starts_s: float, ends_s: float) -> tuple[tuple[PoolRate, ...], NodeBill]:
    books = documents.price_books
    listed = node_prices(books)
    bought = (
        (c.spec.provider, c.spec.region, p.node_type)
        for c in documents.clusters
        for p in c.spec.pools
        if p.purchase != SPOT
    )
    kinds = {key: row for row, key in enumerate(dict.fromkeys(bought))}
    nodes = np.zeros(len(kinds))
    for cluster in documents.clusters:
        for pool in cluster.spec.pools:
            if pool.purchase != SPOT:
                nodes[kinds[cluster.spec.provider, cluster.spec.region, pool.node_type]] += pool.nodes
    usd = floats([listed[key] for key in kinds])
    made = _commitments(books, kinds, starts_s, ends_s)
    bill = node_bill(floats(nodes), usd, *made)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(bill.list_usd > 0, bill.kind_usd / np.where(bill.list_usd > 0, bill.list_usd, 1.0), 1.0)
    found = []
    for cluster in documents.clusters:
        for pool, price in zip(cluster.spec.pools, pool_prices(books, cluster.spec), strict=True):
            assert price is not None, "a price is missing; config.completeness reports it"
            kind = kinds.get((cluster.spec.provider, cluster.spec.region, pool.node_type))
            part = 1.0 if kind is None or pool.purchase == SPOT else float(factor[kind])
            found.append(_pool_rate(books, cluster, pool, price, part))
    return tuple(found), bill


def _pool_rate(books: tuple[PriceBook, ...], cluster: Cluster, pool: Pool, price: float, part: float) -> PoolRate:
    spec = cluster.spec
    disks = {(row.provider, row.region): row.usd_per_gib_month for book in books for row in book.spec.storage}
    gib = pool.nodes * pool.per_node.storage_gib
    usd = disks.get((spec.provider, spec.region), disks.get((spec.provider, ANY), 0.0))
    return PoolRate(
        cluster=cluster.name,
        name=pool.name,
        provider=spec.provider,
        region=spec.region,
        node_type=pool.node_type,
        purchase=pool.purchase,
        nodes=pool.nodes,
        list_usd=price,
        paid_usd=price * part,
        gpu=pool.per_node.gpu > 0,
        storage_gib=gib,
        storage_usd=gib * usd / HOURS_PER_MONTH,
        grams=_grams(books, cluster, pool),
    )


def node_grams(books: tuple[PriceBook, ...], cluster: Cluster, pool: Pool) -> float | None:
    """Grams of CO2 equivalent an hour of one node; None where the grid or the power is unknown."""
    spec = cluster.spec
    grid = {(row.provider, row.region): row.grams_per_kwh for book in books for row in book.spec.carbon}
    power = {row.provider: row for book in books for row in book.spec.power}.get(spec.provider)
    watts = {
        (row.provider, row.region, row.node_type): row.watts for book in books for row in book.spec.node_types
    }.get((spec.provider, spec.region, pool.node_type))
    intensity = grid.get((spec.provider, spec.region))
    if intensity is None or (watts is None and power is None):
        return None
    used = watts if watts is not None else _watts(power, pool)
    return used * (power.pue if power else 1.0) / 1_000 * intensity


def _watts(power: PowerUse | None, pool: Pool) -> float:
    assert power is not None, "asked for only where it is known"
    return power.watts_per_vcpu * pool.per_node.vcpu + power.watts_per_gpu * pool.per_node.gpu


def _grams(books: tuple[PriceBook, ...], cluster: Cluster, pool: Pool) -> float | None:
    one = node_grams(books, cluster, pool)
    return None if one is None else one * pool.nodes


def _commitments(
    books: tuple[PriceBook, ...], kinds: Mapping[tuple[str, str, str], int], starts_s: float, ends_s: float
) -> tuple[list[Reserved], list[SavingsPlan]]:
    """What was committed, for that part of the time that its term covers."""
    reserved, plans = [], []
    for made in (made for book in books for made in book.spec.commitments):
        begin = datetime.combine(made.starts, datetime.min.time(), UTC).timestamp()
        end = datetime.combine(term_ends(made.starts, made.term_months), datetime.min.time(), UTC).timestamp()
        part = max(0.0, min(end, ends_s) - max(begin, starts_s)) / max(ends_s - starts_s, 1e-9)
        own = [row for key, row in kinds.items() if key[0] == made.provider]
        kind = kinds.get((made.provider, made.region, made.node_type))
        if part > 0 and made.kind == "reserved" and made.nodes is not None and kind is not None:
            reserved.append(Reserved(made.name, kind, made.nodes * part, made.discount_ratio))
        elif part > 0 and made.kind == "savings-plan" and made.usd_per_hour is not None:
            plans.append(SavingsPlan(made.name, ints(own), made.usd_per_hour * part, made.discount_ratio))
    return reserved, plans


def _replicas(documents: Configuration, pools: tuple[PoolRate, ...]) -> dict[tuple[str, str], ReplicaRate]:
    row = {(pool.cluster, pool.name): i for i, pool in enumerate(pools)}
    clusters, found = documents.cluster_by_name(), {}
    give = floats([pool.per_node.row() for cluster in documents.clusters for pool in cluster.spec.pools])
    paid, gpu = floats([pool.paid_usd for pool in pools]), [pool.gpu for pool in pools]
    for service in documents.services:
        usd = paid * dominant_shares(service.spec.resources, give)
        parts: dict[str, list[tuple[float, int]]] = {}
        for standing in standings(service, clusters):
            at = row[standing.cluster, clusters[standing.cluster].spec.pools[standing.pool].name]
            parts.setdefault(standing.cluster, []).append((max(float(standing.count), 1e-9), at))
        for cluster, standing_in in parts.items():
            whole = sum(weight for weight, _ in standing_in)
            mean = sum(weight * float(usd[at]) for weight, at in standing_in) / whole
            found[service.name, cluster] = ReplicaRate(mean, gpu[max(standing_in)[1]])
    return found


def _balancers(books: tuple[PriceBook, ...], clusters: tuple[Cluster, ...]) -> list[tuple[str, float]]:
    listed = {(row.provider, row.region): row.usd_per_hour for book in books for row in book.spec.load_balancers}
    keys = [(c.name, (c.spec.provider, c.spec.region), (c.spec.provider, ANY)) for c in clusters]
    return [
        (name, listed.get(own, listed.get(wide, 0.0))) for name, own, wide in keys if own in listed or wide in listed
    ]


def _egress(books: tuple[PriceBook, ...], regions: set[str]) -> dict[tuple[str, str], Brackets]:
    rows = {(row.sender, row.receiver): row for book in books for row in book.spec.egress}
    found = {}
    for pair in ((a, b) for a, b in product(sorted(regions), repeat=2)):
        row = most_specific(rows, *pair)
        if row is not None:
            found[pair] = _brackets(row)
        elif pair[0] == pair[1]:
            found[pair] = flat(0.0)
    return found


def _brackets(row: EgressPrice) -> Brackets:
    if row.tiers is None:
        return flat(row.usd_per_gb or 0.0)
    ends = [np.inf if tier.up_to_gb is None else tier.up_to_gb for tier in row.tiers]
    return Brackets(floats(ends), floats([tier.usd_per_gb for tier in row.tiers]))


def spot_rates(documents: Configuration) -> dict[tuple[str, str, str], tuple[float, float]]:
    """($/h, part taken back in a month) of interruptible nodes."""
    found = spot_prices(documents.price_books)
    return {key: (price.usd_per_hour, price.interruption_ratio) for key, price in found.items()}
