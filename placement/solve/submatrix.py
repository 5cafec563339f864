"""Some columns of a sparse program and the rows they reach, cut out in time linear in what is cut."""

from typing import Any

import numpy as np
from numba import njit
from scipy.sparse import csc_matrix, csr_matrix

from placement.columns import Floats, Ints, ints


class Members:
    """Which places of a column of owners belong to each owner: a few owners' places without a look at the others'."""

    def __init__(self, owner: Ints, owners: int) -> None:
        self.order = ints(np.argsort(owner, kind="stable"))
        self.first = ints(np.searchsorted(owner[self.order], np.arange(owners + 1)))

    def of(self, some: Ints) -> Ints:
        """The places of some owners, ascending."""
        return np.asarray(np.sort(_ranges(self.order, self.first, some)))


def cut(matrix: csc_matrix, columns: Ints) -> tuple[Ints, csr_matrix]:
    """(rows that columns reach, ascending; the matrix of those rows and columns)."""
    rows, first, index, value = _cut(matrix.indptr, matrix.indices, matrix.data, columns, matrix.shape[0])
    return rows, csr_matrix((value, index, first), shape=(len(rows), len(columns)))


@njit(cache=True, nogil=True)
def _ranges(order: Ints, first: Ints, some: Ints) -> Ints:
    total = 0
    for owner in some:
        total += first[owner + 1] - first[owner]
    out = np.empty(total, dtype=np.int64)
    at = 0
    for owner in some:
        for k in range(first[owner], first[owner + 1]):
            out[at] = order[k]
            at += 1
    return out


@njit(cache=True, nogil=True)
def _cut(start: Any, row_of: Any, data: Floats, columns: Ints, height: int) -> tuple[Any, Any, Any, Floats]:
    """(rows, indptr, indices, data) of the matrix, row by row."""
    entries = 0
    for column in columns:
        entries += start[column + 1] - start[column]
    count, seen, here = np.zeros(height, dtype=np.int32), np.empty(entries, dtype=np.int64), 0
    for column in columns:
        for k in range(start[column], start[column + 1]):
            if count[row_of[k]] == 0:
                seen[here] = row_of[k]
                here += 1
            count[row_of[k]] += 1
    rows, first = np.sort(seen[:here]), np.zeros(here + 1, dtype=np.int32)
    for place in range(here):
        first[place + 1] = first[place] + count[rows[place]]
        count[rows[place]] = first[place]
    index, value = np.empty(entries, dtype=np.int32), np.empty(entries)
    for i in range(len(columns)):
        for k in range(start[columns[i]], start[columns[i] + 1]):
            to = count[row_of[k]]
            index[to], value[to] = i, data[k]
            count[row_of[k]] = to + 1
    return rows, first, index, value
