"""Where capacity is short and where spare, and what one unit more would save: where the next dollar belongs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from placement.cost import loads
from placement.problem import Problem
from placement.solve.routing import shadow_prices
from placement.worth import capacity_worth
from scheduler.reports.cost import FORMAT, header
from scheduler.reports.gather import Gathered
from scheduler.reports.replay import Hour, Replay, peak_of
from scheduler.reports.window import stamp
from scheduler.summary import worth_summary
from scheduler.usage import NONE

Json = dict[str, Any]


def capacity_report(found: Gathered, replay: Replay) -> Json:
    """Use of every backend over the window and at its peak, the cost of what stood unused, and worth at the peak."""
    peak = peak_of(replay.hours)
    prices = shadow_prices(peak.problem)
    worth = worth_summary(peak.problem, capacity_worth(peak.problem, prices))
    return {
        "format_version": FORMAT,
        "report": "capacity",
        **header(found, replay.about),
        "peak_hour": stamp(peak.starts_s),
        "peak_demand_rps": round(float(peak.problem.external_rps.sum()), 3),
        "backends": _backends(found, peak.problem, replay.hours),
        "pools": [
            {
                "pool": f"{pool.cluster}/{pool.name}",
                "node_type": pool.node_type,
                "purchase": pool.purchase,
                "nodes": pool.nodes,
                "usd_per_node_hour": round(pool.paid_usd, 6),
                "list_usd_per_node_hour": round(pool.list_usd, 6),
                "usd_per_hour": round(pool.nodes * pool.paid_usd, 6),
            }
            for pool in found.rates.pools
        ],
        "worth": worth,
        "next_dollar": _next_dollar(found, worth),
    }


def _backends(found: Gathered, peak: Problem, hours: Sequence[Hour]) -> list[Json]:
    """One row for each backend: mean and peak use, and what its unused replicas cost an hour."""
    fleet = peak.fleet
    used = np.array([loads(hour.problem, hour.routing).utilization(hour.problem.capacity_rps) for hour in hours])
    idle = _idle_usd(found)
    rows = []
    for b in range(len(fleet.backends)):
        service = fleet.services.ids[fleet.backends.service[b]]
        cluster = fleet.clusters.ids[fleet.backends.cluster[b]]
        mean, most = float(np.mean(used[:, b])), float(np.max(used[:, b]))
        rows.append(
            {
                "service": service,
                "cluster": cluster,
                "capacity_rps": round(float(peak.capacity_rps[b]), 3),
                "utilization_mean": round(mean, 6) if np.isfinite(mean) else None,
                "utilization_max": round(most, 6) if np.isfinite(most) else None,
                "unused_usd_per_hour": round(idle.get((service, cluster), 0.0), 6),
            }
        )
    return sorted(rows, key=lambda row: -(row["utilization_max"] or 0.0))


def _idle_usd(found: Gathered) -> dict[tuple[str, str], float]:
    """$/h of replicas that stood by or idle, by (service, cluster)."""
    hours = max(sum(period.hours for period in found.bill.periods), 1e-9)
    rows = found.rows.filter(found.rows["cluster"] != NONE)
    still = (rows["resilience_h"] + rows["idle_h"]) * rows["usd"]
    usd: dict[tuple[str, str], float] = {}
    for service, cluster, amount in zip(rows["service"], rows["cluster"], still, strict=True):
        key = (found.names.service[service], found.names.cluster[cluster])
        usd[key] = usd.get(key, 0.0) + amount / hours
    return usd


def _next_dollar(found: Gathered, worth: Json) -> list[Json]:
    """Pools by what they would save: net of what the node costs, so that above 0 buying one more pays."""
    prices = {f"{pool.cluster}/{pool.node_type}": pool.paid_usd for pool in found.rates.pools}
    return [row | {"usd_per_node_hour": round(prices.get(row["pool"], 0.0), 6)} for row in worth["pools"]]
