"""Read-only NumPy columns: what every big value in this package is made of."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def floats(values: ArrayLike) -> Floats:
    """A float64 column of its own that nobody can write to."""
    column = np.array(values, dtype=np.float64)
    column.setflags(write=False)
    return column


def ints(values: ArrayLike) -> Ints:
    """An int64 column of its own that nobody can write to."""
    column = np.array(values, dtype=np.int64)
    column.setflags(write=False)
    return column


def bools(values: ArrayLike) -> Bools:
    """A boolean column of its own that nobody can write to."""
    column = np.array(values, dtype=np.bool_)
    column.setflags(write=False)
    return column


def frozen(column: Floats) -> Floats:
    """The column itself, that nobody can write to from now on: for one that its maker alone holds."""
    column.setflags(write=False)
    return column


def index_of(names: Iterable[str]) -> dict[str, int]:
    """Row number of each name."""
    return {name: row for row, name in enumerate(names)}


def starts(keys: Ints) -> Ints:
    """Where each run of equal keys begins."""
    begins = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def lookup(keys: Ints, wanted: Ints) -> Ints:
    """Row of each `wanted` in the sorted, distinct `keys`, -1 where it is absent."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    row = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[row] == wanted, row, -1)


def check_numbers(name: str, column: Floats, *, infinite: bool = False) -> None:
    """Raises ValueError that names the first entry which is NaN, negative or, unless it may be, infinite."""
    good = column >= 0
    if not infinite:
        good = good & np.isfinite(column)
    if not good.all():
        row = tuple(int(axis[0]) for axis in np.nonzero(~good))
        limit = "a number of 0 or more" if infinite else "a finite number of 0 or more"
        raise ValueError(f"{name}[{', '.join(map(str, row))}] is {column[row]:g}: must be {limit}")
