"""The forecast: growth, what to buy when, what to commit to, and what would change it, each with its reason."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.configuration import Configuration
from placement.columns import Floats, floats
from placement.growth import Growth
from placement.solve.commitments import Market, best_mix
from placement.solve.linear import Unsolved
from scheduler.planning.changes import (
    with_carbon_price,
    with_demand,
    with_nodes,
    with_prices,
    with_room,
    without_provider,
)
from scheduler.planning.outcome import Outcome, outcome
from scheduler.reports.rates import rates_of, spot_rates

Json = dict[str, Any]
Key = tuple[str, str]
FORMAT = 1
HOURS_PER_MONTH = 730
DAYS_PER_MONTH = 30
DEVIATIONS = 1.2816
"""Of the 10th and the 90th percentile of a normal law."""
SCENARIOS = (("low", -DEVIATIONS, 0.25), ("base", 0.0, 0.5), ("high", DEVIATIONS, 0.25))
CARBON_USD_PER_TON = (0.0, 50.0, 100.0, 200.0, 500.0)
PRICE_CHANGES = (-0.2, -0.1, 0.1, 0.2)
DAY_SHAPE = floats(1 + 0.35 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24))
"""Nodes of an hour over the day's mean, where no hourly history says better: a third more in the evening."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Factors on what the documents expect, by month from now; (months,) for each key and scenario."""

    factors: Mapping[str, Mapping[Key, Floats]]
    """By scenario."""
    growth: tuple[tuple[str, str, float], ...]
    """(service, origin, ratio a year)"""

    def month(self, scenario: str, month: int) -> dict[Key, float]:
        """The factors of one month, counted from 0."""
        return {key: float(values[month]) for key, values in self.factors[scenario].items()}


def demand_given(documents: Configuration, growth: Mapping[str, float], months: int) -> Demand:
    """Growth a year that somebody gives: by `service@origin`, `service`, `@origin`, or `` for all the others.

    Low and high are half and one and a half of it.
    """
    keys = [(s, o.name) for o in documents.origins for s in o.spec.expected_rps]
    rates = {(s, o): next((growth[k] for k in (f"{s}@{o}", s, f"@{o}", "") if k in growth), 0.0) for s, o in keys}
    years = (1 + np.arange(months)) / 12
    made = {
        name: {key: floats((1 + rate * part) ** years) for key, rate in rates.items()}
        for name, part in (("low", 0.5), ("base", 1.0), ("high", 1.5))
    }
    return Demand(made, tuple((s, o, rate) for (s, o), rate in rates.items()))


def demand_learnt(growth: Growth, keys: tuple[Key, ...], now_rps: Floats, months: int) -> Demand:
    """What a history says: each month's busiest day over the mean of the last four weeks."""
    ahead = months * DAYS_PER_MONTH
    made: dict[str, dict[Key, Floats]] = {}
    for name, deviations, _ in SCENARIOS:
        days = growth.quantile(ahead, deviations).reshape(months, DAYS_PER_MONTH, len(keys))
        busiest = days.max(axis=1) / np.maximum(now_rps, 1e-9)
        made[name] = {key: floats(busiest[:, column]) for column, key in enumerate(keys)}
    pace = growth.growth_ratio_per_year().tolist()
    return Demand(made, tuple((s, o, rate) for (s, o), rate in zip(keys, pace, strict=True)))


def plan_steps(documents: Configuration, demand: Demand, months: int, told: Callable[[str], None]) -> Json:
    """Month by month: the nodes that the base demand needs, what to buy of them, and why. Raises Unsolved."""
    have = {f"{c.name}/{p.name}": p.nodes for c in documents.clusters for p in c.spec.pools}
    prices = {f"{p.cluster}/{p.name}": p.list_usd for p in rates_of(documents, 0.0, 1.0).pools}
    steps, purchases = [], []
    for month in range(months):
        told(f"month {month + 1}")
        grown = with_demand(documents, demand.month("base", month))
        need = outcome(with_room(grown))
        more = {name: count - have[name] for name, count in need.nodes.items() if count > have[name]}
        why = _scarcity(with_nodes(grown, have)) if more else {}
        for name, count in sorted(more.items()):
            purchases.append(_purchase(name, month, count, prices[name], why))
            have[name] += count
        steps.append(_step(month, need, have))
    return {"steps": steps, "purchases": purchases}


