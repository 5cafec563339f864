"""Turns as they are read back: by page, one by one with the weights before and after, and what is known good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlmodel import Session, col, select

from placement.fleet import OriginId
from placement.weights import WeightTable, table_from_content
from scheduler.ledger import Ledger
from scheduler.summary import Json
from scheduler.tables import GoodRow, IntentRow, TurnRow

NO_PUSHES = "{}"
Tables = Mapping[OriginId, WeightTable]


@dataclass(frozen=True, slots=True)
class Kept:
    """A turn of the ledger."""

    row: int
    body: Json

    @property
    def key(self) -> str:
        """`epoch.turn`, by which it is asked for."""
        return f"{self.body['epoch']}.{self.body['turn']}"


@dataclass(frozen=True, slots=True)
class KnownGood:
    """Weights to go back to."""

    id: int
    turn: int
    wall_s: float
    tables: Tables


class TurnLedger:
    """Every call raises LedgerDown."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def page(self, limit: int, before: int | None = None, *, moved: bool = False) -> list[Kept]:
        """The newest, or those before a row, newest first; `moved`: only those that pushed something."""
        return await self._ledger.transact(lambda session: _page(session, limit, before, moved))

    async def one(self, epoch: int, turn: int) -> Kept | None:
        """One turn."""
        query = select(TurnRow).where(TurnRow.epoch == epoch, TurnRow.number == turn)
        row = await self._ledger.transact(lambda session: session.exec(query).first())
        return Kept(row.id or 0, dict(row.body)) if row is not None else None

    async def after(self, epoch: int, turn: int, limit: int) -> list[Kept]:
        """The turns that followed one, oldest first; none where it is not known."""
        return await self._ledger.transact(lambda session: _after(session, epoch, turn, limit))

    async def weights(self, epoch: int, turn: int) -> tuple[Tables, Tables]:
        """What each origin had before the turn, and what the turn meant to give it; only origins that it wrote to."""
        return await self._ledger.transact(lambda session: _weights(session, epoch, turn))

    async def good(self) -> list[KnownGood]:
        """What is known good, newest first."""
        rows = await self._ledger.transact(
            lambda session: session.exec(select(GoodRow).order_by(col(GoodRow.id).desc())).all()
        )
        return [KnownGood(row.id or 0, row.turn, row.wall_s, _tables(row.content)) for row in rows]

    async def since(self, wall_s: float, limit: int) -> list[Json]:
        """Bodies of turns since a time, oldest first, thinned out evenly to about `limit`."""
        return await self._ledger.transact(lambda session: _since(session, wall_s, limit))


def _page(session: Session, limit: int, before: int | None, moved: bool) -> list[Kept]:
    query: Select[Any] = select(TurnRow).order_by(col(TurnRow.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(TurnRow.id) < before)
    if moved:
        query = query.where(col(TurnRow.body)["pushes"].as_string() != NO_PUSHES)
    return [Kept(row.id or 0, dict(row.body)) for row in session.exec(query).all()]  # type: ignore[call-overload]


def _after(session: Session, epoch: int, turn: int, limit: int) -> list[Kept]:
    seen = session.exec(select(TurnRow.id).where(TurnRow.epoch == epoch, TurnRow.number == turn)).first()
    if seen is None:
        return []
    rows = session.exec(select(TurnRow).where(col(TurnRow.id) > seen).order_by(col(TurnRow.id)).limit(limit)).all()
    return [Kept(row.id or 0, dict(row.body)) for row in rows]


def _weights(session: Session, epoch: int, turn: int) -> tuple[Tables, Tables]:
    wrote = session.exec(select(IntentRow).where(IntentRow.epoch == epoch, IntentRow.turn == turn)).all()
    before: dict[OriginId, WeightTable] = {}
    for intent in wrote:
        query = select(IntentRow).where(IntentRow.origin == intent.origin, col(IntentRow.id) < intent.id)
        last = session.exec(query.order_by(col(IntentRow.id).desc())).first()
        if last is not None:
            before[OriginId(last.origin)] = table_from_content(last.content, (last.epoch, last.version))
    after = {OriginId(i.origin): table_from_content(i.content, (i.epoch, i.version)) for i in wrote}
    return before, after


def _since(session: Session, wall_s: float, limit: int) -> list[Json]:
    ids: Sequence[int | None] = session.exec(
        select(TurnRow.id).where(TurnRow.wall_s >= wall_s).order_by(col(TurnRow.id))
    ).all()
    step = max(1, len(ids) // max(limit, 1))
    chosen = ids[::-1][::step][::-1]
    rows = session.exec(select(TurnRow).where(col(TurnRow.id).in_(chosen)).order_by(col(TurnRow.id))).all()
    return [dict(row.body) for row in rows]


def _tables(content: Mapping[str, Any]) -> dict[OriginId, WeightTable]:
    return {OriginId(origin): table_from_content(table, (0, 0)) for origin, table in content.items()}
