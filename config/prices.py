"""Prices as the price books have them: of nodes, of transfers, and of the part of a node that a replica takes."""

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TypeVar

import numpy as np

from config.cluster import ClusterSpec, Resources
from config.pricebook import PriceBook, SpotPrice
from placement.columns import Floats, floats

Row = TypeVar("Row")
NodeKey = tuple[str, str, str]
"""provider, region, node type."""
ANY = "*"


def node_prices(books: Iterable[PriceBook]) -> dict[NodeKey, float]:
    """USD per hour of each node type on demand, with the accelerators that are billed apart from it.

    A node whose accelerators nobody prices is left out: config.completeness reports it.
    """
    specs = [book.spec for book in books]
    gpus = {(row.provider, row.region, row.gpu): row.usd_per_hour for spec in specs for row in spec.gpus}
    found = {}
    for row in (row for spec in specs for row in spec.node_types):
        apart = 0.0 if row.gpu is None else gpus.get((row.provider, row.region, row.gpu))
        if apart is not None:
            found[row.provider, row.region, row.node_type] = row.usd_per_hour + row.gpu_count * apart
    return found


def spot_prices(books: Iterable[PriceBook]) -> dict[NodeKey, SpotPrice]:
    """What interruptible nodes cost, where there are any."""
    rows = (row for book in books for row in book.spec.node_types)
    return {(row.provider, row.region, row.node_type): row.spot for row in rows if row.spot is not None}


def pool_prices(books: Sequence[PriceBook], cluster: ClusterSpec) -> list[float | None]:
    """USD per hour of a node of each pool of a cluster, as it is bought; None where there is no price."""
    listed, spot = node_prices(books), spot_prices(books)
    keys = [(cluster.provider, cluster.region, pool.node_type) for pool in cluster.pools]
    return [
        (spot[key].usd_per_hour if key in spot else None) if pool.purchase == "spot" else listed.get(key)
        for key, pool in zip(keys, cluster.pools, strict=True)
    ]


def egress_prices(books: Iterable[PriceBook]) -> dict[tuple[str, str], float]:
    """USD per gigabyte, by sending and receiving region as written, wildcards included; of tiers one that counts."""
    return {(row.sender, row.receiver): row.marginal_usd_per_gb for book in books for row in book.spec.egress}


def egress_usd_per_gb(prices: Mapping[tuple[str, str], float], sender: str, receiver: str) -> float | None:
    """The most specific price of a transfer, None where there is none."""
    if (sender, receiver) not in prices and sender == receiver:
        return 0.0
    return most_specific(prices, sender, receiver)


def most_specific(rows: Mapping[tuple[str, str], Row], sender: str, receiver: str) -> Row | None:
    """What counts for a transfer, None where nothing does.

    Wildcards stand for other regions: inside a region only that very pair counts. Where only one side is a wildcard the
    sender's list counts before the receiver's, because the sender is billed.
    """
    keys = ((sender, receiver), (sender, ANY), (ANY, receiver), (ANY, ANY))
    return next((rows[key] for key in keys[: 1 if sender == receiver else 4] if key in rows), None)


def term_ends(starts: date, months: int) -> date:
    """The first day after a term."""
    years, month = divmod(starts.month - 1 + months, 12)
    last = monthrange(starts.year + years, month + 1)[1]
    return date(starts.year + years, month + 1, min(starts.day, last))


def dominant_shares(replica: Resources, nodes: Floats) -> Floats:
    """(P,) `dominant_share` of one replica for the (P, 4) resources of some nodes, rows of `Resources.row`."""
    take = floats(replica.row())
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(take > 0, take / nodes, 0.0)
    return floats(part.max(axis=1, initial=0.0))


def dominant_share(replica: Resources, node: Resources) -> float:
    """The largest part of a node that one replica takes, over the resources it uses; above 1 it does not fit.

    What a replica costs is this share of the node: the resource that it fills first keeps others out
    (Ghodsi et al., Dominant Resource Fairness, NSDI 2011, section 3).
    """
    used = [(take, give) for take, give in zip(replica.row(), node.row(), strict=True) if take > 0]
    return max(take / give if give else float("inf") for take, give in used)
