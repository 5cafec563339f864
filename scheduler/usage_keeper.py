"""Keeps the meter's records while a controller runs: off the loop's path, and again later when the ledger is down."""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import structlog

from scheduler.ledger import Ledger
from scheduler.metering import Meter
from scheduler.ports import LedgerDown
from scheduler.state import State
from scheduler.turn import Turn
from scheduler.usage import Usage
from scheduler.usage_ledger import UsageLedger

log = structlog.get_logger()
LOOK_S = 1.0
WAITING_MAX = 600
"""Records that wait for a ledger that is down: two days of them; then the oldest are lost, and show as a gap."""


class UsageKeeper:
    """`hear` every turn; `run` writes what is complete."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.meter = UsageLedger(ledger), Meter()
        self.waiting: deque[Usage] = deque(maxlen=WAITING_MAX)
        self._failed = False
        self._writing: asyncio.Task[None] | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meter")

    def hear(self, state: State, turn: Turn) -> None:
        """Take a turn, on a thread: of a thousand meshes it is a tenth of a second of arithmetic."""
        self._worker.submit(self._add, state, turn)

    def _add(self, state: State, turn: Turn) -> None:
        try:
            self.waiting.extend(self.meter.hear(state, turn))
        except Exception as fault:
            log.critical("a turn was not metered", turn=turn.number, error=repr(fault))
            raise

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, after what is being written: no record twice. Who gives up waiting does not end a write."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})
        self._writing = asyncio.create_task(self._write())
        await asyncio.shield(self._writing)

    async def _write(self) -> None:
        records = [self.waiting.popleft() for _ in range(len(self.waiting))]
        if not records:
            return
        try:
            await self.ledger.write(records)
        except LedgerDown as down:
            self.waiting.extendleft(reversed(records[max(len(records) + len(self.waiting) - WAITING_MAX, 0) :]))
            if not self._failed:
                log.warning("usage not written", waiting=len(self.waiting), error=str(down))
            self._failed = True
        else:
            self._failed = False

    async def close(self) -> None:
        """Write the hour so far too."""
        await asyncio.to_thread(self._worker.shutdown)
        self.waiting.extend(self.meter.close())
        await self.flush()
