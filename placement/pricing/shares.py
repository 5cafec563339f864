"""Whole units of money, split so that the parts add up to the whole exactly."""

import numpy as np

from placement.columns import Bools, Floats, Ints, bools

UNITS_PER_USD = 1_000_000
"""Money in reports is counted in millionths of a dollar: whole numbers, whose sums are exact in any order."""


def units(usd: Floats | float) -> Ints:
    """Dollars as whole units, the nearest."""
    return np.asarray(np.rint(np.asarray(usd, dtype=np.float64) * UNITS_PER_USD), dtype=np.int64)


def split(total: int, weight: Floats) -> Ints:
    """Whole parts of a whole total in proportion to weights of 0 or more; each is within one unit of its share.

    Parts are the steps of the rounded running sum, so they add up to the total whatever the weights are. Without any
    weight nobody can be asked to pay: raises ValueError unless the total is 0.
    """
    running = np.cumsum(weight / np.max(weight, initial=0.0), dtype=np.float64) if np.any(weight) else np.zeros(0)
    if not len(running) or running[-1] <= 0:
        if total:
            raise ValueError(f"{total} units and nobody to pay them")
        return np.zeros(len(weight), dtype=np.int64)
    edges = np.rint(running * (total / running[-1])).astype(np.int64)
    edges[-1] = total
    last = int(np.flatnonzero(np.asarray(weight) > 0)[-1])
    edges[last:] = total
    return np.asarray(np.diff(edges, prepend=0), dtype=np.int64)


def split_groups(group: Ints, totals: Ints, weight: Floats) -> Ints:
    """(N,) the same for many groups at once: row i belongs to `group[i]`, whose rows share `totals[group[i]]`.

    Rows of a group without any weight get 0; what is then left of its total is for the caller to place.
    """
    order = np.argsort(group, kind="stable")
    sums = np.bincount(group, weights=weight, minlength=len(totals)).astype(np.float64)
    running = np.cumsum(weight[order])
    first = np.searchsorted(group[order], np.arange(len(totals)))
    before = np.concatenate([[0.0], running])[first]
    own = group[order]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(sums[own] > 0, (running - before[own]) / np.where(sums[own] > 0, sums[own], 1.0), 0.0)
    edges = np.rint(np.clip(part, 0.0, 1.0) * totals[own]).astype(np.int64)
    start = np.concatenate([[True], own[1:] != own[:-1]]) if len(own) else np.zeros(0, dtype=bool)
    parts = np.diff(edges, prepend=0)
    parts[start] = edges[start]
    parts = parts + _rest(own, totals, edges, bools(weight[order] > 0), sums)
    out = np.empty(len(group), dtype=np.int64)
    out[order] = parts
    return out


def _rest(own: Ints, totals: Ints, edges: Ints, pays: Bools, sums: Floats) -> Ints:
    """What rounding of the running sums left over, for the last row of each group that pays."""
    given = np.zeros(len(totals), dtype=np.int64)
    np.maximum.at(given, own, edges)
    last = np.full(len(totals), -1)
    paying = np.flatnonzero(pays)
    last[own[paying]] = paying
    extra = np.zeros(len(own), dtype=np.int64)
    some = (last >= 0) & (sums > 0)
    extra[last[some]] = (totals - given)[some]
    return extra
