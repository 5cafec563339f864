"""Who leads: at most one controller per ledger, each term with a higher epoch that every mesh and the ledger check.

The term is written to the store and nowhere else. A controller that loses it exits and begins anew as a standby; the
meshes keep what they have meanwhile (docs/decisions/011).
"""

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Protocol, TypeVar

from sqlalchemy import Engine, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from scheduler.database import POSTGRESQL, SQLITE, engine_of, now_s
from scheduler.ports import Deposed, LedgerDown
from scheduler.session_lock import Absence, hold
from scheduler.tables import LeaseRow

T = TypeVar("T")
RENEWALS_PER_TERM = 5
"""Four may be lost before another controller may take over."""
LOOKS_PER_TERM = 20
"""How often a standby looks whether the term has run out."""
SILENT_RENEWALS = 1.5
"""A leader whose session has ended is taken for gone when no renewal has followed for so many of their intervals."""


class Lease(Protocol):
    """A claim to lead. Every call raises LedgerDown where the store does not answer."""

    name: str
    """Ours, as others see it."""

    async def take(self) -> int | None:
        """The epoch of a new term of ours; None while another leads."""

    async def holder(self) -> str:
        """Who leads, as far as the store knows; empty for nobody."""

    async def keep(self) -> None:
        """Renew the term for as long as it lasts. Raises Deposed when another leads; else never returns."""

    async def release(self) -> None:
        """Let the next one take over at once."""


class StoreLease:
    """A lease in a database that several controllers share. Its clock decides when a term has run out.

    A leader that is silent for `ttl_s` may be followed by another, and sooner where its session with the database has
    ended too (scheduler.session_lock). One that cannot reach the store keeps trying: only the store's word that there
    is a higher epoch deposes it.
    """

    def __init__(self, url: str, name: str, ttl_s: float) -> None:
        self.name, self.ttl_s, self.epoch = name, ttl_s, 0
        self._engine: Engine = engine_of(url)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lease")
        """Not the ledger's: a long transaction there must not cost us the term."""
        self._absence = Absence(SILENT_RENEWALS * ttl_s / RENEWALS_PER_TERM)

    async def take(self) -> int | None:
        """The epoch of a new term of ours; None while another leads."""
        epoch = await self._run(self._take)
        self.epoch = epoch or self.epoch
        return epoch or None

    async def holder(self) -> str:
        """Who leads by the store's clock."""
        return await self._run(self._holder)

    async def keep(self) -> None:
        """Renew five times in a term. Raises Deposed."""
        while True:
            await asyncio.sleep(self.ttl_s / RENEWALS_PER_TERM)
            with contextlib.suppress(LedgerDown):  # nobody else can begin a term without the store either
                if not await self._run(self._renew):
                    break
        raise Deposed(f"the term of {self.name}, epoch {self.epoch}, is over: another controller leads")

    async def release(self) -> None:
        """Let the term run out now. A second time does nothing."""
        if self.epoch:
            with contextlib.suppress(LedgerDown):  # it runs out by itself
                await self._run(lambda: self._extend(0.0))
        self.epoch = 0
        self.close()

    def close(self) -> None:
        """Give up the connection; the term goes on to its end."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    def _take(self) -> int:
        with Session(self._engine) as session:
            row = session.exec(select(LeaseRow).where(LeaseRow.id == 1)).one()
            seen = row.epoch, row.expires_at_s
            if row.holder and not self._over(session, *seen):
                return 0
            session.refresh(row, with_for_update=True)
            if (row.epoch, row.expires_at_s) != seen:  # somebody was quicker, or the leader lives
                return 0
            epoch = begin_term(session, row, self.name, now_s(session), self.ttl_s)
            session.commit()
            hold(session, epoch)
            session.commit()
        return epoch

    def _over(self, session: Session, epoch: int, expires_at_s: float) -> bool:
        at_s = now_s(session)
        return self._absence.gone(session, epoch, expires_at_s, at_s) or expires_at_s <= at_s

    def _holder(self) -> str:
        with Session(self._engine) as session:
            row = session.get(LeaseRow, 1)
            return row.holder if row is not None and row.expires_at_s > now_s(session) else ""

    def _renew(self) -> bool:
        with Session(self._engine) as session:
            hold(session, self.epoch)
            session.commit()
        return self._extend(self.ttl_s)

    def _extend(self, by_s: float) -> bool:
        with Session(self._engine) as session:
            ours = (col(LeaseRow.id) == 1) & (col(LeaseRow.epoch) == self.epoch)
            done = session.execute(update(LeaseRow).where(ours).values(expires_at_s=now_s(session) + by_s))
            session.commit()
        return bool(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE counts its rows

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work)
        except SQLAlchemyError as error:
            raise LedgerDown(f"lease: {error.__class__.__name__}: {str(error).splitlines()[0]}") from error


class FileLease:
    """A lease on one machine: the kernel's lock on a file beside the ledger, free the moment its holder is gone."""

    def __init__(self, url: str, name: str) -> None:
        self.path, self.name, self.epoch = Path(url.removeprefix(SQLITE) + ".lock"), name, 0
        self._engine: Engine = engine_of(url)
        self._file: IO[str] | None = None

    async def take(self) -> int | None:
        """The epoch of a new term of ours; None while another process holds the lock."""
        return await asyncio.to_thread(self._take)

    async def holder(self) -> str:
        """Who wrote their name into the file last."""
        return (await asyncio.to_thread(self.path.read_text)).strip() if self.path.exists() else ""

    async def keep(self) -> None:
        """The kernel keeps it."""
        await asyncio.Event().wait()

    async def release(self) -> None:
        """Unlock."""
        if self._file is not None:
            self._file.close()
        self._engine.dispose()

    def _take(self) -> int | None:
        try:
            self._file = self._file or self.path.open("a+", encoding="utf-8")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError as error:
            raise LedgerDown(f"{self.path}: {error}") from error
        self._file.truncate(0)
        self._file.write(self.name)
        self._file.flush()
        with Session(self._engine) as session:
            row = session.get(LeaseRow, 1) or LeaseRow(epoch=0, taken_at_s=0.0)
            self.epoch = begin_term(session, row, self.name, time.time(), float("inf"))
            session.commit()
        return self.epoch


def lease_of(url: str, name: str, ttl_s: float) -> "StoreLease | FileLease":
    """The lease that fits a ledger: a database that is shared, or a file on this machine."""
    return StoreLease(url, name, ttl_s) if url.startswith(POSTGRESQL) else FileLease(url, name)


def begin_term(session: Session, row: LeaseRow, name: str, at_s: float, ttl_s: float) -> int:
    """Raise the epoch in the name of its new holder. Nothing is committed."""
    row.epoch, row.taken_at_s = row.epoch + 1, at_s
    row.holder, row.expires_at_s = name, min(at_s + ttl_s, FOR_EVER_S)
    session.add(row)
    return row.epoch


FOR_EVER_S = 253_402_300_799.0
"""The end of the year 9999, for terms that end otherwise."""


async def won(lease: Lease, ttl_s: float, waiting: Callable[[str], None]) -> int:
    """Stand by until the term is ours; returns its epoch. `waiting` is told who leads, or why nobody can know."""
    while True:
        try:
            epoch = await lease.take()
            if epoch is not None:
                return epoch
            waiting(await lease.holder())
        except LedgerDown as down:
            waiting(f"unknown: {down}")
        await asyncio.sleep(ttl_s / LOOKS_PER_TERM)
