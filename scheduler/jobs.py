"""What-if runs as jobs: one at a time, in a process of their own, with progress; the newest are kept in memory.

Who plays them is handed in: the simulator stands above the scheduler, and imports it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from scheduler.summary import Json

KEPT = 20
WAITING_MAX = 5
log = structlog.get_logger()


class Phase(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Question:
    """What if: events, for how long, under which policies."""

    events: tuple[str, ...]
    """Each `fault key=value ...`, such as `cluster-outage cluster=eu-west at=1m for=3m`."""
    minutes: float
    policies: tuple[str, ...]


class Wrong(Exception):  # noqa: N818  an answer, not an error
    """A question that cannot be played; says why."""


Tell = Callable[[float], None]
Player = Callable[[Question, Tell], Awaitable[Json]]
"""Plays a question and tells its progress, 0 to 1. Raises Wrong. Cancelling it ends its process."""


@dataclass(frozen=True, slots=True)
class EventKind:
    """Something that can be asked about."""

    name: str
    """Such as `cluster-outage`."""
    about: str
    schema: Json
    """JSON Schema of its keys, by name, each with `required`; `at` and `for` are among them."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """Who plays what-if runs, and all that can happen in them."""

    play: Player
    events: tuple[EventKind, ...]


@dataclass(slots=True)
class Job:
    """One run."""

    id: str
    question: Question
    by: str
    asked_wall_s: float
    phase: Phase = Phase.WAITING
    progress: float = 0.0
    error: str = ""
    result: Json | None = None
    took_s: float = 0.0
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.phase not in {Phase.WAITING, Phase.RUNNING}


class Jobs:
    """`close` cancels what runs."""

    def __init__(self, simulator: Simulator | None, wall_s: Callable[[], float] = time.time) -> None:
        self.player, self.wall_s = simulator.play if simulator else None, wall_s
        self.events = simulator.events if simulator else ()
        self.kept: OrderedDict[str, Job] = OrderedDict()
        self._turn = asyncio.Lock()
        self._number = 0

    def begin(self, question: Question, by: str) -> Job:
        """A job that runs when those before are over. Raises Wrong."""
        if self.player is None:
            raise Wrong("this controller was started without a simulator")
        if sum(not job.over for job in self.kept.values()) >= WAITING_MAX:
            raise Wrong(f"{WAITING_MAX} runs are waiting already")
        self._number += 1
        job = Job(f"s-{self._number}", question, by, self.wall_s())
        self.kept[job.id] = job
        while len(self.kept) > KEPT:
            oldest = next((name for name, known in self.kept.items() if known.over), None)
            if oldest is None:
                break
            del self.kept[oldest]
        job.task = asyncio.create_task(self._play(job, self.player))
        return job

    def cancel(self, job: Job) -> None:
        """End it."""
        if job.task is not None and not job.over:
            job.task.cancel()

    async def close(self) -> None:
        """End all, and wait for that."""
        tasks = [job.task for job in self.kept.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _play(self, job: Job, player: Player) -> None:
        def tell(progress: float) -> None:
            job.progress = min(max(progress, job.progress), 1.0)

        try:
            async with self._turn:
                job.phase, began_s = Phase.RUNNING, time.monotonic()
                job.result = await player(job.question, tell)
                job.phase, job.progress, job.took_s = Phase.DONE, 1.0, time.monotonic() - began_s
        except asyncio.CancelledError:
            job.phase, job.error = Phase.CANCELLED, "cancelled"
        except Wrong as wrong:
            job.phase, job.error = Phase.FAILED, str(wrong)
        except Exception as fault:
            log.exception("a what-if run failed", job=job.id)
            job.phase, job.error = Phase.FAILED, f"a fault of ours: {fault!r}"[:500]
