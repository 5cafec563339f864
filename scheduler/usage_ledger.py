"""Usage in the ledger: parts of hours as they come, whole days added up, old parts forgotten."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

import sqlalchemy
from sqlmodel import Session, col, select

from scheduler.ledger import Ledger
from scheduler.usage import DAY_S, HOUR_S, Usage, added, packed, unpacked
from scheduler.usage_tables import UsageRow

KEEP_S = 35 * DAY_S
"""Parts of hours older than this are forgotten; their day is kept."""


class UsageLedger:
    """Every call raises LedgerDown."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def write(self, records: list[Usage]) -> None:
        """Keep some records, and add up the days that are over."""
        await self._ledger.transact(lambda session: _write(session, records))

    async def read(self, starts_s: float, ends_s: float, days: bool = True) -> list[Usage]:
        """What lies within a time, oldest first; with `days` whole days as one record where they are added up."""
        return await self._ledger.transact(lambda session: _read(session, starts_s, ends_s, days))

    async def hours(self, starts_s: float, ends_s: float) -> list[int]:
        """The hours within a time that are there by themselves, by their first second, oldest first."""
        return await self._ledger.transact(lambda session: _hours(session, starts_s, ends_s))

    async def extent(self) -> tuple[int, int] | None:
        """Begin of the first and end of the last record; None where there is none."""
        return await self._ledger.transact(_extent)


def _row(record: Usage) -> UsageRow:
    head: dict[str, object] = {"names": {name: list(words) for name, words in record.names.items()}}
    return UsageRow(
        starts_s=record.starts_s,
        span_s=record.span_s,
        covered_s=record.covered_s,
        head=head | {"hours_s": list(record.hours_s)},
        body=packed(record.rows),
    )


def _usage(row: UsageRow) -> Usage:
    head = cast("Mapping[str, Any]", row.head)
    names = {name: tuple(words) for name, words in head["names"].items()}
    return Usage(row.starts_s, row.span_s, row.covered_s, names, unpacked(row.body), tuple(head["hours_s"]))


def _write(session: Session, records: list[Usage]) -> None:
    session.add_all([_row(record) for record in records])
    session.flush()
    newest = max((record.starts_s for record in records), default=0)
    today = newest // DAY_S * DAY_S
    for day in _open_days(session, today):
        parts = _parts(session, day, day + DAY_S)
        session.add(_row(added(parts, day, DAY_S)))
    kept = col(UsageRow.span_s) == HOUR_S
    session.execute(sqlalchemy.delete(UsageRow).where(kept, col(UsageRow.starts_s) < today - KEEP_S))


def _open_days(session: Session, today: int) -> list[int]:
    """Days before today that have parts and are not added up."""
    day = col(UsageRow.starts_s) - col(UsageRow.starts_s) % DAY_S
    whole = set(session.exec(select(UsageRow.starts_s).where(UsageRow.span_s == DAY_S)).all())
    found = session.exec(select(day).where(UsageRow.span_s == HOUR_S, col(UsageRow.starts_s) < today).distinct()).all()
    return sorted(set(found) - whole)


def _parts(session: Session, starts_s: float, ends_s: float) -> list[Usage]:
    within = (col(UsageRow.starts_s) >= starts_s, col(UsageRow.starts_s) < ends_s)
    query = (
        select(UsageRow).where(UsageRow.span_s == HOUR_S, *within).order_by(col(UsageRow.starts_s), col(UsageRow.id))
    )
    return [_usage(row) for row in session.exec(query)]


def _hours(session: Session, starts_s: float, ends_s: float) -> list[int]:
    within = (col(UsageRow.starts_s) >= starts_s, col(UsageRow.starts_s) < ends_s)
    query = select(UsageRow.starts_s).where(UsageRow.span_s == HOUR_S, *within).distinct()
    return sorted(session.exec(query).all())


def _read(session: Session, starts_s: float, ends_s: float, days: bool) -> list[Usage]:
    first, last = -(-int(starts_s) // DAY_S) * DAY_S, int(ends_s) // DAY_S * DAY_S
    if not days or first >= last:
        return _parts(session, starts_s, ends_s)
    within = (col(UsageRow.starts_s) >= first, col(UsageRow.starts_s) < last)
    query = select(UsageRow).where(UsageRow.span_s == DAY_S, *within).order_by(col(UsageRow.starts_s))
    whole = [_usage(row) for row in session.exec(query)]
    known = {record.starts_s for record in whole}
    loose: dict[int, list[Usage]] = defaultdict(list)
    for begin, end in _between(starts_s, ends_s, known):
        for part in _parts(session, begin, end):
            loose[part.starts_s].append(part)
    return sorted([*whole, *(part for parts in loose.values() for part in parts)], key=lambda record: record.starts_s)


def _between(starts_s: float, ends_s: float, whole: set[int]) -> list[tuple[float, float]]:
    """The stretches of a time that no whole day covers."""
    edges = [(day, day + DAY_S) for day in sorted(whole)]
    begins = [starts_s, *(end for _, end in edges)]
    ends = [*(begin for begin, _ in edges), ends_s]
    return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]


def _extent(session: Session) -> tuple[int, int] | None:
    ends = sqlalchemy.func.max(col(UsageRow.starts_s) + col(UsageRow.span_s))
    first, last = session.exec(select(sqlalchemy.func.min(UsageRow.starts_s), ends)).one()
    return None if first is None else (int(first), int(last))
