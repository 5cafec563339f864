"""A controller of a simulated fleet in a process of its own, with tokens, for benchmarks of its API."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.scheduler.api.front import TOKENS, WORLD, access_of
from tests.scheduler.running import free_port

READY_S = 240.0


@dataclass
class Server:
    """Where it answers."""

    url: str
    tokens: dict[str, str]
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession

    async def say(self, method: str, path: str, body: Any, role: str) -> tuple[int, Any]:
        """Status and body."""
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def text(self, path: str) -> str:
        """What a viewer sees."""
        headers = {"Authorization": f"Bearer {self.tokens['viewer']}"}
        async with self.session.get(self.url + path, headers=headers) as answer:
            return await answer.text()

    def cpu_s(self) -> float:
        """Processor time of its process, children apart (proc(5))."""
        return _cpu_s(self.process.pid)

    def memory_mib(self) -> float:
        """The most that its process ever held."""
        return _memory_mib(self.process.pid)

    def workers(self) -> tuple[float, float]:
        """Processor time in seconds, and the most MiB ever held, of the processes that it began and that live."""
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _parent(path) == self.process.pid]
        return sum(map(_cpu_s, pids)), sum(map(_memory_mib, pids))


def _parent(path: Path) -> int:
    try:
        return int((path / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    """That of a small fleet, until the block ends."""
    port, file = free_port(), folder / "small.yaml"
    text = f"{WORLD}    server: {json.dumps({'access': access_of(TOKENS)})}\n"
    await asyncio.to_thread(file.write_text, text, "utf-8")
    async with started(["cli", "play", str(file), "--port", str(port)], port) as server:
        yield server


@asynccontextmanager
async def started(module: list[str], port: int, log: Path | None = None) -> AsyncIterator[Server]:
    """A controller by a module of ours and its arguments, ready, until the block ends."""
    output = (await asyncio.to_thread(log.open, "wb")) if log else asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *module, stdout=output, stderr=output)
    try:
        async with aiohttp.ClientSession() as session:
            server, end_s = Server(f"http://127.0.0.1:{port}", TOKENS, process, session), time.monotonic() + READY_S
            while not await _ready(server):
                assert time.monotonic() < end_s, "the controller did not become ready"
                assert process.returncode is None, "the controller ended"
                await asyncio.sleep(0.1)
            yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _ready(server: Server) -> bool:
    try:
        return (await server.say("GET", "/readyz", None, "viewer"))[0] == 200
    except aiohttp.ClientError:
        return False
