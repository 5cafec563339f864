"""Processes of our own: answers, deaths, and an end with those who began them."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from scheduler.apart import Apart, Gone
from tests import real
from tests.scheduler.running import eventually

KIND = "tests.scheduler.echo:Echo"


def alive(pid: int) -> bool:
    """Whether such a process runs; one that is only waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_process_that_dies_or_hangs_is_gone_once_counted_and_begun_anew() -> None:
    lost: list[str] = []
    apart = Apart(KIND, 30.0, lost.append)
    try:
        apart.ask("say", "one")
        pid, parent, heard = apart.ask("say", "two")
        assert (parent, heard) == (os.getpid(), ("one", "two")), "it keeps what it was told"
        with pytest.raises(ValueError, match="words of its own"):
            apart.ask("raise", "words of its own")

        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Gone):
            apart.ask("say", "three")
        again, _, heard = apart.ask("say", "four")
        assert (lost, heard) == ([KIND], ("four",)), "the new one knows nothing"

        apart.answer_max_s = 0.2
        with pytest.raises(Gone, match="no answer within"):
            apart.ask("hang")
        assert not alive(again)
        assert (lost, apart.begun) == ([KIND] * 2, 2)
    finally:
        apart.close()
    with pytest.raises(Gone, match="ended"):
        apart.ask("say")


async def test_process_when_its_controller_is_killed_ends_with_it() -> None:
    words = f"from scheduler.apart import Apart; import time; print(Apart({KIND!r}, 30).ask('say')[0], flush=True)"
    controller = await asyncio.create_subprocess_exec(
        sys.executable, "-c", words + "; time.sleep(300)", stdout=asyncio.subprocess.PIPE, cwd=real.ROOT
    )
    assert controller.stdout is not None
    pid = int(await controller.stdout.readline())
    assert alive(pid)

    controller.kill()
    await controller.wait()

    async def ended() -> bool:
        return not alive(pid)

    await eventually(ended, "nobody is left behind")
