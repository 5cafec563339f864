"""What is billed for a window: whole units of money by what they are for, before anybody is asked to pay them.

Nodes, disks and load balancers are billed for measured hours only; transfers by the gigabytes of a calendar month
between two regions, from its first gigabyte on. Every amount is rounded once, here: all that follows only splits it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from placement.columns import Floats, Ints, floats
from placement.pricing.brackets import Brackets
from placement.pricing.shares import split, units
from scheduler.reports.rates import Rates

GIGA = 1e9


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of the window that is shown by itself."""

    starts_s: int
    span_s: int
    hours: float
    """That were measured in it."""


@dataclass(frozen=True, slots=True)
class Bill:
    """Units by period and by what they are for; (N,) periods each."""

    periods: tuple[Period, ...]
    nodes: Mapping[str, Ints]
    """By cluster."""
    disks: Mapping[str, Ints]
    balancers: Mapping[str, Ints]
    transfers: Mapping[tuple[str, str], Ints]
    """By (sending, receiving) region."""
    unused: Mapping[str, Ints]
    """By commitment."""
    grams: Mapping[str, Floats]
    """Of CO2 equivalent, by cluster; clusters whose grid or power is unknown are left out."""

    @property
    def units(self) -> int:
        """All of it."""
        parts = (self.nodes, self.disks, self.balancers, self.transfers, self.unused)
        return int(sum(int(amounts.sum()) for part in parts for amounts in part.values()))


Volumes = Mapping[tuple[str, str], Floats]
"""(N,) gigabytes of each period, by (sending, receiving) region."""


def bill_of(
    rates: Rates, periods: tuple[Period, ...], volumes: Volumes, before: Mapping[tuple[str, str, str], float]
) -> Bill:
    """The bill of some periods. `before`: gigabytes of (month, sender, receiver) before the window began."""
    hours = floats([period.hours for period in periods])
    clusters = tuple(rates.providers)
    pools = {name: [pool for pool in rates.pools if pool.cluster == name] for name in clusters}
    known = {name: [pool.grams for pool in found] for name, found in pools.items()}
    return Bill(
        periods=periods,
        nodes={n: _whole(hours * sum(p.nodes * p.paid_usd for p in found)) for n, found in pools.items()},
        disks={n: _whole(hours * sum(p.storage_usd for p in found)) for n, found in pools.items()},
        balancers={name: _whole(hours * usd) for name, usd in rates.balancers.items()},
        transfers={pair: _transfers(rates.egress[pair], pair, periods, gb, before) for pair, gb in volumes.items()},
        unused={name: _whole(hours * usd) for name, usd in rates.unused},
        grams={
            name: floats(np.rint(hours * sum(g for g in grams if g is not None)))
            for name, grams in known.items()
            if None not in grams
        },
    )


def month_of(starts_s: int) -> str:
    """The calendar month (UTC) of a moment, `2026-07`."""
    return datetime.fromtimestamp(starts_s, UTC).strftime("%Y-%m")


def volumes_of(rows: pl.DataFrame, count: int) -> Volumes:
    """Gigabytes by pair and period from rows of (period, sender, receiver, gb)."""
    found: dict[tuple[str, str], Floats] = {}
    for (sender, receiver), part in rows.group_by(["sender", "receiver"], maintain_order=True):
        gb = np.zeros(count)
        np.add.at(gb, part["period"].to_numpy(), part["gb"].to_numpy())
        found[str(sender), str(receiver)] = gb
    return found


def _whole(usd: Floats) -> Ints:
    return units(usd)


def _transfers(
    brackets: Brackets,
    pair: tuple[str, str],
    periods: tuple[Period, ...],
    gb: Floats,
    before: Mapping[tuple[str, str, str], float],
) -> Ints:
    """(N,) units: month by month, the brackets of the whole month shared out by volume."""
    months = np.array([month_of(period.starts_s) for period in periods])
    out = np.zeros(len(periods), dtype=np.int64)
    for month in dict.fromkeys(months.tolist()):
        mine = months == month
        first = before.get((month, *pair), 0.0)
        ends = brackets.cost(floats([first, first + gb[mine].sum()]))
        if gb[mine].sum() > 0:
            out[mine] = split(int(units(float(ends[1] - ends[0]))), gb[mine])
    return out
