"""Who changed what and why, in the ledger, each entry chained to the one before."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from scheduler.ledger import Ledger, chained
from scheduler.summary import Json
from scheduler.tables import AuditRow


@dataclass(frozen=True, slots=True)
class Entry:
    """One change."""

    id: int
    wall_s: float
    who: str
    action: str
    body: Json


class AuditLedger:
    """Appends and reads. Every call raises LedgerDown."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def note(self, who: str, action: str, body: Json) -> None:
        """Append one."""
        wall_s = time.time()
        kept = {"wall_s": wall_s, "who": who, "action": action, **body}
        await self._ledger.transact(lambda session: _append(session, wall_s, who, action, kept))

    async def newest(self, limit: int, before: int | None = None) -> list[Entry]:
        """The newest, or those before an id, newest first."""
        rows = await self._ledger.transact(lambda session: _newest(session, limit, before))
        return [Entry(row.id or 0, row.wall_s, row.who, row.action, dict(row.body)) for row in rows]

    async def verify(self) -> int:
        """Walk the chain; its length."""
        return await self._ledger.transact(self._walk)

    def _walk(self, session: Session) -> int:
        rows = session.exec(select(AuditRow).order_by(col(AuditRow.id)))
        return self._ledger.unbroken(((row.id, row.body, row.previous_hash, row.hash) for row in rows), "audit row")


def _append(session: Session, wall_s: float, who: str, action: str, body: Json) -> None:
    last = session.exec(select(AuditRow).order_by(col(AuditRow.id).desc())).first()
    before = last.hash if last else ""
    row = AuditRow(
        wall_s=wall_s, who=who, action=action, body=body, previous_hash=before, hash=chained(before, body)
    )  # fmt: skip
    session.add(row)


def _newest(session: Session, limit: int, before: int | None) -> Sequence[AuditRow]:
    query = select(AuditRow).order_by(col(AuditRow.id).desc()).limit(limit)
    return session.exec(query if before is None else query.where(col(AuditRow.id) < before)).all()
