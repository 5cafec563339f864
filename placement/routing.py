"""Shares of every flow over clusters, and the few operations that keep them whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from placement.columns import Floats, Ints, floats, ints, starts
from placement.fleet import Fleet

SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Routing:
    """(F rows x C + 1 columns) compressed sparse rows; column C is SHED. Every row sums to 1.

    Row f is flow f of the fleet. Within a row columns ascend and no share is stored as 0.
    """

    row_start: Ints
    """(F + 1,) where each row begins."""
    column: Ints
    share: Floats
    columns: int
    """C + 1."""
    row: Ints = field(init=False, repr=False, compare=False)
    """(N,) the flow of each stored share."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", np.repeat(np.arange(len(self)), np.diff(self.row_start)))
        assert self.row_start[-1] == len(self.column) == len(self.share), "row_start, column and share disagree"
        assert not len(self.share) or (self.share > 0).all(), "a stored share must be above 0"
        sums = np.add.reduceat(self.share, self.row_start[:-1]) if len(self) else np.ones(0)
        assert np.diff(self.row_start).all(), "a flow without a share: a row must never be empty"
        assert np.abs(sums - 1).max(initial=0) <= SUM_TOLERANCE, "the shares of a flow do not sum to 1"

    def __len__(self) -> int:
        return len(self.row_start) - 1

    def matrix(self) -> csr_array:
        """The same numbers as a SciPy sparse matrix (a copy, so that it can be computed with)."""
        return csr_array(
            (self.share.copy(), self.column.copy(), self.row_start.copy()), shape=(len(self), self.columns)
        )

    def dense(self) -> Floats:
        """(F, C + 1) for small fleets and tests."""
        shares = np.zeros((len(self), self.columns))
        shares[self.row, self.column] = self.share
        return shares


def from_matrix(matrix: csr_array, tiny: float = 1e-9) -> Routing:
    """A routing from sparse shares: clips what is below `tiny` and makes every row sum to exactly 1.

    Raises ValueError for a row without a positive share: an empty row is never a routing.
    """
    matrix = csr_array(matrix)
    matrix.data[~(matrix.data > tiny)] = 0.0
    matrix.eliminate_zeros()
    matrix.sum_duplicates()
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    if (sums <= 0).any():
        raise ValueError(f"flow {int(np.flatnonzero(sums <= 0)[0])} has no share anywhere")
    share = matrix.data / np.repeat(sums, np.diff(matrix.indptr))
    return Routing(ints(matrix.indptr), ints(matrix.indices), floats(share), matrix.shape[1])


def from_triplets(flow: Ints, column: Ints, share: Floats, shape: tuple[int, int]) -> Routing:
    """A routing from (flow, column, share) rows in any order; duplicates add up, the rest is as in `from_matrix`."""
    some = np.flatnonzero(share > 0)
    key, share = flow[some] * shape[1] + column[some], share[some]
    order = np.argsort(key, kind="stable")
    key, share = key[order], share[order]
    first = starts(key)
    if len(first) < len(key):
        share = floats(np.bincount(np.cumsum(np.diff(key, prepend=-1) > 0) - 1, weights=share))
        key = key[first]
    return _whole(key, share, shape)


def _whole(key: Ints, share: Floats, shape: tuple[int, int], tiny: float = 1e-9) -> Routing:
    """A routing from shares under ascending, distinct keys: flow times columns plus column."""
    kept = share > tiny
    key, share = key[kept], share[kept]
    row = key // shape[1]
    count = np.bincount(row, minlength=shape[0])
    start = np.concatenate([[0], np.cumsum(count)])
    if not count.all():
        raise ValueError(f"flow {int(np.flatnonzero(count == 0)[0])} has no share anywhere")
    sums = np.add.reduceat(share, start[:-1]) if len(share) else share
    return Routing(ints(start), ints(key - row * shape[1]), floats(share / np.repeat(sums, count)), shape[1])


def from_dense(shares: Floats) -> Routing:
    """A routing from an (F, C + 1) array."""
    return from_matrix(csr_array(shares))


class Both(NamedTuple):
    """(M,) the shares of two routings side by side, wherever one of them has any; flow by flow, columns ascending."""

    row: Ints
    column: Ints
    old: Floats
    new: Floats


def side_by_side(old: Routing, new: Routing) -> Both:
    """Both routings over the union of their entries."""
    columns = old.columns
    was, becomes = old.row * columns + old.column, new.row * columns + new.column
    if len(was) == len(becomes) and np.array_equal(was, becomes):
        return Both(old.row, old.column, old.share, new.share)
    key = np.union1d(was, becomes)
    left, right = np.zeros(len(key)), np.zeros(len(key))
    left[np.searchsorted(key, was)] = old.share
    right[np.searchsorted(key, becomes)] = new.share
    row = key // columns
    return Both(row, key - row * columns, left, right)


def blend(old: Routing, new: Routing, fraction: float | Floats) -> Routing:
    """`old` moved towards `new`; `fraction` in [0, 1] is one number or one per flow, (F,)."""
    k = np.broadcast_to(np.asarray(fraction, dtype=np.float64), (len(old),))
    both = side_by_side(old, new)
    mixed = both.old * (1 - k)[both.row] + both.new * k[both.row]
    return _whole(both.row * old.columns + both.column, mixed, (len(old), old.columns))


def moved_share(old: Routing, new: Routing) -> Floats:
    """(F,) part of each flow that changes cluster: sum of (new - old)^+, in [0, 1]."""
    both = side_by_side(old, new)
    gained = np.maximum(both.new - both.old, 0.0)
    return np.asarray(np.bincount(both.row, weights=gained, minlength=len(old)), dtype=np.float64)


def left_share(old: Routing, new: Routing) -> Floats:
    """(F,) part of each flow that leaves a cluster: sum of (old - new)^+ without what was refused, which moves nobody
    when it is let in.
    """
    both = side_by_side(old, new)
    gone = np.where(both.column == old.columns - 1, 0.0, np.maximum(both.old - both.new, 0.0))
    return np.asarray(np.bincount(both.row, weights=gone, minlength=len(old)), dtype=np.float64)


class RoutingView(Mapping[str, dict[str, float]]):
    """`view["checkout@eu-west"] -> {"eu-west": 0.75, "us-east": 0.25}`: for people and tests, never for a loop."""

    def __init__(self, fleet: Fleet, routing: Routing) -> None:
        self.fleet, self.routing = fleet, routing
        self.rows = {fleet.flow_name(flow): flow for flow in range(len(routing))}

    def __getitem__(self, name: str) -> dict[str, float]:
        flow = self.rows[name]
        part = slice(self.routing.row_start[flow], self.routing.row_start[flow + 1])
        pairs = zip(self.routing.column[part].tolist(), self.routing.share[part].tolist(), strict=True)
        return {self.fleet.column_name(column): share for column, share in pairs}

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)
