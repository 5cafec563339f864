"""Weights of a table in the numbers that a mesh can take: exact where that is possible, else the nearest."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from placement.columns import Floats, Ints

Name = TypeVar("Name", bound=str)


def nearest(wanted: Floats, most: int) -> Ints:
    """(n,) integers of 0..`most` nearest to the ratios of (n,) `wanted`, exact where that is possible.

    Of the `most` choices for the largest weight the one with the smallest largest error of a share; what is above 0
    stays so. With two of them no share is off by more than 1 / (2 most); with more of them by less than that again.
    """
    if not wanted.any():
        return np.zeros(len(wanted), dtype=np.int64)
    largest = np.arange(1, most + 1)[:, None]
    choices = np.maximum(np.rint(largest * (wanted / wanted.max())), wanted > 0)
    shares = choices / choices.sum(axis=1, keepdims=True)
    errors = np.abs(shares - wanted / wanted.sum()).max(axis=1)
    return np.asarray(choices[int(np.argmin(errors > errors.min() + 1e-12))], dtype=np.int64)


def to_unit(weights: Mapping[Name, int], unit: int) -> dict[Name, int]:
    """Weights that add up to `unit`, by largest remainder; none where all are 0."""
    total = sum(weights.values())
    if not total:
        return {}
    floors = {name: weight * unit // total for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: (-(weights[name] * unit % total), name))
    for name in by_remainder[: unit - sum(floors.values())]:
        floors[name] += 1
    return floors


def at_most(weights: Mapping[Name, int], most: int) -> dict[Name, int]:
    """Weights in 1..`most`: divided by what they have in common if that is enough, else the nearest ratios."""
    common = int(np.gcd.reduce(list(weights.values()))) if weights else 1
    reduced = {name: weight // common for name, weight in weights.items()} if common else dict(weights)
    if max(reduced.values(), default=0) <= most:
        return reduced
    found = nearest(np.array([float(weight) for weight in weights.values()]), most)
    return dict(zip(weights, found.tolist(), strict=True))


def largest_error(wanted: Mapping[Name, int], given: Mapping[Name, int]) -> float:
    """The most by which a share differs from the one wanted; 0 where nothing is wanted."""
    all_wanted, all_given = sum(wanted.values()), sum(given.values())
    if not all_wanted or not all_given:
        return 0.0
    return max(abs(given.get(name, 0) / all_given - weight / all_wanted) for name, weight in wanted.items())
