"""Overrides in the ledger: what is in force survives a restart, what ended stays to be read."""

from dataclasses import asdict

from sqlmodel import Session, col, select

from scheduler.ledger import Ledger
from scheduler.orders import Kind, Override
from scheduler.tables import OverrideRow

SHOWN = 200


class OverrideLedger:
    """Every call raises LedgerDown."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def keep(self, override: Override) -> None:
        """Write it down, new or changed."""
        fields = asdict(override) | {"kind": str(override.kind)}
        await self._ledger.transact(lambda session: session.merge(OverrideRow(**fields)) and None)

    async def in_force(self, wall_s: float) -> tuple[Override, ...]:
        """All that have not ended, oldest first."""
        query = select(OverrideRow).where(OverrideRow.expires_wall_s > wall_s).order_by(col(OverrideRow.made_wall_s))
        rows = await self._ledger.transact(lambda session: session.exec(query).all())
        return tuple(_override(row) for row in rows)

    async def newest(self) -> tuple[Override, ...]:
        """The newest, ended or not, newest first."""
        query = select(OverrideRow).order_by(col(OverrideRow.made_wall_s).desc()).limit(SHOWN)
        rows = await self._ledger.transact(lambda session: session.exec(query).all())
        return tuple(_override(row) for row in rows)

    async def count(self) -> int:
        """How many there ever were, for the next id."""
        return await self._ledger.transact(_count)


def _count(session: Session) -> int:
    return len(session.exec(select(OverrideRow.id)).all())


def _override(row: OverrideRow) -> Override:
    return Override(
        id=row.id,
        kind=Kind(row.kind),
        service=row.service,
        origin=row.origin,
        cluster=row.cluster,
        ratio=row.ratio,
        reason=row.reason,
        by=row.by,
        made_wall_s=row.made_wall_s,
        expires_wall_s=row.expires_wall_s,
        revision=row.revision,
    )
