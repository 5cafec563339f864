"""Coverage: how much of the traffic has a failover path that was proved lately, and how.

A path is one flow and one loss that hits it; it weighs what it carries. Columnar, because a fleet has millions.
"""

from dataclasses import dataclass, replace

import numpy as np

from health.drill import Level
from placement.columns import Bools, Floats, Ints, floats, ints, lookup

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Book:
    """What is known of every path. Row i is the path `key[i]`."""

    key: Ints
    """(N,) ascending; which loss and flow that is, knows who made it."""
    weight: Floats
    """(N,) requests/s at stake, times the priority of the service."""
    since_s: Floats
    """(N,) when the path was first there."""
    verified_at_s: Floats
    """(levels, N) when it was last verified at each level; -inf for never."""

    @staticmethod
    def empty() -> "Book":
        """Of no path."""
        none = floats([])
        return Book(ints([]), none, none, floats(np.zeros((len(Level), 0))))

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the paths are verified at one level or a higher one."""

    level: Level
    ratio: float
    """By weight, within the window; 1 where there is nothing to cover."""
    oldest_age_s: float
    """Since the longest unverified path was last verified, or first there; 0 where there is no path."""
    oldest: int
    """Its key; -1 for none."""


def followed(book: Book, key: Ints, weight: Floats, at_s: float) -> Book:
    """The book for the paths that there are now, `key` ascending; what is known of those that stay is kept."""
    row = lookup(book.key, key)
    known, old = row >= 0, np.maximum(row, 0)
    if not len(book):
        fresh = np.full((len(Level), len(key)), -np.inf)
        return Book(ints(key), floats(weight), floats(np.full(len(key), at_s)), floats(fresh))
    return Book(
        key=ints(key),
        weight=floats(weight),
        since_s=floats(np.where(known, book.since_s[old], at_s)),
        verified_at_s=floats(np.where(known, book.verified_at_s[:, old], -np.inf)),
    )


def renamed(book: Book, key: Ints) -> Book:
    """The book under other keys, (N,), for a new fleet; a path whose new key is below 0 is gone."""
    keep = np.flatnonzero(key >= 0)
    order = keep[np.argsort(key[keep], kind="stable")]
    return Book(
        ints(key[order]),
        floats(book.weight[order]),
        floats(book.since_s[order]),
        floats(book.verified_at_s[:, order]),
    )


def verified(book: Book, level: Level, key: Ints, at_s: Floats | float) -> Book:
    """The book after some paths were verified; a path that it does not have is left out, an older time changes nothing.

    `at_s` is one time or one per key.
    """
    row = lookup(book.key, key) if len(book) else np.full(len(key), -1)
    times, known = np.broadcast_to(np.asarray(at_s, dtype=np.float64), (len(key),)), row >= 0
    table = book.verified_at_s.copy()
    table[level, row[known]] = np.maximum(table[level, row[known]], times[known])
    return replace(book, verified_at_s=floats(table))


def last_s(book: Book, level: Level) -> Floats:
    """(N,) when each path was last verified at this level or a higher one: a higher one takes the lower ones in."""
    return np.asarray(book.verified_at_s[level:].max(axis=0, initial=-np.inf), dtype=np.float64)


def coverage(book: Book, level: Level, at_s: float, window_s: float = DAY_S, of: Bools | None = None) -> Coverage:
    """How far `of` (N,) the paths, or all of them, are verified within the window before `at_s`."""
    rows = np.arange(len(book)) if of is None else np.flatnonzero(of)
    if not len(rows):
        return Coverage(level, 1.0, 0.0, -1)
    last = last_s(book, level)[rows]
    weight = book.weight[rows]
    fresh = at_s - last <= window_s
    ratio = float(weight[fresh].sum() / weight.sum()) if weight.sum() > 0 else float(fresh.mean())
    unverified_s = at_s - np.where(np.isfinite(last), last, book.since_s[rows])
    oldest = int(unverified_s.argmax())
    return Coverage(level, ratio, float(max(unverified_s[oldest], 0.0)), int(book.key[rows[oldest]]))
