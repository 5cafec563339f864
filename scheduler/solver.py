"""The optimizer off the event loop: worker threads, and nobody waits for them while something is down."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from placement.cost import evaluate
from placement.failover import FailoverTable
from placement.plan import Plan, Reason
from placement.policies.loaded import value_greedy, within_capacity
from placement.problem import Problem
from placement.solve.failover import TableOrder, refreshed
from placement.solve.linear import Unsolved
from placement.solve.routing import ShadowPrices, shadow_prices, solve_routing
from scheduler.ports import Watch
from scheduler.push import first_of

T = TypeVar("T")


class Lane:
    """One worker thread, and whether it still works on what nobody waits for any more."""

    def __init__(self, name: str) -> None:
        self.worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self.running: asyncio.Future[Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether the last work is not done."""
        return self.running is not None and not self.running.done()


class ThreadSolver:
    """Solves in threads of its own. HiGHS works outside the interpreter lock, so the loop goes on meanwhile.

    Failover tables have a thread apart: an abandoned refresh must not keep a plan waiting. So have explanations: people
    wait for them, the loop does not, and they want them most while something is down.
    """

    def __init__(self, watch: Watch, optimize: Callable[[Problem], Plan] = solve_routing) -> None:
        self.watch, self.optimize = watch, optimize
        self._plans, self._tables = Lane("solve"), Lane("tables")
        self._explainer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="explain")

    async def solve(self, problem: Problem) -> Plan | None:
        """The best routing, or a value-greedy one where the optimizer gave up and that is better than what stands.

        None when there is nothing better, when the alarm went off, or when an abandoned solve still runs.
        """
        return await self._unless_alarmed(self._plans, partial(solved_or_greedy, problem, self.optimize))

    async def tabulate(self, order: TableOrder) -> FailoverTable | None:
        """The failover tables of a plan, as far as one refresh goes; None as above."""
        return await self._unless_alarmed(self._tables, partial(refreshed, order))

    async def price(self, problem: Problem) -> ShadowPrices | None:
        """Shadow prices, for explanations, one after the other whatever else goes on; None where there are none."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._explainer, shadow_prices, problem)
        except Unsolved:
            return None

    def close(self) -> None:
        """Let the threads end; a solve that still runs is not waited for."""
        for worker in (self._plans.worker, self._tables.worker, self._explainer):
            worker.shutdown(wait=False, cancel_futures=True)

    async def _unless_alarmed(self, lane: Lane, work: Callable[[], T]) -> T | None:
        if lane.busy:
            return None
        future = asyncio.get_running_loop().run_in_executor(lane.worker, work)
        alarm = asyncio.ensure_future(self.watch.alarm())
        lane.running = future
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


def solved_or_greedy(problem: Problem, optimize: Callable[[Problem], Plan]) -> Plan:
    """The plan of the optimizer, and without one the value-greedy routing: within a tenth of it on normal days, where
    weights that stay for hours are not. Nothing certifies it, and every guard of a solved plan bounds it.

    Raises Unsolved where that would cost more than what stands.
    """
    try:
        return optimize(problem)
    except Unsolved as unsolved:
        routing = within_capacity(problem, value_greedy(problem))
        cost = evaluate(problem, routing)
        if cost.objective_usd_per_hour >= evaluate(problem, problem.standing).objective_usd_per_hour:
            raise
        return Plan(routing, cost, Reason.SOLVED, f"value-greedy, because the optimizer gave up: {unsolved}")


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
