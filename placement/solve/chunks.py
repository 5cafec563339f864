"""A program that falls apart is solved in parts: simplex takes more than twice as long for twice the size."""

from collections.abc import Iterator

import numpy as np

from placement.columns import Ints
from placement.solve.linear import LinearProgram, Solution, solve_decoupled


def chunk_of(label: Ints, size: Ints, chunk: int) -> Ints:
    """(n,) chunk of each member of the sets that `label` numbers: whole sets in order, about `chunk` in size each."""
    total = np.bincount(label, weights=size)
    start = np.cumsum(total) - total
    return np.asarray((start // chunk).astype(np.int64)[label], dtype=np.int64)


def solve_chunks(program: LinearProgram, row_chunk: Ints, column_chunk: Ints) -> Solution:
    """The optimum of a program none of whose columns reaches a row of another chunk. Raises Unsolved.

    With the price of every row, unless GLOP gave up on a chunk and HiGHS had to find its optimum.
    """
    x, price = np.zeros(len(program.cost)), np.zeros(len(program.row_lower))
    objective, priced = 0.0, True
    for rows, columns, part in _parts(program, row_chunk, column_chunk):
        assert part.matrix.shape == (len(rows), len(columns)), "rows and columns of a chunk"
        found = solve_decoupled(part)
        x[columns] = found.x
        objective += found.objective
        if found.row_price is None:
            priced = False
        else:
            price[rows] = found.row_price
    return Solution(x, objective, price if priced else None)


def _parts(program: LinearProgram, row_chunk: Ints, column_chunk: Ints) -> Iterator[tuple[Ints, Ints, LinearProgram]]:
    """(rows, columns, program) of each chunk, all slices of one sorted copy."""
    rows, columns = (np.argsort(chunk, kind="stable") for chunk in (row_chunk, column_chunk))
    many = int(max(row_chunk.max(initial=0), column_chunk.max(initial=0))) + 1
    if many == 1:
        yield rows, columns, program
        return
    row_end = np.searchsorted(row_chunk[rows], np.arange(many + 1))
    column_end = np.searchsorted(column_chunk[columns], np.arange(many + 1))
    matrix = program.matrix[rows].tocsc()[:, columns].tocsr()
    for k in range(many):
        r, c = slice(row_end[k], row_end[k + 1]), slice(column_end[k], column_end[k + 1])
        mine, theirs = rows[r], columns[c]
        yield (
            mine,
            theirs,
            LinearProgram(
                program.cost[theirs],
                matrix[r, c],
                program.row_lower[mine],
                program.row_upper[mine],
                program.lower[theirs],
                program.upper[theirs],
            ),
        )
