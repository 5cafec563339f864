"""The write-ahead record: intents before they are pushed, turns after, hash-chained. One writer thread.

On SQLite for one controller, on PostgreSQL for several. Every write checks the epoch of its term: once another
controller leads, the store takes nothing more from this one.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from placement.fleet import OriginId
from placement.trial import RING
from placement.weights import WeightTable, table_from_content
from scheduler.database import POSTGRESQL, Encoded, engine_of, migrate
from scheduler.lease import begin_term
from scheduler.ports import Deposed, LedgerDown
from scheduler.summary import turn_summary
from scheduler.tables import DeedsRow, GoodRow, IntentRow, LeaseRow, SwitchRow, TurnRow
from scheduler.turn import Turn

T = TypeVar("T")
INTENT_TIMEOUT_S, INTENT_EACH_S = 1.0, 0.001
"""An evacuation does not wait longer than this, and a little for each table (a thousand are megabytes), for a database
that others may be holding up."""


class Ledger:
    """An open ledger. Every call runs on one thread of its own; whatever the database says comes out as LedgerDown."""

    def __init__(self, url: str, readonly: bool = False) -> None:
        self.url = url
        self.last_hash = ""
        self.epoch = 0
        """Of the term whose leader writes; 0 for those who write beside the loop."""
        self._engine = engine_of(url, readonly)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    async def open(self) -> int:
        """Migrate to the newest schema and lead, whoever did before; returns the epoch. For those who are alone."""
        await self.migrate()
        await self.lead(await self.begin(""))
        return self.epoch

    async def begin(self, holder: str) -> int:
        """Begin a term, whoever led before; returns its epoch. For those who know otherwise that they lead."""
        return await self._run(lambda: self._depose(holder))

    async def migrate(self) -> None:
        """Bring the schema to the newest revision."""
        await self._run(lambda: migrate(self.url))

    async def lead(self, epoch: int) -> None:
        """Write in the term of `epoch` from now on, at the end of the chain."""
        self.epoch = epoch
        self.last_hash = await self._run(self._newest_hash)

    async def tables(self) -> dict[OriginId, WeightTable]:
        """The newest intent of every origin: what the meshes were last given."""
        return await self._run(self._tables)

    async def good(self) -> dict[OriginId, WeightTable]:
        """The newest weights that are known good; empty where none are."""
        return await self._run(self._good)

    async def deeds(self) -> dict[str, Any]:
        """What the last controller did, as scheduler.deeds writes it; empty where it did nothing."""
        return await self._run(lambda: self._transact(_deeds))

    async def intend(self, turn: int, tables: Mapping[OriginId, WeightTable]) -> None:
        """Durable before any of them is written to a mesh."""
        found = await asyncio.to_thread(lambda: [_intent(turn, *named) for named in tables.items()])
        within_s = INTENT_TIMEOUT_S + INTENT_EACH_S * len(found)
        try:
            async with asyncio.timeout(within_s):
                await self._run(lambda: self._transact(lambda session: session.execute(insert(IntentRow), found)))
        except TimeoutError:
            raise LedgerDown(f"{self.url}: no answer within {within_s:g} s") from None

    async def record(self, turn: Turn) -> dict[str, Any]:
        """Append the finished turn to the chain; returns what was written of it."""
        return await self._run(lambda: self._append(turn))

    async def switch(self, name: str) -> str | None:
        """The newest value of a switch, None where it was never set."""
        return await self._run(lambda: self._switch(name))

    async def switches(self, prefix: str) -> dict[str, tuple[str, str]]:
        """(value, reason) of every switch whose name begins so, as last set."""
        return await self._run(lambda: self._transact(lambda session: _switches(session, prefix)))

    async def set_switch(self, name: str, value: str, reason: str) -> None:
        """Remember a switch over restarts."""
        await self._run(lambda: self._add(SwitchRow(name=name, value=value, reason=reason, wall_s=time.time())))

    async def turns(self, limit: int) -> list[TurnRow]:
        """The newest turns, newest first."""
        return await self._run(lambda: self._turns(limit))

    async def verify(self) -> int:
        """Walk the whole chain; returns its length. Raises LedgerDown naming the first row that does not fit."""
        return await self._run(self._verify)

    async def transact(self, work: Callable[[Session], T]) -> T:
        """The result of `work` in a transaction of its own: for records that are not the loop's."""
        return await self._run(lambda: self._transact(work))

    def close(self) -> None:
        """Finish what is queued and close the file."""
        self._writer.shutdown(wait=True)
        self._engine.dispose()

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writer, work)
        except SQLAlchemyError as error:
            raise LedgerDown(f"{self.url}: {error.__class__.__name__}: {str(error).splitlines()[0]}") from error

    def _depose(self, holder: str) -> int:
        with Session(self._engine) as session:
            row = session.get(LeaseRow, 1, with_for_update=True) or LeaseRow(epoch=0, taken_at_s=0.0)
            epoch = begin_term(session, row, holder, time.time(), 0.0)
            session.commit()
        return epoch

    def _newest_hash(self) -> str:
        with Session(self._engine) as session:
            return session.exec(select(TurnRow.hash).order_by(col(TurnRow.id).desc())).first() or ""

    def _fence(self, session: Session) -> None:
        """Hold the lease row as it is until the end of the transaction. Raises Deposed for a term that is over."""
        if not self.epoch:
            return
        query = select(LeaseRow.epoch, LeaseRow.holder).where(LeaseRow.id == 1)
        if session.get_bind().dialect.name == POSTGRESQL:
            query = query.with_for_update(read=True)
        epoch, holder = session.exec(query).one()
        if epoch != self.epoch:
            raise Deposed(
                f"{self.url}: {holder or 'another controller'} leads with epoch {epoch}, ours was {self.epoch}"
            )

    def _tables(self) -> dict[OriginId, WeightTable]:
        newest = select(sqlalchemy.func.max(col(IntentRow.id))).group_by(col(IntentRow.origin))
        with Session(self._engine) as session:
            rows = session.exec(select(IntentRow).where(col(IntentRow.id).in_(newest))).all()
            return {OriginId(r.origin): table_from_content(r.content, (r.epoch, r.version)) for r in rows}

    def _transact(self, work: Callable[[Session], T]) -> T:
        with Session(self._engine, expire_on_commit=False) as session:
            self._fence(session)
            result = work(session)
            session.commit()
        return result

    def _good(self) -> dict[OriginId, WeightTable]:
        with Session(self._engine) as session:
            row = session.exec(select(GoodRow).order_by(col(GoodRow.id).desc())).first()
            content: dict[str, Any] = row.content if row else {}
            return {OriginId(origin): table_from_content(table, (0, 0)) for origin, table in content.items()}

    def _add(self, *rows: IntentRow | SwitchRow) -> None:
        with Session(self._engine) as session:
            self._fence(session)
            session.add_all(rows)
            session.commit()

    def _append(self, turn: Turn) -> dict[str, Any]:
        body = turn_summary(turn)
        digest = chained(self.last_hash, body)
        row = TurnRow(
            number=turn.number,
            epoch=turn.epoch,
            wall_s=turn.wall_s,
            body=body,
            previous_hash=self.last_hash,
            hash=digest,
        )
        with Session(self._engine) as session:
            self._fence(session)
            session.add(row)
            if turn.deeds is not None:
                session.merge(DeedsRow(wall_s=turn.wall_s, content=turn.deeds))
            if turn.good is not None:
                members = ", ".join(f"{json.dumps(str(origin))}: {t.text()}" for origin, t in turn.good.items())
                good = {"turn": turn.number, "wall_s": turn.wall_s, "content": Encoded(f"{{{members}}}")}
                session.execute(insert(GoodRow), [good])
                session.flush()
                newest = select(GoodRow.id).order_by(col(GoodRow.id).desc()).limit(RING)
                session.execute(sqlalchemy.delete(GoodRow).where(col(GoodRow.id).not_in(newest)))
            session.commit()
        self.last_hash = digest
        return body

    def _switch(self, name: str) -> str | None:
        with Session(self._engine) as session:
            query = select(SwitchRow).where(SwitchRow.name == name).order_by(col(SwitchRow.id).desc())
            row = session.exec(query).first()
            return row.value if row else None

    def _turns(self, limit: int) -> list[TurnRow]:
        with Session(self._engine, expire_on_commit=False) as session:
            return list(session.exec(select(TurnRow).order_by(col(TurnRow.id).desc()).limit(limit)).all())

    def _verify(self) -> int:
        with Session(self._engine) as session:
            rows = session.exec(select(TurnRow).order_by(col(TurnRow.id)))
            return self.unbroken(((row.id, row.body, row.previous_hash, row.hash) for row in rows), "turn")

    def unbroken(self, rows: Iterable[tuple[int | None, dict[str, object], str, str]], what: str) -> int:
        """The length of a chain of (id, body, previous hash, hash). Raises LedgerDown naming the first misfit."""
        last, length = "", 0
        for number, body, previous, digest in rows:
            if previous != last or digest != chained(last, body):
                raise LedgerDown(f"{self.url}: the chain of {what}s breaks at row {number}")
            last, length = digest, length + 1
        return length


def _intent(turn: int, origin: OriginId, table: WeightTable) -> dict[str, object]:
    """A row of IntentRow: a thousand meshes are megabytes, which are encoded once and by nobody again."""
    text = Encoded(table.text())
    fence = {"epoch": table.epoch, "version": table.version}
    return {"turn": turn, "origin": origin, "digest": table.digest(text), "content": text, **fence}


def _switches(session: Session, prefix: str) -> dict[str, tuple[str, str]]:
    rows = session.exec(select(SwitchRow).where(col(SwitchRow.name).startswith(prefix)).order_by(col(SwitchRow.id)))
    return {row.name: (row.value, row.reason) for row in rows}


def _deeds(session: Session) -> dict[str, Any]:
    row = session.get(DeedsRow, 1)
    return dict(row.content) if row else {}


def chained(previous_hash: str, body: dict[str, object]) -> str:
    """SHA-256 of a turn's body and of the hash before it."""
    return hashlib.sha256((previous_hash + json.dumps(body, sort_keys=True)).encode()).hexdigest()
