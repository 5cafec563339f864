"""Is everything there that a decision needs? A price for every node and transfer, a distance for every pair."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from config.cluster import Cluster
from config.declared import Declarations, Declared, Fact, repeated
from config.distances import region_of, round_trips, rtt_ms
from config.latencymatrix import LatencyMatrix
from config.origin import Origin
from config.pricebook import PriceBook
from config.prices import egress_prices, egress_usd_per_gb, node_prices
from config.problem import Problem, quoted
from config.reasons import nearest
from config.service import Service


def check_completeness(declared: Declarations) -> Iterator[Problem]:
    """What is missing between documents, and what two documents say differently."""
    yield from repeated(_priced(declared.of(PriceBook)))
    yield from repeated(_measured(declared.of(LatencyMatrix)))
    if declared.whole(PriceBook):
        yield from _nodes_without_price(declared)
    clusters = declared.by_name(Cluster)
    located = [o for o in declared.of(Origin) if o.model.spec.region or o.model.spec.cluster in clusters]
    if declared.whole(PriceBook):
        yield from _transfers_without_price(declared, located, clusters)
    if declared.whole(LatencyMatrix):
        yield from _pairs_without_distance(declared, located, clusters)
    if declared.whole(Service, Origin):
        yield from _demand_without_flow(declared)


def _priced(books: Iterable[Declared[PriceBook]]) -> Iterator[Fact]:
    for book in books:
        for row, node in enumerate(book.model.spec.node_types):
            yield f"{node.provider} {node.region} {node.node_type}", book, ("spec", "nodeTypes", row)
        for row, pair in enumerate(book.model.spec.egress):
            yield f"egress from {pair.sender} to {pair.receiver}", book, ("spec", "egress", row)


def _measured(
    matrices: Iterable[Declared[LatencyMatrix]],
) -> Iterator[Fact]:
    for matrix in matrices:
        for near, row in matrix.model.spec.rtt_ms.items():
            for far in row:
                yield f"the round trip from {near} to {far}", matrix, ("spec", "rttMs", near, far)


def _nodes_without_price(declared: Declarations) -> Iterator[Problem]:
    prices = node_prices(book.model for book in declared.of(PriceBook))
    for cluster in declared.of(Cluster):
        spec = cluster.model.spec
        for row, pool in enumerate(spec.pools):
            if (spec.provider, spec.region, pool.node_type) not in prices:
                what = f"{spec.provider} {spec.region} {pool.node_type}"
                hint = nearest(what, map(" ".join, prices))
                reason = f"pool {quoted(pool.name)}: no PriceBook has {what}{hint}"
                yield cluster.problem(reason, "spec", "pools", row, "nodeType")


def _transfers_without_price(
    declared: Declarations, origins: Iterable[Declared[Origin]], clusters: Mapping[str, Cluster]
) -> Iterator[Problem]:
    prices, missing = egress_prices(book.model for book in declared.of(PriceBook)), set()
    for origin, cluster in product(origins, clusters.values()):
        here, there = region_of(origin.model, clusters), cluster.spec.region
        for pair in ((here, there), (there, here)):
            if pair not in missing and egress_usd_per_gb(prices, *pair) is None:
                missing.add(pair)
                reason = f"no PriceBook has egress from {pair[0]} to {pair[1]} (cluster {quoted(cluster.name)})"
                yield origin.problem(reason, "spec", on_key=True)


def _pairs_without_distance(
    declared: Declarations, origins: Iterable[Declared[Origin]], clusters: Mapping[str, Cluster]
) -> Iterator[Problem]:
    trips = round_trips(matrix.model for matrix in declared.of(LatencyMatrix))
    for origin, cluster in product(origins, clusters.values()):
        if rtt_ms(trips, origin.model, cluster, clusters) is None:
            here, there = region_of(origin.model, clusters), cluster.spec.region
            reason = f"no LatencyMatrix has a round trip to cluster {quoted(cluster.name)} (from {here} to {there})"
            yield origin.problem(reason, "spec", on_key=True)


def _demand_without_flow(declared: Declarations) -> Iterator[Problem]:
    """Requests are expected where a service can take none: it is not exposed, and no mesh of ours calls it there."""
    services = declared.by_name(Service)
    called = {name for service in services.values() for name in service.spec.calls}
    for origin in declared.of(Origin):
        for name in origin.model.spec.expected_rps:
            inside = origin.model.spec.cluster is not None and name in called
            if name in services and not services[name].spec.exposed and not inside:
                reason = f"service {quoted(name)} takes no requests here: it is not exposed and not called in a mesh"
                yield origin.problem(reason, "spec", "expectedRps", name, on_key=True)
