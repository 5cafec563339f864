"""What was used, as columns: replica-hours and requests by service, origin and cluster. No money: prices come later.

A record is Arrow IPC of the columns below, with names by code beside it. Records of one hour add up; a day's are added
up to one when the day is over. What nobody measured is in no record: `covered_s` says how much was.
"""

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from placement.columns import Floats, Ints

if TYPE_CHECKING:  # half a second of a processor, and the first record is minutes away when a controller starts
    import polars as pl

HOUR_S, DAY_S = 3_600, 86_400
NAMES = ("service", "origin", "cluster")
QUANTITIES = ("requests", "refused", "used_h", "resilience_h", "idle_h")
"""Requests served and refused; replica-hours by what they were for. Rows without origin are what nobody used."""
NONE = -1
"""Code of no origin and, for refused requests, of no cluster."""


@dataclass(frozen=True, slots=True)
class Usage:
    """A stretch of time."""

    starts_s: int
    span_s: int
    covered_s: float
    names: dict[str, tuple[str, ...]]
    """By column of NAMES."""
    rows: "pl.DataFrame"
    """NAMES as Int32 codes, QUANTITIES as Float64."""
    hours_s: tuple[float, ...] = ()
    """Of a day, the covered seconds of each of its 24 hours."""


def packed(rows: "pl.DataFrame") -> bytes:
    """The columns as Arrow IPC."""
    buffer = io.BytesIO()
    rows.write_ipc(buffer, compression="lz4")
    return buffer.getvalue()


def unpacked(body: bytes) -> "pl.DataFrame":
    """The columns again."""
    import polars as pl  # noqa: PLC0415  as above

    return pl.read_ipc(io.BytesIO(body))


def frame(codes: dict[str, Ints], quantities: dict[str, Floats]) -> "pl.DataFrame":
    """Rows from columns; quantities that are not given are 0."""
    import polars as pl  # noqa: PLC0415  as above

    size = len(next(iter(codes.values())))
    columns: dict[str, pl.Series] = {name: pl.Series(name, codes[name], dtype=pl.Int32) for name in NAMES}
    for name in QUANTITIES:
        columns[name] = pl.Series(name, quantities.get(name, np.zeros(size)), dtype=pl.Float64)
    return pl.DataFrame(columns)


def recoded(usage: Usage, names: dict[str, dict[str, int]]) -> "pl.DataFrame":
    """The rows in codes of all records together; `names` learns what it does not know yet."""
    import polars as pl  # noqa: PLC0415  as above

    columns = []
    for name in NAMES:
        known = names[name]
        codes = np.array([known.setdefault(word, len(known)) for word in usage.names[name]] + [NONE], dtype=np.int32)
        columns.append(pl.Series(name, codes[usage.rows[name].to_numpy()]))
    return usage.rows.with_columns(columns)


def added(records: list[Usage], starts_s: int, span_s: int) -> Usage:
    """Records of the same stretch as one."""
    import polars as pl  # noqa: PLC0415  as above

    names: dict[str, dict[str, int]] = {name: {} for name in NAMES}
    together = pl.concat([recoded(record, names) for record in records])
    rows = together.group_by(NAMES).agg(pl.col(QUANTITIES).sum()).sort(NAMES)
    hours = np.zeros(24)
    for record in records:
        hours[record.starts_s % DAY_S // HOUR_S] += record.covered_s
    covered = float(sum(record.covered_s for record in records))
    listed = {name: tuple(names[name]) for name in NAMES}
    return Usage(starts_s, span_s, covered, listed, rows, tuple(hours.tolist()) if span_s == DAY_S else ())


def shifted(usage: Usage, by_s: int) -> Usage:
    """The same at another time."""
    return replace(usage, starts_s=usage.starts_s + by_s)
