"""Ends the lab's processes when the lab itself has ended, however that was: by return, by Ctrl-C or by SIGKILL.

It holds the reading end of a pipe from the lab. The lab announces each child it starts (`+pid`) and each that has
ended (`-pid`); the end of the pipe means that the lab is gone, and whatever it left behind is killed.

    python -m simulator.lab.reaper      announcements on stdin, one a line
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Listen until the pipe ends, then kill the process group of every child still announced."""
    alive: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line[0] == "+":
            alive.add(pid)
        else:
            alive.discard(pid)
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
