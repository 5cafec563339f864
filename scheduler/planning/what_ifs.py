"""What would change the cost: other prices, no provider, a price on CO2, a region more; everything placed anew."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from config.configuration import Configuration
from config.prices import term_ends
from placement.solve.linear import Unsolved
from scheduler.planning.changes import with_prices, with_room, without_provider
from scheduler.planning.forecast import Solved, difference
from scheduler.planning.outcome import Outcome, outcome
from scheduler.reports.rates import rates_of

Json = dict[str, Any]
GIB_GB = 1.073741824
CARBON_USD_PER_TON = (0.0, 50.0, 100.0, 200.0, 500.0)
PRICE_CHANGES = (-0.2, -0.1, 0.1, 0.2)


def sensitivity(documents: Configuration, base: Outcome, solved: Solved) -> Iterator[Json]:
    """What other prices would do, with everything placed anew; `passed_on` is the part of the change that is paid."""
    providers = sorted({cluster.spec.provider for cluster in documents.clusters})
    rates = rates_of(documents, 0.0, 1.0)
    price = {f"{pool.cluster}/{pool.name}": (pool.provider, pool.list_usd) for pool in rates.pools}
    for part, provider in [*(("nodes", p) for p in providers), ("egress", "")]:
        exposed = base.egress_usd_per_hour if part == "egress" else sum(
            count * price[name][1] for name, count in base.nodes.items() if price[name][0] == provider
        )  # fmt: skip
        for change in PRICE_CHANGES:
            after = solved(with_room(with_prices(documents, part, provider, 1 + change)))
            moved = sum(abs(after.nodes[name] - base.nodes[name]) for name in base.nodes)
            row = {"price": f"{part} of {provider}" if provider else "transfer", "change_ratio": change}
            paid = (after.usd_per_hour - base.usd_per_hour) / (change * exposed) if exposed > 0 else None
            ratio = None if paid is None else round(paid, 6)
            yield row | difference(base, after) | {"passed_on_ratio": ratio, "nodes_that_differ": moved}


def exits(documents: Configuration, base: Outcome, solved: Solved, today: date) -> Iterator[Json]:
    """What leaving each provider would cost: the dearer fleet, the data that moves, and what is committed there."""
    rates = rates_of(documents, 0.0, 1.0)
    for provider in sorted({cluster.spec.provider for cluster in documents.clusters}):
        committed = round(committed_usd(documents, provider, today), 2)
        try:
            after = solved(with_room(without_provider(documents, provider)))
        except (ValueError, Unsolved) as error:
            row = {"provider": provider, "possible": False, "committed_usd": committed, "reason": str(error)}
            yield row
            continue
        gib = sum(pool.storage_gib for pool in rates.pools if pool.provider == provider)
        dearest = max(
            (float(b.unit_usd.max()) for (a, _), b in rates.egress.items() if a in _regions(documents, provider)),
            default=0.0,
        )
        data = round(gib * GIB_GB * dearest, 2)
        yield {
            "provider": provider,
            "possible": True,
            **difference(base, after),
            "data_usd": data,
            "committed_usd": committed,
            "once_usd": round(data + committed, 2),
            "reason": f"{gib:.0f} GiB of disks leave once at up to {dearest:.4f} $/GB, {committed:,.2f} $ are "
            "committed there to the end of their terms; the rest is the dearer fleet",
        }


def committed_usd(documents: Configuration, provider: str, today: date) -> float:
    """What commitments with a provider cost from today to the end of their terms."""
    price = {(p.provider, p.region, p.node_type): p.list_usd for p in rates_of(documents, 0.0, 1.0).pools}
    total = 0.0
    for made in (made for book in documents.price_books for made in book.spec.commitments):
        left = (term_ends(made.starts, made.term_months) - max(today, made.starts)).days
        if made.provider != provider or left <= 0:
            continue
        hourly = made.usd_per_hour
        if hourly is None:
            listed = price.get((made.provider, made.region, made.node_type), 0.0)
            hourly = (made.nodes or 0) * listed * (1 - made.discount_ratio)
        total += hourly * left * 24
    return total


def _regions(documents: Configuration, provider: str) -> set[str]:
    return {cluster.spec.region for cluster in documents.clusters if cluster.spec.provider == provider}


def carbon(documents: Configuration) -> Iterator[Json]:
    """What a price on emissions would move: cost and CO2 of the cheapest fleet under each."""
    plain = None
    for usd in CARBON_USD_PER_TON:
        found = outcome(with_room(documents), usd)
        plain = found.usd_per_hour if plain is None else plain
        yield {
            "usd_per_ton": usd,
            "usd_per_hour": round(found.usd_per_hour, 6),
            "dearer_usd_per_hour": round(found.usd_per_hour - plain, 6),
            "co2_kg_per_hour": round(found.grams_per_hour / 1_000, 6),
            "p95_ms": round(found.p95_ms, 3),
        }
