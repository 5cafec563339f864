"""A process of our own for arithmetic that would keep the event loop of a large fleet from the interpreter.

It keeps what it was told before, so that state is sent once and changes after. It yields to everything else, and ends
with us whatever becomes of us: it watches a pipe that only we hold. One that dies, or does not answer in time, is
killed, counted, and begun anew by the next call, which has to tell it everything again.
"""

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import structlog

NICE = 5
"""19 is the most. What it has to say can wait for a second; the event loop cannot."""
END_S = 2.0

log = structlog.get_logger()


class Gone(Exception):  # noqa: N818  a state of the world
    """The process died or hung. It is begun anew by the next call."""


class Apart:
    """One process at work for us, begun when it is first asked. Asked by one thread at a time, which waits."""

    def __init__(self, kind: str, answer_max_s: float, lost: Callable[[str], None] = lambda _: None) -> None:
        """`kind`: `module:function`, whose result is called with what is asked; `lost` is told of each that is gone."""
        self.kind, self.answer_max_s, self.lost = kind, answer_max_s, lost
        self.begun = 0
        """How many there were so far."""
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid if self._process is not None else None

    def ask(self, *words: Any) -> Any:
        """Its answer. Raises Gone, and whatever its own code raises."""
        if self._ended:
            raise Gone(f"{self.kind}: ended")
        line = self._line or self._begin()
        try:
            line.send(words)
            if not line.poll(self.answer_max_s):
                raise TimeoutError(f"no answer within {self.answer_max_s:g} s")
            well, answer = line.recv()
        except (OSError, EOFError) as error:
            what = f"{type(error).__name__}: {error}".removesuffix(": ")
            if not self._ended:
                log.warning("a process of ours is gone", kind=self.kind, pid=self.pid, error=what)
                self.lost(self.kind)
            self._kill()
            line.close()
            self._line = None
            raise Gone(f"{self.kind}: {what}") from None
        if not well:
            raise answer
        return answer

    def close(self) -> None:
        """End it, for good: who waits for an answer gets Gone."""
        self._ended = True
        self._kill()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            assert process.stdin is not None, "we hold its pipe"
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S)

    def _begin(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", __name__, self.kind, str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()])
        self._line = Connection(ours.detach())
        self.begun += 1
        return self._line


def main(kind: str, number: str) -> None:
    """The process: answers until we are gone."""
    for name in (signal.SIGINT, signal.SIGTERM):  # of a terminal, or of a whole group; we end it ourselves
        signal.signal(name, signal.SIG_IGN)
    os.nice(NICE)
    threading.Thread(target=_end_with_it, daemon=True).start()
    module, _, function = kind.partition(":")
    work, line = getattr(importlib.import_module(module), function)(), Connection(int(number))
    with contextlib.suppress(OSError, EOFError):
        while True:
            words = line.recv()
            try:
                answer = True, work(*words)
            except Exception as error:
                answer = False, error
            line.send(answer)


def _end_with_it() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
