"""Plans for losses that have not happened, prepared beside the loop on a thread that yields to everything else."""

import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from placement.assignment import AssignmentProblem
from placement.solve.prices import Prices
from placement.solve.standby import Foreseen, Understudy, prepare

NICE = 5
"""Of the thread; 19 is the most. Its climbs and programs are compiled and hold no lock, but what is between them does:
a thread that holds the interpreter's lock and gets no processor would keep the event loop waiting."""


class Standby:
    """Holds what is ready. Losses not prepared anew keep older plans, which certify as any do."""

    def __init__(self) -> None:
        self.ready = Foreseen({})
        self._threads = ThreadPoolExecutor(1, "standby", initializer=_step_back)
        self._latest = 0

    def prepare(
        self, understudy: Understudy, problem: AssignmentProblem, prices: Prices, domains: Iterable[int]
    ) -> Future[int]:
        """Begin anew from the prices of a solve, and leave the rest of what was begun; how many losses got ready."""
        self._latest += 1
        return self._threads.submit(self._work, self._latest, understudy, problem, prices, domains)

    def close(self) -> None:
        """Leave what was begun; returns after the climb that is under way."""
        self._latest += 1
        self._threads.shutdown()

    def _work(
        self, number: int, understudy: Understudy, problem: AssignmentProblem, prices: Prices, domains: Iterable[int]
    ) -> int:
        done, steps = 0, prepare(understudy, problem, prices, domains, self.ready)
        while number == self._latest and (step := next(steps, None)) is not None:
            domain, ready = step
            self.ready = Foreseen({**self.ready.by_domain, domain: ready})
            done += 1
        return done


def _step_back() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
