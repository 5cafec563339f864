"""The lab's child processes: started in groups of their own, ended without exception, their ports chosen free."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PORTS = range(20_000, 32_000)
"""Below the range from which Linux takes the local ports of outgoing connections (net.ipv4.ip_local_port_range): a
port out of that range could be gone when a killed process wants it back."""

LINE_BYTES_MAX = 2**22
STOP_PATIENCE_S = 5.0
TAIL_LINES = 12


class LabError(Exception):
    """The lab cannot be set up or has come apart; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running process and the file its standard error goes to."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    def tail(self) -> str:
        """The last lines it wrote to its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    async def said(self) -> bytes:
        """The next line of its standard output; raises LabError when there is none any more."""
        assert self.process.stdout is not None, f"{self.name} has no pipe for its output"
        line = await self.process.stdout.readline()
        if not line:
            raise LabError(f"{self.name} ended before it was ready; its log ends with:\n{self.tail()}")
        return line

    def tell(self, line: bytes) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None, f"{self.name} has no pipe for its input"
        self.process.stdin.write(line)


class Children:
    """Every process of one lab. Each leads its own group, so that Ctrl-C reaches only the lab, which then ends them."""

    def __init__(self, folder: Path, patience_s: float = STOP_PATIENCE_S) -> None:
        """Logs go into `folder`; a child has `patience_s` to end by itself."""
        self._folder, self._patience_s = folder, patience_s
        self._alive: list[Child] = []
        self._reaper: asyncio.subprocess.Process | None = None

    async def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None, piped: bool = False
    ) -> Child:
        """Start a command; `piped` opens its standard input and output to us."""
        log = self._folder / f"{name}.log"
        pipe = asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=pipe, stdout=pipe if piped else errors, stderr=errors, start_new_session=True,
                limit=LINE_BYTES_MAX, env=None if environment is None else {**os.environ, **environment},
            )  # fmt: skip
        child = Child(name, process, log)
        self._alive.append(child)
        self._announce(f"+{process.pid}")
        return child

    async def start_module(self, name: str, module: str, *arguments: str, piped: bool = False) -> Child:
        """Start a Python module of this repository."""
        return await self.start(name, [sys.executable, "-m", module, *arguments], piped=piped)

    async def kill(self, *children: Child) -> None:
        """SIGKILL to each group at the same moment, then wait for the ends."""
        for child in children:
            _signal_group(child, signal.SIGKILL)
        for child in children:
            await self._wait(child)

    async def stop(self, *children: Child) -> None:
        """SIGTERM, some patience for all of them together, then SIGKILL."""
        for child in children:
            _signal_group(child, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                for child in children:
                    await self._wait(child)
        await self.kill(*(child for child in children if child.is_alive))

    async def _wait(self, child: Child) -> None:
        await child.process.wait()
        if child in self._alive:
            self._alive.remove(child)
            self._announce(f"-{child.process.pid}")

    def _announce(self, line: str) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.write(f"{line}\n".encode())

    async def open(self) -> None:
        """Start the reaper, before everything else."""
        self._reaper = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "simulator.lab.reaper", stdin=asyncio.subprocess.PIPE, start_new_session=True
        )

    async def close(self) -> None:
        """End every child, and then the reaper, which finds nothing left to do."""
        await self.stop(*self._alive)
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            await self._reaper.wait()


@contextlib.asynccontextmanager
async def children(folder: Path, patience_s: float = STOP_PATIENCE_S) -> AsyncIterator[Children]:
    """Children that end with the block, or with this process should it not get that far."""
    family = Children(folder, patience_s)
    await family.open()
    try:
        yield family
    finally:
        await family.close()


def _signal_group(child: Child, number: signal.Signals) -> None:
    if child.is_alive:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, number)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on, each different; raises LabError when there are too few."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
        if len(found) == count:
            return found
    raise LabError(f"only {len(found)} of {count} ports are free in {PORTS.start}..{PORTS.stop - 1}")
