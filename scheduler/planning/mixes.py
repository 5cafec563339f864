"""What to commit to, by kind of node: reserved, on demand and spot over three demands, with the regret in each."""

from datetime import date, timedelta
from typing import Any

import numpy as np

from config.configuration import Configuration
from config.prices import term_ends
from placement.columns import Floats, floats
from placement.solve.commitments import Market, Mix, best_mix
from scheduler.planning.changes import with_demand, with_room
from scheduler.planning.demand import DAYS_PER_MONTH, SCENARIOS, Demand
from scheduler.planning.forecast import Solved
from scheduler.reports.rates import rates_of, spot_rates

Json = dict[str, Any]
Kind = tuple[str, str, str]
"""(provider, region, node type)"""
DAY_SHAPE = floats(1 + 0.35 * np.sin(2 * np.pi * (np.arange(24) - 8) / 24))
"""Nodes of an hour over the day's mean, where no hourly history says better: a third more in the evening."""


def commitments(
    documents: Configuration, demand: Demand, months: int, spot_share_max: float, solved: Solved, today: date
) -> list[Json]:
    """For every kind of node the mix of reserved, on demand and spot, over three demands and the hours of a day.

    What is reserved already, for as long as its term goes on, is taken off first.
    """
    last, needs = months - 1, {}
    for name, _, _ in SCENARIOS:
        first = solved(with_room(with_demand(documents, demand.month(name, 0)))).nodes
        end = solved(with_room(with_demand(documents, demand.month(name, last)))).nodes
        needs[name] = {pool: (first[pool], end[pool]) for pool in first}
    offers = [offer for book in documents.price_books for offer in book.spec.offers if offer.kind == "reserved"]
    spot, found = spot_rates(documents), []
    kinds: dict[Kind, list[tuple[str, float]]] = {}
    for pool in rates_of(documents, 0.0, 1.0).pools:
        key = (pool.provider, pool.region, pool.node_type)
        kinds.setdefault(key, []).append((f"{pool.cluster}/{pool.name}", pool.list_usd))
    for key, pools in kinds.items():
        own = [offer for offer in offers if offer.provider == key[0]]
        held = reserved_nodes(documents, key, months, today)
        hours = [_hours([needs[name][pool] for pool, _ in pools], months) for name, _, _ in SCENARIOS]
        open_hours = [floats(np.maximum(path - np.repeat(held, 24), 0.0)) for path in hours]
        if max(path.max() for path in open_hours) <= 0:
            continue
        market = Market(
            pools[0][1], spot.get(key, (None, 0.0))[0], spot_share_max, floats([o.discount_ratio for o in own])
        )
        mix = best_mix(market, open_hours, floats([p for _, _, p in SCENARIOS]))
        terms = [(f"{offer.term_months} months", offer.discount_ratio) for offer in own]
        found.append(_mix_row(key, market, mix, terms, open_hours) | {"reserved_already": float(held[0])})
    return found


def reserved_nodes(documents: Configuration, kind: Kind, months: int, today: date) -> Floats:
    """(months,) nodes of a kind that are reserved already, at the middle of each month from today."""
    middle = [today + timedelta(days=DAYS_PER_MONTH * month + DAYS_PER_MONTH // 2) for month in range(months)]
    held = np.zeros(months)
    for made in (made for book in documents.price_books for made in book.spec.commitments):
        if made.kind == "reserved" and (made.provider, made.region, made.node_type) == kind:
            ends = term_ends(made.starts, made.term_months)
            held += [(made.nodes or 0) * (made.starts <= day < ends) for day in middle]
    return floats(held)


def _hours(ends: list[tuple[int, int]], months: int) -> Floats:
    """(months x 24,) nodes of every hour of a day of every month: the peak of a day is what the pools need."""
    first, last = sum(a for a, _ in ends), sum(b for _, b in ends)
    path = np.linspace(first, last, months)
    return floats(np.outer(path, DAY_SHAPE / DAY_SHAPE.max()).ravel())


def _why(market: Market, terms: list[tuple[str, float]], hours: list[Floats], mix: Mix) -> str:
    """The worth of one committed node more: what the hours in which it runs would cost, over what it costs."""
    if not terms:
        return "no price book has an offer of this provider"
    level = float(mix.committed.sum()) + 0.5
    busy = sum(p * float((path > level).mean()) for (_, _, p), path in zip(SCENARIOS, hours, strict=True))
    worth, words = busy * market.on_demand_usd, []
    for term, off in terms:
        words.append(f"{term} at {off:.0%} off pays for a node that runs more than {1 - off:.0%} of the hours")
    price = (1 - max(off for _, off in terms)) * market.on_demand_usd
    return (
        f"{'; '.join(words)}. One more would run {busy:.0%} of them: worth {worth:.4f} $/h (its shadow price), "
        f"and the cheapest costs {price:.4f}"
    )


def _mix_row(key: Kind, market: Market, mix: Mix, terms: list[tuple[str, float]], hours: list[Floats]) -> Json:
    saved = mix.all_on_demand_usd_per_hour - mix.usd_per_hour
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
        "reason": _why(market, terms, hours, mix),
    }
