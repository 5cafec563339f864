"""The worker processes of an NGINX on this machine: who they are, and whether they still accept connections.

A reload starts new workers, waits for 100 ms and then tells the old ones to go. An old worker that was told changes its
title before it does anything else, and accepts nothing from then on: its title is proof. Linux shows titles in /proc to
everybody (unless it is mounted with `hidepid`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
WORKER = b"nginx: worker process"
SHUTTING_DOWN = b"nginx: worker process is shutting down"
GONE = frozenset({"Z", "X"})


@dataclass(frozen=True, slots=True, order=True)
class Worker:
    """A process. Its pid alone may be given to another one day."""

    pid: int
    started: int
    """Clock ticks after the machine's start."""

    def __str__(self) -> str:
        return f"{self.pid}/{self.started}"


@dataclass(frozen=True, slots=True)
class _Process:
    worker: Worker
    parent: int
    title: bytes

    @property
    def accepts(self) -> bool:
        """Whether it is a worker that was not told to go, as far as its title says."""
        return self.title.startswith(WORKER) and not self.title.startswith(SHUTTING_DOWN)


def worker_of(text: str) -> Worker | None:
    """What `str` made of a worker; None for anything else."""
    pid, _, started = text.partition("/")
    return Worker(int(pid), int(started)) if pid.isdecimal() and started.isdecimal() else None


def workers_beside(pid: int) -> frozenset[Worker] | None:
    """The workers that accept connections for the NGINX of which `pid` is one; None where it is no worker here.

    While the program itself is being replaced two masters have workers, one master being the child of the other: all
    of these.
    """
    nginx = {process.worker.pid: process for process in _processes() if process.title.startswith(b"nginx: ")}
    if pid not in nginx or not nginx[pid].title.startswith(WORKER):
        return None
    master = _master(nginx, pid)
    return frozenset(p.worker for p in nginx.values() if p.accepts and _master(nginx, p.worker.pid) == master)


def still_accepting(workers: Iterable[Worker]) -> tuple[Worker, ...]:
    """Those that are there and were not seen to be told to go. Where a title is cut short: until they are gone."""
    found = ((worker, _process(worker.pid)) for worker in sorted(workers))
    return tuple(
        worker for worker, now in found
        if now is not None and now.worker == worker and not now.title.startswith(SHUTTING_DOWN)
    )  # fmt: skip


def old_workers() -> int:
    """NGINX workers of this machine that finish what they began before a reload."""
    return sum(process.title.startswith(SHUTTING_DOWN) for process in _processes())


def _master(nginx: dict[int, _Process], pid: int) -> int:
    """The first of the masters above a worker."""
    while nginx[pid].parent in nginx:
        pid = nginx[pid].parent
    return pid


def _processes() -> Iterator[_Process]:
    for folder in PROC.glob("[0-9]*"):
        found = _process(int(folder.name))
        if found is not None:
            yield found


def _process(pid: int) -> _Process | None:
    """None where it ended, or is not ours to see."""
    try:
        title = (PROC / str(pid) / "cmdline").read_bytes()
        fields = (PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in GONE:
        return None
    return _Process(Worker(pid, int(fields[19])), int(fields[1]), title)
