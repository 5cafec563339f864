"""Real time, and the ways in which waiting for it ends early."""

import asyncio
import time

from scheduler.ports import Watch
from scheduler.push import first_of


class SystemClock:
    """The monotonic clock of this machine."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._nudge = asyncio.Event()

    def now_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wall_s(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def nudge(self) -> None:
        """Let the next tick come at once: the documents or a switch changed, or it is time to close."""
        self._nudge.set()

    async def sleep_until(self, at_s: float) -> None:
        """Return at `at_s`, on an alarm, or on a nudge."""
        waits = [asyncio.ensure_future(self.watch.alarm()), asyncio.ensure_future(self._nudge.wait())]
        waits.append(asyncio.ensure_future(asyncio.sleep(max(0.0, at_s - self.now_s()))))
        try:
            await first_of(*waits)
        finally:
            for wait in waits:
                wait.cancel()
        self._nudge.clear()
