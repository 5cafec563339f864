"""A cluster more, in a region that the fleet is not in: what the region facts say of its prices and distances."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from config.cluster import Cluster
from config.configuration import Configuration
from config.distances import region_of
from config.latencymatrix import LatencyMatrix
from config.pricebook import PriceBook
from config.prices import node_prices
from config.reasons import nearest
from simulator.cloud.facts import Place, regions, round_trip_ms, transfer_usd_per_gb

API_VERSION = "equipoise.dev/v1alpha1"
INDEX = "general"


@dataclass(frozen=True, slots=True)
class Addition:
    """Documents with the new cluster, and what was assumed for it."""

    documents: Configuration
    cluster: str
    assumed: tuple[str, ...]


def with_region(documents: Configuration, wanted: str) -> Addition:
    """The fleet with a cluster in `provider/region`, like one that the provider has already. Raises ValueError."""
    if wanted not in regions():
        raise ValueError(f"no facts of region {wanted!r}{nearest(wanted, regions())}")
    place, name = regions()[wanted], wanted.replace("/", "-").lower()
    like = [c for c in documents.clusters if c.spec.provider == place.provider]
    if not like:
        raise ValueError(f"no cluster of {place.provider} to take the shape of nodes from; the fleet has none there")
    if any(c.spec.region == place.region for c in like):
        raise ValueError(f"the fleet is in {wanted} already")
    where = _places(documents, place)
    home = regions().get(f"{like[0].spec.provider}/{like[0].spec.region}")
    if home is None:
        raise ValueError(f"no facts of {like[0].spec.provider}/{like[0].spec.region}, the region to compare with")
    index = dict(place.usd_per_hour)[INDEX] / dict(home.usd_per_hour)[INDEX]
    spec = like[0].spec.model_copy(update={"region": place.region, "jurisdiction": place.jurisdiction})
    cluster = like[0].model_copy(update={"metadata": like[0].metadata.model_copy(update={"name": name}), "spec": spec})
    book, assumed = _book(documents, cluster, like[0], index, place, where)
    clusters = tuple(sorted((*documents.clusters, cluster), key=lambda c: c.name))
    services = tuple(
        s.model_copy(update={"spec": s.spec.model_copy(update={"replicas": {**s.spec.replicas, name: 0}})})
        if any(pool.node_type in s.spec.throughput for pool in spec.pools)
        else s
        for s in documents.services
    )
    grown = replace(
        documents,
        clusters=clusters,
        services=services,
        price_books=(*documents.price_books, book),
        latency_matrices=(*documents.latency_matrices, _distances(name, place, where)),
    )
    return Addition(grown, name, assumed)


def _places(documents: Configuration, new: Place) -> Mapping[str, Place]:
    """Where each origin is, as far as the facts know its region; others stand where the new one's continent begins."""
    clusters, found = documents.cluster_by_name(), {}
    for origin in documents.origins:
        region = region_of(origin, clusters)
        known = [place for key, place in regions().items() if key.endswith(f"/{region}")]
        found[origin.name] = known[0] if known else new
    return found


def _book(
    documents: Configuration, cluster: Cluster, like: Cluster, index: float, place: Place, where: Mapping[str, Place]
) -> tuple[PriceBook, tuple[str, ...]]:
    """Prices that no book has: nodes by the provider's regional index, transfer by the region facts."""
    known = node_prices(documents.price_books)
    rows, words = [], []
    for pool in like.spec.pools:
        key = (place.provider, place.region, pool.node_type)
        if key not in known:
            usd = round(known[place.provider, like.spec.region, pool.node_type] * index, 6)
            rows.append({"provider": key[0], "region": key[1], "nodeType": key[2], "usdPerHour": usd})
            words.append(f"{pool.node_type} in {place.region}: {usd} $/h, {like.spec.region}'s price times {index:.3f}")
    said = {(row.sender, row.receiver) for book in documents.price_books for row in book.spec.egress}
    clusters = documents.cluster_by_name()
    wanted = {}
    for origin in documents.origins:
        there = region_of(origin, clusters)
        wanted[place.region, there] = transfer_usd_per_gb(place, where[origin.name])
        wanted[there, place.region] = transfer_usd_per_gb(where[origin.name], place)
    egress = {pair: usd for pair, usd in wanted.items() if pair not in said and pair[0] != pair[1]}
    body: dict[str, Any] = {
        "currency": "USD",
        "asOf": min(book.spec.as_of for book in documents.price_books).isoformat(),
        "source": "region facts of the simulator and the provider's regional index",
        "nodeTypes": rows,
        "egress": [{"from": a, "to": b, "usdPerGb": usd} for (a, b), usd in egress.items()],
    }
    words.append(
        "round trips and transfer from the region facts of the simulator, by distance where nothing is measured"
    )
    return PriceBook.model_validate(_document("PriceBook", cluster.name, body)), tuple(words)


def _distances(name: str, place: Place, where: Mapping[str, Place]) -> LatencyMatrix:
    trips = {origin: {name: max(round_trip_ms(found, place), 0.1)} for origin, found in where.items()}
    body = {"asOf": "2026-07-30", "source": "region facts", "rttMs": trips}
    return LatencyMatrix.model_validate(_document("LatencyMatrix", name, body))


def _document(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
