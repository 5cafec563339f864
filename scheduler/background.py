"""Tasks that live as long as a controller, and whose failure ends it: a bug must not go unseen."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

import structlog

log = structlog.get_logger()


class Background:
    """A context that ends with its tasks cancelled. The first of them to fail cancels the context's own task, and what
    it failed with is raised instead of that cancellation.
    """

    def __init__(self) -> None:
        self.failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._owner: asyncio.Task[Any] | None = None

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run this until the context ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def __aenter__(self) -> Self:
        """Remember whose context this is."""
        self._owner = asyncio.current_task()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the tasks; raise what one of them failed with."""
        self._owner = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self.failure is not None:
            raise self.failure from None

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None or self._owner is None:
            return
        log.critical("a background task failed", error=repr(task.exception()))
        self.failure = self.failure or task.exception()
        self._owner.cancel()
