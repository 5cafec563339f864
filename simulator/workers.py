"""Processes that play runs beside each other, and that end when whoever started them has ended, however that was."""

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process


def workers(processes: int) -> ProcessPoolExecutor:
    """A fresh interpreter each: what this process has loaded (gRPC, Ray) does not survive a fork."""
    return ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Without it a worker whose parent was killed waits for work for ever."""
    threading.Thread(target=_watch, name="parent", daemon=True).start()


def _watch() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
