"""The optimizer off the event loop: worker threads, and nobody waits for them while something is down."""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
import structlog

from placement.baseline import nearest
from placement.cost import evaluate
from placement.failover import FailoverTable
from placement.plan import Plan, Reason
from placement.policies.loaded import value_greedy, within_capacity
from placement.problem import Problem, formulate
from placement.quantize import weight_tables
from placement.solve.failover import TableOrder
from placement.solve.linear import Unsolved
from placement.solve.routing import ShadowPrices, shadow_prices, solve_routing
from scheduler.ports import Configuration, Watch
from scheduler.preview import declared_snapshot
from scheduler.tabulation import Tabulation

log = structlog.get_logger()
T = TypeVar("T")
SWITCH_S = 0.001
"""How long a thread at work may keep the interpreter from the event loop, which gives it up at every send; Python's own
5 ms would be waited for with every answer."""
TABLES_WAIT_S = 2.0
"""About what a refresh takes of a processor; one of a thousand clusters takes longer."""


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

    def __init__(
        self,
        watch: Watch,
        optimize: Callable[[Problem], Plan] = solve_routing,
        tables_within_s: float = TABLES_WAIT_S,
        tabulation: Tabulation | None = None,
    ) -> None:
        self.watch, self.optimize, self.tables_within_s = watch, optimize, tables_within_s
        self._plans, self._tables = Lane("solve"), Lane("tables")
        self._tabulation = tabulation or Tabulation()
        self._late: tuple[TableOrder, asyncio.Future[FailoverTable]] | None = None
        self._explainer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="explain")

    async def solve(self, problem: Problem) -> Plan | None:
        """The best routing, or a value-greedy one where the optimizer gave up and that is better than what stands.

        None when there is nothing better, when the alarm went off, or when an abandoned solve still runs.
        """
        found = await self._unless_alarmed(self._plans, partial(solved_or_greedy, problem, self.optimize))
        assert not isinstance(found, asyncio.Future), "a solve is waited for"
        return found

    async def tabulate(self, order: TableOrder) -> FailoverTable | None:
        """The failover tables of a plan, as far as one refresh goes; None as above.

        None too while a refresh takes longer than TABLES_WAIT_S: no turn waits for it. A later call has its result,
        unless the fleet, or what of it is usable, has changed since.
        """
        if self._late is not None:
            asked, future = self._late
            if not future.done():
                return None
            self._late = None
            same = asked.fleet is order.fleet and np.array_equal(asked.snapshot.usable, order.snapshot.usable)
            if same and not future.cancelled() and future.exception() is None:
                return future.result()
        found = await self._unless_alarmed(
            self._tables, partial(self._tabulation.refreshed, order), self.tables_within_s
        )
        if isinstance(found, asyncio.Future):
            self._late = order, found
            return None
        return found

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
        self._tabulation.close()

    async def _unless_alarmed(
        self, lane: Lane, work: Callable[[], T], within_s: float | None = None
    ) -> "T | asyncio.Future[T] | None":
        """The result; what will have it where that takes longer; None where the alarm went off or the lane is busy."""
        if lane.busy:
            return None
        future = asyncio.get_running_loop().run_in_executor(lane.worker, work)
        alarm = asyncio.ensure_future(self.watch.alarm())
        lane.running = future
        either: set[asyncio.Future[Any]] = {future, alarm}
        try:
            await asyncio.wait(either, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            alarmed = alarm.done()
        finally:
            alarm.cancel()
        if not future.done():
            future.add_done_callback(_forget)
            return None if alarmed else future
        try:
            return future.result()
        except Unsolved:
            return None
        except Exception as fault:
            # A fault of ours ends no controller: what stands stays, evacuations go on, and the next turn tries anew.
            _say(fault)
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


def warmed(configuration: Configuration) -> None:
    """Solve for what is declared, and forget it: who leads next has its libraries loaded, and its fleet worked out."""
    fleet, policy = configuration.fleet, configuration.policy
    problem = formulate(fleet, declared_snapshot(configuration, nearest(fleet)), policy.prices)
    with contextlib.suppress(Unsolved):
        weight_tables(problem, solve_routing(problem).routing, policy.rounding, {})


class Arithmetic:
    """A thread of its own for what is quick but not quick enough for the event loop of a large fleet.

    Not the solver's: an evacuation must not queue behind a solve that nobody waits for any more.
    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="arithmetic")
        sys.setswitchinterval(SWITCH_S)

    async def __call__(self, work: Callable[[], T], /) -> T:
        """The result of `work`."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def close(self) -> None:
        """Let the thread end."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def _forget(future: "asyncio.Future[T]") -> None:
    """Take the result of a solve that nobody waits for: an Unsolved in it is nobody's business, a fault of ours is."""
    fault = None if future.cancelled() else future.exception()
    if fault is not None and not isinstance(fault, Unsolved):
        _say(fault)


def _say(fault: BaseException) -> None:
    log.error("a solve ended in a fault of its own; what stands stays", exc_info=fault)
