"""Pricing and certificates of whole replicas on Ray: a mapper that takes work to the processors of a cluster.

What all tasks of a solve share, its layout, ships once and is unpacked once by every worker; after that only prices,
plans and answers travel. Work is pure, so a batch lost with its worker is run again, by Ray or, in the end, here, and
an answer is the same to the bit wherever it was found.
"""

import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from placement.assignment import AssignmentProblem
from placement.solve.pricing import Mapper
from scheduler.fanout import ANSWER_MAX_S, RAY_FROM_ROUTES, WHOLE_TO_ROUTES, joined

PER_PROCESSOR = 4
"""Batches for each: uneven ones even out, and messages stay few."""
RETRIES = 3
"""Workers that a batch may lose before it is run in this process."""
_log = logging.getLogger(__name__)


class RayMapper:
    """A Mapper over the processors of a Ray cluster. A resource: close it, or use it as a context.

    Without an address it joins what this process is connected to, or else starts a cluster of its own here.
    """

    def __init__(
        self,
        address: str | None = None,
        processors: int | None = None,
        answer_max_s: float = ANSWER_MAX_S,
        retries: int = RETRIES,
    ) -> None:
        here = len(os.sched_getaffinity(0)) if processors is None else processors
        self._ray, self._owns = joined(here, address)
        self._answer_max_s = answer_max_s
        self._processors = int(self._ray.cluster_resources().get("CPU", 1)) if processors is None else processors
        self._run = self._ray.remote(_run).options(num_cpus=1, max_retries=retries, scheduling_strategy="SPREAD")
        self._shared: tuple[Any, ...] = ()
        self._reference: Any = None
        self.shipped = 0
        """times that shared arguments were sent"""
        self.run_here = 0
        """batches that no worker finished"""

    def __call__(self, work: Callable[[Any], Any], tasks: Iterable[Any], /) -> Iterable[Any]:
        """Results in the order of the tasks; in this process where there is one task or one processor.

        An error of the work itself is raised as it is.
        """
        every = list(tasks)
        if self._processors <= 1 or len(every) <= 1:
            return [work(task) for task in every]
        function, shared = (work.func, work.args) if isinstance(work, partial) and not work.keywords else (work, ())
        reference = self._ship(shared)
        batches = _dealt(every, self._processors * PER_PROCESSOR)
        asked = [self._run.remote([reference], pickle.dumps((function, batch))) for batch in batches]
        found = zip(batches, asked, strict=True)
        return [answer for batch, each in found for answer in self._answers(work, batch, each)]

    def close(self) -> None:
        """Let go of what was shipped, and of the cluster if it was started here."""
        self._shared, self._reference = (), None
        if self._owns:
            self._ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ship(self, shared: tuple[Any, ...]) -> Any:
        """Where workers find these arguments; sent anew only when they are others than the last."""
        same = len(shared) == len(self._shared) and all(a is b for a, b in zip(shared, self._shared, strict=True))
        if self._reference is None or not same:
            # Packed by hand: arrays out of Ray's store are read-only, for which every kernel would be compiled again.
            self._shared, self._reference = shared, self._ray.put(pickle.dumps(shared))
            self.shipped += 1
        return self._reference

    def _answers(self, work: Callable[[Any], Any], batch: list[Any], reference: Any) -> list[Any]:
        errors = self._ray.exceptions
        try:
            found: list[Any] = self._ray.get(reference, timeout=self._answer_max_s)
        except (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.ObjectLostError,
            errors.GetTimeoutError,
        ) as lost:
            _log.warning("a batch of %d pricing tasks is run in this process: %s", len(batch), lost)
            self._ray.cancel(reference)
            self.run_here += 1
            return [work(task) for task in batch]
        return found


@contextmanager
def pricing_mapper(
    problem: AssignmentProblem, on_ray: bool | None = None, address: str | None = None
) -> Iterator[Mapper]:
    """A mapper for one solve: this thread, threads of this process, Ray, or as told.

    Threads share the layout and send no messages, so Ray is for a cluster that is given by its address, and there only
    for problems that are large enough.
    """
    routes = len(problem.routes)
    if on_ray or (on_ray is None and address is not None and routes >= RAY_FROM_ROUTES):
        with RayMapper(address) as mapper:
            yield mapper
    elif routes > WHOLE_TO_ROUTES and len(os.sched_getaffinity(0)) > 1:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            yield lambda work, tasks, /: pool.map(work, tasks)
    else:
        yield map


def _dealt(tasks: list[Any], parts: int) -> list[list[Any]]:
    """At most so many batches, in order, of sizes that differ by one at most."""
    parts = min(parts, len(tasks))
    edge = [i * len(tasks) // parts for i in range(parts + 1)]
    return [tasks[a:b] for a, b in pairwise(edge)]


def _run(shared: list[Any], packed: bytes) -> list[Any]:
    """A batch, in a worker; a reference within a list is passed as it is, so that it is unpacked once only."""
    function, batch = pickle.loads(packed)  # noqa: S301  packed above, by the process that started this one
    arguments = _unpacked(shared[0])
    return [function(*arguments, task) for task in batch]


@lru_cache(maxsize=1)
def _unpacked(reference: Any) -> tuple[Any, ...]:
    import ray  # noqa: PLC0415  runs inside the worker

    arguments: tuple[Any, ...] = pickle.loads(ray.get(reference))  # noqa: S301  packed above
    return arguments
