"""Prices of nodes as OpenCosts tell them, while a controller runs: judged, written down, and given to decisions.

For clusters with `prices: opencost` alone. Decisions reckon with what is believed (scheduler.prices_told), by a
PriceBook behind the documents' own; bills and reports keep to the documents. What is not told stays as declared.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from config.cluster import Cluster
from config.configuration import Configuration as Documents
from config.documents import API_VERSION
from config.pricebook import PriceBook
from config.prices import NodeKey, pool_prices
from scheduler.audit import AuditLedger
from scheduler.ports import LedgerDown
from scheduler.prices_checked import asked, held_against
from scheduler.prices_told import Belief, aged, heard
from scheduler.summary import Json

EVERY_S = 600.0
"""OpenCost adds up minutes, and the mean of a day moves slowly."""
WHO = "opencost"
Key = tuple[str, str]
"""(cluster, node type)."""

log = structlog.get_logger()


@dataclass(slots=True)
class PriceFeed:
    """What is believed of prices. `run` while the controller leads."""

    audit: AuditLedger
    failures: dict[str, str]
    """Gets what does not answer, by source."""
    changed: Callable[[], None] = lambda: None
    """Called when decisions are to reckon with other prices."""
    documents: Documents | None = None
    beliefs: dict[Key, Belief] = field(default_factory=dict)
    told: dict[str, Mapping[str, float]] = field(default_factory=dict)
    """$/h by cluster and node type, as told last."""

    def priced(self, documents: Documents) -> Documents:
        """The documents with the prices that are believed; beliefs about other declared prices are forgotten."""
        self.documents = documents
        declared = _declared(documents)
        self.beliefs = {key: self._known(key, usd) for key, usd in declared.items()}
        rows = _rows(documents, self.beliefs)
        return replace(documents, price_books=(*documents.price_books, _book(rows))) if rows else documents

    def _known(self, key: Key, declared: float) -> Belief:
        known = self.beliefs.get(key)
        return known if known is not None and known.declared == declared else Belief(declared)

    async def run(self, now_s: Callable[[], float] = time.monotonic) -> None:
        """A round every ten minutes, until cancelled."""
        while True:
            await self.round(now_s())
            await asyncio.sleep(EVERY_S)

    async def round(self, at_s: float) -> None:
        """Ask every OpenCost whose prices are to count, and take up what can be believed."""
        clusters = _trusting(self.documents)
        answers = await asyncio.gather(*(self._ask(cluster) for cluster in clusters))
        self.told = {cluster.name: costs for cluster, costs in zip(clusters, answers, strict=True)}
        moved = []
        for key, before in self.beliefs.items():
            costs = self.told.get(key[0], {})
            now = aged(heard(before, costs[key[1]], at_s) if key[1] in costs else before, at_s)
            self.beliefs[key] = now
            if now.in_force != before.in_force:
                moved.append((key, before, now))
        for key, before, now in moved:
            await self._note(key, before, now)
        if moved:
            self.changed()

    async def _ask(self, cluster: Cluster) -> Mapping[str, float]:
        """The failure of an earlier round is forgotten where it answers."""
        self.failures.pop(f"opencost:{cluster.name}", None)
        return await asked(cluster, self.failures)

    async def _note(self, key: Key, before: Belief, now: Belief) -> None:
        body: Json = {
            "cluster": key[0], "node_type": key[1], "declared_usd_per_hour": now.declared,
            "before_usd_per_hour": before.in_force, "usd_per_hour": now.in_force, "why": now.why,
        }  # fmt: skip
        log.info("price of a node", **body)
        try:
            await self.audit.note(WHO, "price", body)
        except LedgerDown as down:
            log.warning("a price is not written down", detail=str(down))

    def lines(self) -> list[Json]:
        """For the doctor: what is declared, told and in force of every pool."""
        if self.documents is None:
            return []
        found = []
        for cluster in _trusting(self.documents):
            for line in held_against(self.documents, cluster, self.told.get(cluster.name, {})):
                known = self.beliefs.get((cluster.name, str(line["node_type"])))
                in_force = line["declared_usd_per_hour"] if known is None else round(known.in_force, 6)
                advice = known.why if known is not None and known.why else ""
                found.append(line | {"used_usd_per_hour": in_force, "advice": advice})
        return found


def _trusting(documents: Documents | None) -> list[Cluster]:
    return [c for c in documents.clusters if c.spec.prices == "opencost"] if documents is not None else []


def _declared(documents: Documents) -> dict[Key, float]:
    """$/h of on-demand nodes of the clusters whose OpenCost counts."""
    return {
        (cluster.name, pool.node_type): usd
        for cluster in _trusting(documents)
        for pool, usd in zip(cluster.spec.pools, pool_prices(documents.price_books, cluster.spec), strict=True)
        if pool.purchase == "on-demand" and usd
    }


def _rows(documents: Documents, beliefs: Mapping[Key, Belief]) -> dict[NodeKey, float]:
    """What a PriceBook is to say; clusters of one region share prices, so that of several the mean counts."""
    clusters, found = documents.cluster_by_name(), dict[NodeKey, list[float]]()
    for (name, node_type), belief in beliefs.items():
        if belief.usd_per_hour is not None:
            spec = clusters[name].spec
            found.setdefault((spec.provider, spec.region, node_type), []).append(belief.usd_per_hour)
    return {key: sum(several) / len(several) for key, several in found.items()}


def _book(rows: Mapping[NodeKey, float]) -> PriceBook:
    nodes = [
        {"provider": provider, "region": region, "nodeType": node_type, "usdPerHour": usd}
        for (provider, region, node_type), usd in sorted(rows.items())
    ]
    spec = {"currency": "USD", "asOf": datetime.now(UTC).date().isoformat(), "source": "OpenCost", "nodeTypes": nodes}
    return PriceBook.model_validate(
        {"apiVersion": API_VERSION, "kind": "PriceBook", "metadata": {"name": "opencost-live"}, "spec": spec}
    )
