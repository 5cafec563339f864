"""The optimizer off the event loop: one worker thread, and nobody waits for it while something is down."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from placement.failover import FailoverTable
from placement.plan import Plan
from placement.problem import Problem
from placement.solve.failover import TableOrder, refreshed
from placement.solve.linear import Unsolved
from placement.solve.routing import ShadowPrices, shadow_prices, solve_routing
from scheduler.ports import Watch
from scheduler.push import first_of

T = TypeVar("T")


class ThreadSolver:
    """Solves in a thread of its own. HiGHS works outside the interpreter lock, so the loop goes on meanwhile."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="solve")
        self._running: asyncio.Future[Any] | None = None

    async def solve(self, problem: Problem) -> Plan | None:
        """The best routing; None when unsolved, when the alarm went off, or when an abandoned solve still runs."""
        return await self._unless_alarmed(partial(solve_routing, problem))

    async def tabulate(self, order: TableOrder) -> FailoverTable | None:
        """The failover tables of a plan, as far as one refresh goes; None as above."""
        return await self._unless_alarmed(partial(refreshed, order))

    async def price(self, problem: Problem) -> ShadowPrices | None:
        """Shadow prices, for explanations; None as above."""
        return await self._unless_alarmed(partial(shadow_prices, problem))

    def close(self) -> None:
        """Let the thread end; a solve that still runs is not waited for."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _unless_alarmed(self, work: Callable[[], T]) -> T | None:
        if self._running is not None and not self._running.done():
            return None
        future = asyncio.get_running_loop().run_in_executor(self._worker, work)
        alarm = asyncio.ensure_future(self.watch.alarm())
        self._running = future
        try:
            await first_of(future, alarm)
        finally:
            alarm.cancel()
        if not future.done():
            future.add_done_callback(_forget)
            return None
        try:
            return future.result()
        except Unsolved:
            return None


class Arithmetic:
    """A thread of its own for what is quick but not quick enough for the event loop of a large fleet.

    Not the solver's: an evacuation must not queue behind a solve that nobody waits for any more.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="arithmetic")

    async def __call__(self, work: Callable[[], T], /) -> T:
        """The result of `work`."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def close(self) -> None:
        """Let the thread end."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def _forget(future: "asyncio.Future[T]") -> None:
    """Take the result of an abandoned solve, so that an Unsolved in it is not reported as never retrieved."""
    if not future.cancelled():
        future.exception()