def _purchase(name: str, month: int, count: int, usd: float, why: Mapping[str, tuple[str, float] | str]) -> Json:
    found = why.get(name)
    if isinstance(found, tuple):
        reason = f"at its present size one more {found[0]} there would save {found[1]:.4f} $/h"
        shadow: float | None = found[1]
    else:
        said = why.get("")
        reason = said if isinstance(said, str) else "the cheapest place for what other pools cannot take"
        shadow = None
    return {
        "pool": name,
        "month": month + 1,
        "nodes": count,
        "usd_per_hour": round(count * usd, 6),
        "shadow_price_usd_per_hour": shadow,
        "reason": reason,
    }


def _scarcity(documents: Configuration) -> dict[str, tuple[str, float] | str]:
    """Shadow prices of the pools as they are; in words where the least replicas do not even fit."""
    try:
        return dict(outcome(documents).scarce)
    except (ValueError, Unsolved) as error:
        return {"": f"without it the demand does not fit: {error}"}


def _step(month: int, need: Outcome, have: Mapping[str, int]) -> Json:
    return {
        "month": month + 1,
        **summary(need),
        "nodes": dict(need.nodes),
        "nodes_owned": dict(have),
    }


def summary(found: Outcome) -> Json:
    """An outcome in numbers, $/h and kg/h."""
    return {
        "usd_per_hour": round(found.usd_per_hour, 6),
        "usd_per_month": round(found.usd_per_hour * HOURS_PER_MONTH, 2),
        "nodes_usd_per_hour": round(found.nodes_usd_per_hour, 6),
        "egress_usd_per_hour": round(found.egress_usd_per_hour, 6),
        "objective_usd_per_hour": round(found.objective_usd_per_hour, 6),
        "p95_ms": round(found.p95_ms, 3),
        "refused_rps": round(found.refused_rps, 3),
        "missing_after_a_loss_rps": round(found.short_rps, 3),
        "co2_kg_per_hour": round(found.grams_per_hour / 1_000, 6),
        "certified_gap": round(found.certified_gap, 6),
    }


def difference(before: Outcome, after: Outcome) -> Json:
    """What changes from one to another."""
    return {
        "usd_per_hour": round(after.usd_per_hour - before.usd_per_hour, 6),
        "usd_per_month": round((after.usd_per_hour - before.usd_per_hour) * HOURS_PER_MONTH, 2),
        "objective_usd_per_hour": round(after.objective_usd_per_hour - before.objective_usd_per_hour, 6),
        "p95_ms": round(after.p95_ms - before.p95_ms, 3),
        "missing_after_a_loss_rps": round(after.short_rps - before.short_rps, 3),
        "co2_kg_per_hour": round((after.grams_per_hour - before.grams_per_hour) / 1_000, 6),
    }


def commitments(documents: Configuration, demand: Demand, months: int, spot_share_max: float) -> list[Json]:
    """For every kind of node the mix of reserved, on demand and spot, over three demands and the hours of a day."""
    last = months - 1
    needs = {}
    for name, _, _ in SCENARIOS:
        first = outcome(with_room(with_demand(documents, demand.month(name, 0)))).nodes
        end = outcome(with_room(with_demand(documents, demand.month(name, last)))).nodes
        needs[name] = {pool: (first[pool], end[pool]) for pool in first}
    offers = [offer for book in documents.price_books for offer in book.spec.offers if offer.kind == "reserved"]
    spot, found = spot_rates(documents), []
    kinds: dict[tuple[str, str, str], list[tuple[str, float]]] = {}
    for pool in rates_of(documents, 0.0, 1.0).pools:
        key = (pool.provider, pool.region, pool.node_type)
        kinds.setdefault(key, []).append((f"{pool.cluster}/{pool.name}", pool.list_usd))
    for key, pools in kinds.items():
        own = [offer for offer in offers if offer.provider == key[0]]
        hours = [_hours([needs[name][pool] for pool, _ in pools], months) for name, _, _ in SCENARIOS]
        if max(h.max() for h in hours) <= 0:
            continue
        market = Market(
            pools[0][1], spot.get(key, (None, 0.0))[0], spot_share_max, floats([o.discount_ratio for o in own])
        )
        mix = best_mix(market, hours, floats([p for _, _, p in SCENARIOS]))
        terms = [(f"{offer.term_months} months", offer.discount_ratio) for offer in own]
        found.append(_mix_row(key, market, mix, terms, hours))
    return found


