"""Telemetry sources collected by tasks of their own, so that the loop never waits for one."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable

from connectors.connector import Unavailable
from connectors.telemetry import Batch, TelemetrySource

AGENT = "agent:"
"""How the sources that post by HTTP are called."""
BATCHES_MAX = 10_000
"""What is kept between two ticks; past it the oldest go, and are counted."""


class Collector:
    """One task per source; `drain` hands over what they found."""

    def __init__(self) -> None:
        self.failures: dict[str, str] = {}
        """The last words of each source that is unavailable now."""
        self.lost = 0
        self.handed = 0
        """Samples of agents that were handed over to the loop."""
        self.listeners: list[Callable[[Batch], None]] = []
        """Who else wants to hear of every batch, at once."""
        self._batches: deque[Batch] = deque(maxlen=BATCHES_MAX)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, sources: Iterable[tuple[TelemetrySource, float]]) -> None:
        """Collect each source every so many seconds, instead of those before."""
        self.stop()
        self._tasks = [asyncio.create_task(self._collect(source, every_s)) for source, every_s in sources]

    def stop(self) -> None:
        """Stop collecting."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def room(self) -> int:
        """Batches that fit before the oldest would go."""
        return BATCHES_MAX - len(self._batches)

    def post(self, batches: Iterable[Batch]) -> None:
        """Take in what somebody measured."""
        for batch in batches:
            self.lost += len(self._batches) == BATCHES_MAX
            self._batches.append(batch)
            for hear in self.listeners:
                hear(batch)

    def drain(self) -> tuple[Batch, ...]:
        """All since the last call."""
        found = tuple(self._batches)
        self.handed += sum(len(batch.keys) for batch in found if batch.source.startswith(AGENT))
        self._batches.clear()
        return found

    async def _collect(self, source: TelemetrySource, every_s: float) -> None:
        due_s = time.monotonic()
        while True:
            try:
                self.post(await source.collect())
                self.failures.pop(source.name, None)
            except Unavailable as silence:
                self.failures[source.name] = str(silence)
            due_s = max(due_s + every_s, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())
