"""Documents as they might be: more demand, more nodes, no provider, other prices. The real ones are never touched."""

from collections.abc import Mapping
from dataclasses import replace

from config.configuration import Configuration
from config.pricebook import EgressPrice
from scheduler.reports.rates import node_grams

GRAMS_PER_TON = 1e6
ROOM = 4.0
"""Pools may grow to so many times their nodes, and by ROOM_NODES, in one step."""
ROOM_NODES = 8


def with_demand(documents: Configuration, factors: Mapping[tuple[str, str], float]) -> Configuration:
    """Expected requests times a factor by (service, origin); 1 where none is given."""
    origins = []
    for origin in documents.origins:
        rps = {s: r * factors.get((s, origin.name), 1.0) for s, r in origin.spec.expected_rps.items()}
        origins.append(origin.model_copy(update={"spec": origin.spec.model_copy(update={"expected_rps": rps})}))
    return replace(documents, origins=tuple(origins))


def with_nodes(documents: Configuration, nodes: Mapping[str, int]) -> Configuration:
    """Other numbers of nodes, by `cluster/pool`."""
    clusters = []
    for cluster in documents.clusters:
        pools = tuple(
            pool.model_copy(update={"nodes": nodes.get(f"{cluster.name}/{pool.name}", pool.nodes)})
            for pool in cluster.spec.pools
        )
        clusters.append(cluster.model_copy(update={"spec": cluster.spec.model_copy(update={"pools": pools})}))
    return replace(documents, clusters=tuple(clusters))


def with_room(documents: Configuration) -> Configuration:
    """Pools that may grow as the demand asks, and services without a limit of their own below that."""
    room = {f"{c.name}/{p.name}": int(p.nodes * ROOM) + ROOM_NODES for c in documents.clusters for p in c.spec.pools}
    services = []
    for service in documents.services:
        placing = service.spec.placing.model_copy(update={"replicas_max": None})
        services.append(service.model_copy(update={"spec": service.spec.model_copy(update={"placing": placing})}))
    return replace(with_nodes(documents, room), services=tuple(services))


def without_provider(documents: Configuration, provider: str) -> Configuration:
    """Its clusters keep their meshes, and sell no node: replicas have to go elsewhere. Raises ValueError."""
    kept = [c.name for c in documents.clusters if c.spec.provider != provider]
    if not kept or len(kept) == len(documents.clusters):
        known = ", ".join(sorted({c.spec.provider for c in documents.clusters}))
        raise ValueError(f"cannot leave {provider!r}: there is {known}, and one has to stay")
    services = []
    for service in documents.services:
        replicas = {name: count for name, count in service.spec.replicas.items() if name in kept}
        if not replicas:
            raise ValueError(f"cannot leave {provider!r}: service {service.name} runs nowhere else; give it a place")
        endpoints = {name: found for name, found in service.spec.endpoints.items() if name in kept}
        spec = service.spec.model_copy(update={"replicas": replicas, "endpoints": endpoints})
        services.append(service.model_copy(update={"spec": spec}))
    return replace(documents, services=tuple(services))


def with_prices(documents: Configuration, part: str, provider: str, factor: float) -> Configuration:
    """Nodes of a provider, or all transfer, at another price."""
    books = []
    for book in documents.price_books:
        spec = book.spec
        if part == "nodes":
            rows = tuple(
                row.model_copy(update={"usd_per_hour": row.usd_per_hour * factor}) if row.provider == provider else row
                for row in spec.node_types
            )
            spec = spec.model_copy(update={"node_types": rows})
        else:
            spec = spec.model_copy(update={"egress": tuple(_scaled(row, factor) for row in spec.egress)})
        books.append(book.model_copy(update={"spec": spec}))
    return replace(documents, price_books=tuple(books))


def with_carbon_price(documents: Configuration, usd_per_ton: float) -> Configuration:
    """Nodes at their price and that of what they emit; where that is unknown, at their price."""
    grams = {}
    for cluster in documents.clusters:
        for pool in cluster.spec.pools:
            found = node_grams(documents.price_books, cluster, pool)
            if found is not None:
                grams[cluster.spec.provider, cluster.spec.region, pool.node_type] = found
    books = []
    for book in documents.price_books:
        rows = []
        for row in book.spec.node_types:
            extra = grams.get((row.provider, row.region, row.node_type), 0.0) / GRAMS_PER_TON * usd_per_ton
            rows.append(row.model_copy(update={"usd_per_hour": row.usd_per_hour + extra}))
        books.append(book.model_copy(update={"spec": book.spec.model_copy(update={"node_types": tuple(rows)})}))
    return replace(documents, price_books=tuple(books))


def _scaled(row: EgressPrice, factor: float) -> EgressPrice:
    return EgressPrice.model_validate(
        {"from": row.sender, "to": row.receiver, "usdPerGb": row.marginal_usd_per_gb * factor}
    )
