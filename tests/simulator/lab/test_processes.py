"""Children: none outlives the lab, however the lab ends."""

import asyncio
import signal
import socket
import sys
from pathlib import Path

import pytest

from simulator.lab.processes import LabError, children, free_ports

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)",
]

PARENT = """
import asyncio, sys
from pathlib import Path
from simulator.lab.processes import children

async def main():
    async with children(Path(sys.argv[1])) as family:
        for name in "ab":
            child = await family.start(name, [sys.executable, "-c", "import time; time.sleep(600)"])
            print(child.process.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def is_running(pid: int) -> bool:
    """Whether a process exists and has not merely been left unburied."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def ended(*pids: int) -> None:
    async with asyncio.timeout(10):
        while any(map(is_running, pids)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # nobody tells us of the end of a process that is not our child


async def test_children_when_the_block_ends_are_gone(tmp_path: Path) -> None:
    async with children(tmp_path) as family:
        pids = [(await family.start(name, SLEEPER)).process.pid for name in "ab"]
        assert all(map(is_running, pids))

    assert not any(map(is_running, pids))


async def test_children_when_one_ignores_sigterm_kill_it(tmp_path: Path) -> None:
    async with children(tmp_path, patience_s=0.2) as family:
        child = await family.start("stubborn", STUBBORN, piped=True)
        await child.said()

    assert not is_running(child.process.pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_children_when_their_parent_is_killed_do_not_outlive_it(tmp_path: Path, number: signal.Signals) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pids = [int(await parent.stdout.readline()) for _ in range(2)]

    parent.send_signal(number)
    await parent.wait()

    await ended(*pids)


async def test_kill_of_a_group_takes_its_grandchildren_too(tmp_path: Path) -> None:
    command = (
        "import os, subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    )
    async with children(tmp_path) as family:
        child = await family.start(
            "family", [sys.executable, "-c", command + "print(p.pid, flush=True); p.wait()"], piped=True
        )
        grandchild = int(await child.said())

        await family.kill(child)

        await ended(grandchild)


async def test_said_when_the_child_has_died_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async with children(tmp_path) as family:
        child = await family.start("broken", [sys.executable, "-c", "raise SystemExit('no such thing')"], piped=True)

        with pytest.raises(LabError, match=r"(?s)broken ended before it was ready.*no such thing"):
            await child.said()


def test_free_ports_are_different_and_below_the_ephemeral_range() -> None:
    ports = free_ports(40)

    assert len(set(ports)) == 40
    assert max(ports) < int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def test_free_ports_do_not_include_one_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_ports(1)[0]))
        taken.listen()

        assert taken.getsockname()[1] not in free_ports(2_000)
