"""Prices for what no document prices, from a book that somebody asked for: never silently."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import product

from config.cluster import Cluster
from config.declared import Declarations, Declared
from config.distances import region_of
from config.origin import Origin
from config.pricebook import EgressPrice, NodePrice, PriceBook
from config.prices import egress_prices, egress_usd_per_gb, most_specific, pool_prices
from config.source import parse, plain

DEFAULT_BOOK = "default-prices.yaml"


@cache
def default_book() -> PriceBook:
    """Cited, dated public list prices: a first answer, not an invoice."""
    data = files("config").joinpath(DEFAULT_BOOK).read_bytes()
    return PriceBook.model_validate(plain(parse(data).roots[0].node))


def completed(declared: Declarations, book: PriceBook | None) -> tuple[Declarations, tuple[str, ...]]:
    """The documents with a price book more, of what they lack and `book` has, and what that is, in words."""
    if book is None or not declared.whole(PriceBook, Cluster):
        return declared, ()
    nodes, transfers = list(_nodes(declared, book)), list(_transfers(declared, book))
    if not nodes and not transfers:
        return declared, ()
    spec = book.spec.model_copy(update={"node_types": tuple(r for _, r in nodes), "egress": _distinct(transfers)})
    if declared.of(PriceBook):
        kept = ("gpus", "storage", "load_balancers", "offers", "carbon", "power")
        spec = spec.model_copy(update=dict.fromkeys(kept, ()))
    added = Declared(book.model_copy(update={"spec": spec}), DEFAULT_BOOK, parse(b"{}").roots[0].node)
    words = tuple(f"{what}: {book.spec.source}, {book.spec.as_of}" for what, _ in [*nodes, *transfers])
    return replace(declared, documents=(*declared.documents, added)), tuple(dict.fromkeys(words))


def _nodes(declared: Declarations, book: PriceBook) -> Iterator[tuple[str, NodePrice]]:
    own = [found.model for found in declared.of(PriceBook)]
    listed = {(row.provider, row.region, row.node_type): row for row in book.spec.node_types}
    done = set()
    for cluster in declared.of(Cluster):
        spec = cluster.model.spec
        for pool, usd in zip(spec.pools, pool_prices(own, spec), strict=True):
            key = (spec.provider, spec.region, pool.node_type)
            if usd is None and key in listed and key not in done:
                done.add(key)
                yield f"pool {cluster.name}/{pool.name}, {' '.join(key)}", listed[key]


def _transfers(declared: Declarations, book: PriceBook) -> Iterator[tuple[str, EgressPrice]]:
    own = egress_prices(found.model for found in declared.of(PriceBook))
    rows = {(row.sender, row.receiver): row for row in book.spec.egress}
    clusters = declared.by_name(Cluster)
    located = [o.model for o in declared.of(Origin) if o.model.spec.region or o.model.spec.cluster in clusters]
    for origin, cluster in product(located, clusters.values()):
        here, there = region_of(origin, clusters), cluster.spec.region
        for pair in ((here, there), (there, here)):
            row = most_specific(rows, *pair)
            if row is not None and egress_usd_per_gb(own, *pair) is None:
                named = {"from": pair[0], "to": pair[1]} | row.model_dump(by_alias=True, exclude={"sender", "receiver"})
                yield f"egress {pair[0]} to {pair[1]}", EgressPrice.model_validate(named)


def _distinct(rows: list[tuple[str, EgressPrice]]) -> tuple[EgressPrice, ...]:
    return tuple({(row.sender, row.receiver): row for _, row in rows}.values())
