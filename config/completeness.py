"""Is everything there that a decision needs? A price for every node and transfer, a distance for every pair."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from itertools import product
from typing import Any

import numpy as np
from pydantic.alias_generators import to_camel

from config.cluster import Cluster
from config.declared import Declarations, Declared, Fact, repeated
from config.distances import distances_ms, region_of, round_trips
from config.latencymatrix import LatencyMatrix
from config.origin import Origin
from config.pricebook import PriceBook
from config.prices import egress_prices, egress_usd_per_gb, node_prices, pool_prices, term_ends
from config.problem import Problem, quoted
from config.reasons import nearest
from config.service import Service

NAMED = 4
"""Regions that a problem lists of those that it is about."""


def check_completeness(declared: Declarations) -> Iterator[Problem]:
    """What is missing between documents, and what two documents say differently."""
    yield from repeated(_priced(declared.of(PriceBook)))
    yield from _overlapping(declared.of(PriceBook))
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


PRICED: dict[str, Callable[[Any], str]] = {
    "node_types": lambda row: f"{row.provider} {row.region} {row.node_type}",
    "gpus": lambda row: f"{row.gpu} accelerators of {row.provider} {row.region}",
    "egress": lambda row: f"egress from {row.sender} to {row.receiver}",
    "storage": lambda row: f"storage of {row.provider} {row.region}",
    "load_balancers": lambda row: f"load balancers of {row.provider} {row.region}",
    "offers": lambda row: f"{row.kind} of {row.provider} for {row.term_months} months",
    "carbon": lambda row: f"the grid intensity of {row.provider} {row.region}",
    "power": lambda row: f"the power of {row.provider}",
}
"""What each row of a price book is the only one to say."""


def _priced(books: Iterable[Declared[PriceBook]]) -> Iterator[Fact]:
    for book in books:
        for part, words in PRICED.items():
            for row, said in enumerate(getattr(book.model.spec, part)):
                yield words(said), book, ("spec", to_camel(part), row)


def _overlapping(books: Iterable[Declared[PriceBook]]) -> Iterator[Problem]:
    """Commitments of the same name whose terms overlap would be paid twice."""
    seen: dict[str, list[tuple[date, date, Declared[PriceBook], int]]] = {}
    for book in books:
        for row, made in enumerate(book.model.spec.commitments):
            ends = term_ends(made.starts, made.term_months)
            for starts, other_ends, earlier, at in seen.get(made.name, []):
                if made.starts < other_ends and starts < ends:
                    where = earlier.place("spec", "commitments", at)
                    terms = f"{made.starts} to {ends}, and at {where} {starts} to {other_ends}"
                    reason = f"commitments {quoted(made.name)} overlap ({terms}); it would be paid twice"
                    yield book.problem(reason, "spec", "commitments", row)
            seen.setdefault(made.name, []).append((made.starts, ends, book, row))


def _measured(
    matrices: Iterable[Declared[LatencyMatrix]],
) -> Iterator[Fact]:
    for matrix in matrices:
        for near, row in matrix.model.spec.rtt_ms.items():
            for far in row:
                yield f"the round trip from {near} to {far}", matrix, ("spec", "rttMs", near, far)


def _nodes_without_price(declared: Declarations) -> Iterator[Problem]:
    books = [book.model for book in declared.of(PriceBook)]
    known = node_prices(books)
    for cluster in declared.of(Cluster):
        spec = cluster.model.spec
        prices = pool_prices(books, spec)
        for row, pool in enumerate(spec.pools):
            what = f"{spec.provider} {spec.region} {pool.node_type}"
            if prices[row] is None and pool.purchase == "spot" and what in map(" ".join, known):
                reason = f"pool {quoted(pool.name)}: no PriceBook has a spot price of {what}; give one or buy on-demand"
                yield cluster.problem(reason, "spec", "pools", row, "purchase")
            elif prices[row] is None:
                hint = nearest(what, map(" ".join, known))
                reason = f"pool {quoted(pool.name)}: no PriceBook has {what}{hint}"
                yield cluster.problem(reason, "spec", "pools", row, "nodeType")


def _transfers_without_price(
    declared: Declarations, origins: Iterable[Declared[Origin]], clusters: Mapping[str, Cluster]
) -> Iterator[Problem]:
    prices, missing = egress_prices(book.model for book in declared.of(PriceBook)), set()
    first = {region_of(origin.model, clusters): origin for origin in reversed([*origins])}
    where = {cluster.spec.region: cluster for cluster in reversed([*clusters.values()])}
    for (here, origin), (there, cluster) in product(first.items(), where.items()):
        for pair in ((here, there), (there, here)):
            if pair not in missing and egress_usd_per_gb(prices, *pair) is None:
                missing.add(pair)
                reason = f"no PriceBook has egress from {pair[0]} to {pair[1]} (cluster {quoted(cluster.name)})"
                yield origin.problem(reason, "spec", on_key=True)


def _pairs_without_distance(
    declared: Declarations, origins: Iterable[Declared[Origin]], clusters: Mapping[str, Cluster]
) -> Iterator[Problem]:
    """Said once for each place: a new region lacks the round trips to all others."""
    trips = round_trips(matrix.model for matrix in declared.of(LatencyMatrix))
    near, far = list(origins), list(clusters.values())
    unknown = np.isnan(distances_ms(trips, [origin.model for origin in near], clusters))
    places = [region_of(origin.model, clusters) for origin in near]
    for here in dict.fromkeys(places):
        rows = [row for row, place in enumerate(places) if place == here and unknown[row].any()]
        if rows:
            missing = [far[column] for column in np.flatnonzero(unknown[rows].any(axis=0)).tolist()]
            yield near[rows[0]].problem(_distance_words(here, missing, len(rows)), "spec", on_key=True)


def _distance_words(here: str, missing: list[Cluster], origins: int) -> str:
    there = list(dict.fromkeys(cluster.spec.region for cluster in missing))
    which = f"cluster {quoted(missing[0].name)}" if len(missing) == 1 else f"{len(missing)} clusters"
    named = ", ".join(there[:NAMED]) + (f" and {len(there) - NAMED} more" if len(there) > NAMED else "")
    others = f"; {origins - 1} more origins there lack some too" if origins > 1 else ""
    return f"no LatencyMatrix has a round trip to {which} (from {here} to {named}){others}"


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
