"""The forecast: month by month what the fleet needs, what to buy of it and when, and why."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from config.configuration import Configuration
from placement.solve.linear import Unsolved
from scheduler.planning.changes import with_demand, with_nodes, with_room
from scheduler.planning.demand import Demand
from scheduler.planning.outcome import Outcome
from scheduler.reports.rates import rates_of

Json = dict[str, Any]
FORMAT = 2
HOURS_PER_MONTH = 730
Solved = Callable[[Configuration], Outcome]
"""The model that every part of a forecast is solved with."""


def plan_steps(
    documents: Configuration, demand: Demand, months: int, solved: Solved, told: Callable[[str], None]
) -> Json:
    """Month by month: the nodes that the base demand needs, what to buy of them, and why. Raises Unsolved."""
    have = {f"{c.name}/{p.name}": p.nodes for c in documents.clusters for p in c.spec.pools}
    prices = {f"{p.cluster}/{p.name}": p.list_usd for p in rates_of(documents, 0.0, 1.0).pools}
    steps, purchases = [], []
    for month in range(months):
        told(f"month {month + 1}")
        grown = with_demand(documents, demand.month("base", month))
        need = solved(with_room(grown))
        more = {name: count - have[name] for name, count in need.nodes.items() if count > have[name]}
        within = _within(with_nodes(grown, have), solved) if more else ""
        for name, count in sorted(more.items()):
            purchases.append(_purchase(name, month, count, prices[name], need, within))
            have[name] += count
        steps.append(_step(month, need, have))
    return {"steps": steps, "purchases": purchases}


def _within(documents: Configuration, solved: Solved) -> Outcome | str:
    """The fleet in the pools as they are; in words where the least replicas do not even fit."""
    try:
        return solved(documents)
    except (ValueError, Unsolved) as error:
        return f"without it the demand does not fit: {error}"


def _purchase(name: str, month: int, count: int, usd: float, need: Outcome, within: Outcome | str) -> Json:
    pool, resource, shadow, reason = _why(name, need, within)
    return {
        "pool": name,
        "month": month + 1,
        "nodes": count,
        "usd_per_hour": round(count * usd, 6),
        "shadow_price": {"pool": pool, "resource": resource, "usd_per_hour": shadow},
        "reason": reason,
    }


def _why(name: str, need: Outcome, within: Outcome | str) -> tuple[str, str, float | None, str]:
    """The shadow price that a purchase answers to: of its pool, else of the scarcest one; and in words."""
    if isinstance(within, str):
        return "", "", None, within
    if name in within.scarce:
        resource, usd = within.scarce[name]
        return name, resource, usd, f"at its present size one more {resource} there would save {usd:.4f} $/h"
    saved = within.objective_usd_per_hour - need.objective_usd_per_hour
    if within.scarce:
        pool, (resource, usd) = max(within.scarce.items(), key=lambda item: item[1][1])
        words = (
            f"relieves {pool}, where one more {resource} would save {usd:.4f} $/h; this is the cheapest place for it"
        )
        return pool, resource, usd, words
    words = f"no pool is short (shadow prices are 0): all that is weighed is {saved:.4f} $/h less with it than without"
    return "", "", 0.0, words


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


def added_region(region: str, cluster: str, base: Outcome, after: Outcome, assumed: Sequence[str]) -> Json:
    """What a cluster more does for cost, round trips and resilience, and whether that is worth it."""
    change = difference(base, after)
    taken = {name: count for name, count in after.nodes.items() if name.startswith(f"{cluster}/") and count}
    saved = -change["objective_usd_per_hour"]
    if not taken:
        reason = "nothing would run there: every pool that stands serves its load for less"
    elif saved > 0:
        reason = f"worth it: all that is weighed falls by {saved:.4f} $/h"
    else:
        reason = f"not worth it: all that is weighed rises by {-saved:.4f} $/h"
    return {
        "region": region,
        "with_it": summary(after),
        "difference": change,
        "nodes_there": taken,
        "reason": reason,
        "assumed": list(assumed),
    }
