"""Records of the meter reach the ledger once, whoever writes when, and whatever is down meanwhile."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scheduler.ledger import Ledger
from scheduler.ports import LedgerDown
from scheduler.usage import HOUR_S
from scheduler.usage_keeper import WAITING_MAX, UsageKeeper
from tests.scheduler.reports.fleets import BEGIN_S, documents, drawn


class Gate(Ledger):
    """A ledger that writes when it is let, and may be down."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked, self.open, self.down = asyncio.Event(), asyncio.Event(), False

    async def transact(self, work: Callable[..., Any]) -> Any:
        self.asked.set()
        await self.open.wait()
        if self.down:
            raise LedgerDown("away")
        return await super().transact(work)


async def started(tmp_path: Path, hours: int) -> tuple[Gate, UsageKeeper]:
    """With some hours that wait."""
    ledger = Gate(f"sqlite:///{tmp_path}/l.db")
    await ledger.migrate()
    keeper, configuration = UsageKeeper(ledger), documents()
    keeper.waiting.extend(drawn(configuration, 1, hour) for hour in range(hours))
    return ledger, keeper


async def written(keeper: UsageKeeper) -> list[int]:
    """The hours in the ledger."""
    found = await keeper.ledger.read(BEGIN_S, BEGIN_S + 1_000 * HOUR_S, days=False)
    return [(record.starts_s - BEGIN_S) // HOUR_S for record in found]


async def test_flush_while_another_one_writes_writes_nothing_twice(tmp_path: Path) -> None:
    ledger, keeper = await started(tmp_path, 3)
    first = asyncio.create_task(keeper.flush())
    await ledger.asked.wait()
    last = asyncio.create_task(keeper.close())
    ledger.open.set()

    await asyncio.gather(first, last)

    assert await written(keeper) == [0, 1, 2]
    ledger.close()


async def test_flush_that_is_cancelled_while_it_writes_loses_nothing_and_writes_nothing_twice(tmp_path: Path) -> None:
    ledger, keeper = await started(tmp_path, 3)
    cut = asyncio.create_task(keeper.flush())
    await ledger.asked.wait()
    cut.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut
    ledger.open.set()

    await keeper.close()

    assert await written(keeper) == [0, 1, 2]
    ledger.close()


async def test_flush_when_the_ledger_is_down_keeps_the_newest_until_it_is_back(tmp_path: Path) -> None:
    ledger, keeper = await started(tmp_path, 3)
    keeper.waiting.extend(list(keeper.waiting) * (WAITING_MAX // 3 - 2))
    ledger.open.set()
    ledger.down = True
    writing = asyncio.create_task(keeper.flush())
    newer = [drawn(documents(), 1, hour) for hour in range(10, 16)]
    await ledger.asked.wait()
    keeper.waiting.extend(newer)
    await writing
    assert len(keeper.waiting) == WAITING_MAX
    assert list(keeper.waiting)[-6:] == newer

    ledger.down = False
    await keeper.close()

    assert len(await written(keeper)) == WAITING_MAX
    ledger.close()
