"""Declared prices of nodes held against what an OpenCost in the cluster says that they cost."""

import asyncio
from collections.abc import Iterator, Mapping
from itertools import groupby

from config.cluster import Cluster
from config.configuration import Configuration as Documents
from config.pricelists import READERS, BadList
from config.prices import pool_prices
from connectors.connector import Refused, Unavailable
from connectors.http import Access, Edge
from scheduler.summary import Json

CLOSE_RATIO = 0.1
"""A declared price that is off by less than this is near enough: list prices are not bills."""
WINDOW = "1d"


async def prices_checked(documents: Documents, failures: dict[str, str]) -> list[Json]:
    """A line for every node type of every cluster with an OpenCost; `failures` gets what does not answer."""
    priced = [cluster for cluster in documents.clusters if cluster.spec.open_cost]
    found = await asyncio.gather(*(asked(cluster, failures) for cluster in priced))
    return [
        line for cluster, costs in zip(priced, found, strict=True) for line in held_against(documents, cluster, costs)
    ]


async def asked(cluster: Cluster, failures: dict[str, str]) -> dict[str, float]:
    """$/h of an on-demand node by type, the mean of those that ran; empty where it does not answer."""
    url = str(cluster.spec.open_cost)
    edge = Edge(Access(url), f"{cluster.name}: OpenCost at {url}")
    try:
        answer = await edge.ask("GET", "/assets", "assets", params={"window": WINDOW})
        return node_costs(answer.body.decode("utf-8", "replace"), cluster.spec.provider)
    except (Unavailable, Refused) as no:
        failures[f"opencost:{cluster.name}"] = str(no)
    except BadList as bad:
        failures[f"opencost:{cluster.name}"] = f"{cluster.name}: OpenCost at {url}, assets: {bad}"
    finally:
        await edge.close()
    return {}


def node_costs(text: str, provider: str) -> dict[str, float]:
    """$/h by node type of an answer of `/assets`. Raises BadList."""
    try:
        rows = sorted((row.node_type, row.amount) for row in READERS["opencost"](text, provider) if row is not None)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadList(f"not an answer of OpenCost's /assets: {error!r}") from None
    grouped = groupby(rows, key=lambda row: row[0])
    means = ((kind, [usd for _, usd in of]) for kind, of in grouped)
    return {kind: sum(usd) / len(usd) for kind, usd in means}


def held_against(documents: Documents, cluster: Cluster, costs: Mapping[str, float]) -> Iterator[Json]:
    """A line for every node type that is priced on demand."""
    prices = pool_prices(documents.price_books, cluster.spec)
    for pool, declared in zip(cluster.spec.pools, prices, strict=True):
        if pool.purchase == "spot" or declared is None:
            continue
        seen = costs.get(pool.node_type)
        off = None if not seen else declared / seen - 1
        advice = ""
        if off is None:
            advice = "OpenCost saw no such node in the last day: what is declared is used"
        elif abs(off) > CLOSE_RATIO and cluster.spec.prices == "opencost":
            advice = "`prices: opencost`: a running controller reckons with it as far as it believes it"
        elif abs(off) > CLOSE_RATIO:
            advice = f"`equipoise prices import opencost {cluster.spec.open_cost}` makes a PriceBook of what it says"
        yield {
            "cluster": cluster.name,
            "pool": pool.name,
            "node_type": pool.node_type,
            "declared_usd_per_hour": round(declared, 6),
            "opencost_usd_per_hour": None if seen is None else round(seen, 6),
            "off_ratio": None if off is None else round(off, 4),
            "advice": advice,
        }
