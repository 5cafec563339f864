"""A real controller process on the example documents, for tests of the service as a whole."""

import asyncio
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

EXAMPLE = Path(__file__).parents[2] / "config" / "example"
START_WITHIN_S = 60.0
"""Imports take a few seconds, many on a busy machine."""
POLICY = """
apiVersion: equipoise.dev/v1alpha1
kind: Policy
metadata: {{name: quick}}
spec:
  tick: {{periodSeconds: 0.2}}
  probes: {{intervalMs: 250, rise: 2, holdDownSeconds: 0.1, rampSeconds: 1}}
  server: {{api: "127.0.0.1:{api}", xds: "127.0.0.1:{xds}", ledger: "sqlite:///{folder}/ledger.db"}}
"""


@dataclass
class Controller:
    """A running `equipoise serve`."""

    url: str
    documents: Path
    process: asyncio.subprocess.Process
    client: httpx.AsyncClient

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self.client.get(self.url + path, params=query)

    async def plan(self) -> dict[str, Any]:
        body: dict[str, Any] = (await self.get("/api/v1/plan")).json()
        return body

    async def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 10.0)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def write_documents(folder: Path) -> Path:
    """The example with a quick policy on free ports; ledger beside it."""
    documents = folder / "documents"
    shutil.copytree(EXAMPLE, documents)
    policy = POLICY.format(api=free_port(), xds=free_port(), folder=folder)
    (documents / "policy.yaml").write_text(policy, encoding="utf-8")
    return documents


@asynccontextmanager
async def running(documents: Path, status: str = "ready") -> AsyncIterator[Controller]:
    """Start it, wait until it says of itself that it is ready (or `standby`), and end it whatever happens."""
    text = (documents / "policy.yaml").read_text(encoding="utf-8")
    url = "http://" + text.split('api: "')[1].split('"')[0]
    with (documents.parent / "controller.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli", "serve", "-f", str(documents), stdout=log, stderr=log
        )
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            controller = Controller(url, documents, process, client)

            async def ready() -> bool:
                assert process.returncode is None, (documents.parent / "controller.log").read_text(encoding="utf-8")
                try:
                    return bool((await controller.get("/readyz")).json()["status"] == status)
                except httpx.TransportError:
                    return False

            await eventually(ready, f"the controller says {status}", START_WITHIN_S)
            yield controller
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within_s: float = 60.0) -> None:
    """Wait until it holds."""
    end_s = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < end_s, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(0.02)
