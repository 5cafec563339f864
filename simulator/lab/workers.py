"""A limited number of workers with a short queue before them: what makes a back end full."""

import asyncio
import math
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SPREAD = 0.5
"""Standard deviation over mean of the service time."""
QUEUE_PER_WORKER = 16
"""Requests that may wait for each worker; up to a second of work."""


class Full(Exception):  # noqa: N818  it is a state, not an error
    """Every worker is busy and the queue has no room: answer 503 at once."""


class Workers:
    """At most `count` requests in service, at most `queue_max` waiting; each takes a lognormal time."""

    def __init__(self, count: int, service_s: float, seed: int, queue_max: int | None = None) -> None:
        """`service_s` is the mean time in service, without the wait."""
        self._free = asyncio.Semaphore(count)
        self._queue_max = QUEUE_PER_WORKER * count if queue_max is None else queue_max
        self._random = random.Random(seed)  # noqa: S311  it draws service times
        self._sigma = math.sqrt(math.log1p(SPREAD**2))
        self._mu = math.log(service_s) - self._sigma**2 / 2
        self.capacity_rps = count / service_s
        self.waiting = 0
        self.in_service = 0

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[None]:
        if self._free.locked() and self.waiting >= self._queue_max:
            raise Full(f"{self.waiting} requests wait, the limit is {self._queue_max}")
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.in_service += 1
        try:
            yield
        finally:
            self.in_service -= 1
            self._free.release()

    async def serve(self) -> float:
        """Wait for a worker and be served; returns the seconds in service, without the wait. Raises Full."""
        async with self._worker():
            service_s = self._random.lognormvariate(self._mu, self._sigma)
            await asyncio.sleep(service_s)
        return service_s
