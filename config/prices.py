"""Prices as the price books have them: of nodes, of transfers, and of the part of a node that a replica takes."""

from collections.abc import Iterable, Mapping

from config.cluster import Resources
from config.pricebook import PriceBook

NodeKey = tuple[str, str, str]
"""provider, region, node type."""
ANY = "*"


def node_prices(books: Iterable[PriceBook]) -> dict[NodeKey, float]:
    """USD per hour of each node type."""
    return {
        (row.provider, row.region, row.node_type): row.usd_per_hour for book in books for row in book.spec.node_types
    }


def egress_prices(books: Iterable[PriceBook]) -> dict[tuple[str, str], float]:
    """USD per gigabyte, by sending and receiving region as written, wildcards included."""
    return {(row.sender, row.receiver): row.usd_per_gb for book in books for row in book.spec.egress}


def egress_usd_per_gb(prices: Mapping[tuple[str, str], float], sender: str, receiver: str) -> float | None:
    """The most specific price of a transfer, None where there is none.

    Wildcards stand for other regions: inside a region it costs nothing unless that pair is listed. Where only one
    side is a wildcard the sender's list counts before the receiver's, because the sender is billed.
    """
    if (sender, receiver) in prices:
        return prices[sender, receiver]
    if sender == receiver:
        return 0.0
    return next((prices[key] for key in ((sender, ANY), (ANY, receiver), (ANY, ANY)) if key in prices), None)


def dominant_share(replica: Resources, node: Resources) -> float:
    """The largest part of a node that one replica takes, over the resources it uses; above 1 it does not fit.

    What a replica costs is this share of the node: the resource that it fills first keeps others out
    (Ghodsi et al., Dominant Resource Fairness, NSDI 2011, section 3).
    """
    used = [(take, give) for take, give in zip(replica.row(), node.row(), strict=True) if take > 0]
    return max(take / give if give else float("inf") for take, give in used)