def _hours(ends: list[tuple[int, int]], months: int) -> Floats:
    """(months x 24,) nodes of every hour of a day of every month: the peak of a day is what the pools need."""
    first, last = sum(a for a, _ in ends), sum(b for _, b in ends)
    path = np.linspace(first, last, months)
    return floats(np.outer(path, DAY_SHAPE / DAY_SHAPE.max()).ravel())


def _mix_row(
    key: tuple[str, str, str], market: Market, mix: Any, terms: list[tuple[str, float]], hours: list[Floats]
) -> Json:
    saved = mix.all_on_demand_usd_per_hour - mix.usd_per_hour
    break_even = [
        f"{term} at {off:.0%} off pays for a node that runs more than {1 - off:.0%} of the hours" for term, off in terms
    ]
    return {
        "provider": key[0],
        "region": key[1],
        "node_type": key[2],
        "reserved": [
            {"term": t, "discount_ratio": off, "nodes": float(n)}
            for (t, off), n in zip(terms, mix.committed.tolist(), strict=True)
        ],
        "on_demand_nodes_mean": round(mix.on_demand, 3),
        "spot_nodes_mean": round(mix.spot, 3),
        "usd_per_hour": round(mix.usd_per_hour, 6),
        "all_on_demand_usd_per_hour": round(mix.all_on_demand_usd_per_hour, 6),
        "saving_usd_per_hour": round(saved, 6),
        "regret_usd_per_hour": {n: round(float(r), 6) for (n, _, _), r in zip(SCENARIOS, mix.regret_usd, strict=True)},
        "nodes_mean": {n: round(float(h.mean()), 3) for (n, _, _), h in zip(SCENARIOS, hours, strict=True)},
        "reason": "; ".join(break_even) or "no price book has an offer of this provider",
    }


def sensitivity(documents: Configuration, base: Outcome) -> Iterator[Json]:
    """What other prices would do, with everything placed anew."""
    providers = sorted({cluster.spec.provider for cluster in documents.clusters})
    for part, provider in [*(("nodes", p) for p in providers), ("egress", "")]:
        for change in PRICE_CHANGES:
            after = outcome(with_room(with_prices(documents, part, provider, 1 + change)))
            moved = sum(abs(after.nodes[name] - base.nodes[name]) for name in base.nodes)
            row = {"price": f"{part} of {provider}" if provider else "transfer", "change_ratio": change}
            yield row | difference(base, after) | {"nodes_that_differ": moved}


def exits(documents: Configuration, base: Outcome) -> Iterator[Json]:
    """What leaving each provider would cost: the dearer fleet, the data that moves, and what is committed there."""
    rates = rates_of(documents, 0.0, 1.0)
    for provider in sorted({cluster.spec.provider for cluster in documents.clusters}):
        try:
            after = outcome(with_room(without_provider(documents, provider)))
        except (ValueError, Unsolved) as error:
            yield {"provider": provider, "possible": False, "reason": str(error)}
            continue
        gib = sum(pool.storage_gib for pool in rates.pools if pool.provider == provider)
        dearest = max(
            (float(b.unit_usd.max()) for (a, _), b in rates.egress.items() if a in _regions(documents, provider)),
            default=0.0,
        )
        yield {
            "provider": provider,
            "possible": True,
            **difference(base, after),
            "once_usd": round(gib * 1.073741824 * dearest, 2),
            "reason": f"{gib:.0f} GiB of disks leave once at up to {dearest:.4f} $/GB; the rest is the dearer fleet",
        }


def _regions(documents: Configuration, provider: str) -> set[str]:
    return {cluster.spec.region for cluster in documents.clusters if cluster.spec.provider == provider}


def carbon(documents: Configuration) -> Iterator[Json]:
    """What a price on emissions would move: cost and CO2 of the cheapest fleet under each."""
    plain = None
    for usd in CARBON_USD_PER_TON:
        found = outcome(with_room(with_carbon_price(documents, usd)))
        prices = {f"{p.cluster}/{p.name}": p.list_usd for p in rates_of(documents, 0.0, 1.0).pools}
        billed = sum(count * prices[name] for name, count in found.nodes.items()) + found.egress_usd_per_hour
        plain = billed if plain is None else plain
        yield {
            "usd_per_ton": usd,
            "usd_per_hour": round(billed, 6),
            "dearer_usd_per_hour": round(billed - plain, 6),
            "co2_kg_per_hour": round(found.grams_per_hour / 1_000, 6),
            "p95_ms": round(found.p95_ms, 3),
        }
