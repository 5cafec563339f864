"""Demand to plan for, month by month, as factors on what the documents expect: given, or learnt from a history."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.configuration import Configuration
from config.distances import region_of
from placement.columns import Floats, floats
from placement.growth import Growth

Key = tuple[str, str]
"""(service, origin)"""
DAYS_PER_MONTH = 30
DEVIATIONS = 1.2816
"""Of the 10th and the 90th percentile of a normal law."""
SCENARIOS = (("low", -DEVIATIONS, 0.25), ("base", 0.0, 0.5), ("high", DEVIATIONS, 0.25))
"""(name, standard deviations, probability)"""


@dataclass(frozen=True, slots=True)
class Demand:
    """Factors on what the documents expect, by month from now; (months,) for each key and scenario."""

    factors: Mapping[str, Mapping[Key, Floats]]
    """By scenario."""
    growth: tuple[tuple[str, str, float], ...]
    """(service, origin or region, ratio a year)"""

    def month(self, scenario: str, month: int) -> dict[Key, float]:
        """The factors of one month, counted from 0."""
        return {key: float(values[month]) for key, values in self.factors[scenario].items()}


def demand_given(documents: Configuration, growth: Mapping[str, float], months: int) -> Demand:
    """Growth a year that somebody gives: by `service@origin`, `service@region`, `service`, `@origin`, `@region`, or ``.

    The first of these that is given counts, the last one for all the others. Low and high are half and one and a half
    of it. Raises ValueError for a key that is of no service, origin or region.
    """
    where = regions_of(documents)
    keys = [(s, o.name) for o in documents.origins for s in o.spec.expected_rps]
    _known(growth, {s.name for s in documents.services}, {*where, *where.values()})
    rates = {(s, o): _rate(growth, s, o, where[o]) for s, o in keys}
    years = (1 + np.arange(months)) / 12
    made = {
        name: {key: floats((1 + rate * part) ** years) for key, rate in rates.items()}
        for name, part in (("low", 0.5), ("base", 1.0), ("high", 1.5))
    }
    return Demand(made, tuple((s, o, rate) for (s, o), rate in rates.items()))


def _rate(growth: Mapping[str, float], service: str, origin: str, region: str) -> float:
    keys = (f"{service}@{origin}", f"{service}@{region}", service, f"@{origin}", f"@{region}", "")
    return next((growth[key] for key in keys if key in growth), 0.0)


def _known(growth: Mapping[str, float], services: set[str], places: set[str]) -> None:
    for key in growth:
        service, _, place = key.partition("@")
        if (service and service not in services) or (place and place not in places):
            what = ", ".join(sorted(services)), ", ".join(sorted(places))
            raise ValueError(f"growth of {key!r}: services are {what[0]}; origins and regions {what[1]}")


def regions_of(documents: Configuration) -> dict[str, str]:
    """By origin."""
    clusters = documents.cluster_by_name()
    return {origin.name: region_of(origin, clusters) for origin in documents.origins}


def demand_learnt(
    documents: Configuration, growth: Growth, keys: tuple[Key, ...], now_rps: Floats, months: int
) -> Demand:
    """What a history says: each month's busiest day over the mean of the last four weeks.

    `keys` are of (service, origin); where a history is by region, its origins grow alike.
    """
    ahead, where = months * DAYS_PER_MONTH, regions_of(documents)
    made: dict[str, dict[Key, Floats]] = {}
    for name, deviations, _ in SCENARIOS:
        days = growth.quantile(ahead, deviations).reshape(months, DAYS_PER_MONTH, len(keys))
        busiest = days.max(axis=1) / np.maximum(now_rps, 1e-9)
        of = {key: floats(busiest[:, column]) for column, key in enumerate(keys)}
        alike = {(s, o): f for (s, place), f in of.items() for o, region in where.items() if region == place}
        made[name] = alike | of
    pace = growth.growth_ratio_per_year().tolist()
    return Demand(made, tuple((s, o, rate) for (s, o), rate in zip(keys, pace, strict=True)))


def growth_rows(documents: Configuration, demand: Demand) -> list[dict[str, Any]]:
    """By service and region: what is expected now and in the last month, requests/s, and growth a year, by requests."""
    where, sums = regions_of(documents), dict[Key, list[float]]()
    pace = {(service, place): rate for service, place, rate in demand.growth}
    for origin in documents.origins:
        for service, rps in origin.spec.expected_rps.items():
            row = sums.setdefault((service, where[origin.name]), [0.0] * 5)
            row[0] += rps
            row[4] += rps * pace.get((service, origin.name), pace.get((service, where[origin.name]), 0.0))
            for at, name in enumerate(("low", "base", "high"), 1):
                factor = demand.factors[name].get((service, origin.name))
                row[at] += rps * (1.0 if factor is None else float(factor[-1]))
    return [
        {
            "service": service,
            "region": region,
            "rps": round(now, 3),
            "rps_last_month": {"low": round(low, 3), "base": round(base, 3), "high": round(high, 3)},
            "ratio_per_year": round(rate / now, 6) if now > 0 else None,
        }
        for (service, region), (now, low, base, high, rate) in sorted(sums.items())
    ]
