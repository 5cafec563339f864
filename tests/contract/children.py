"""Child processes of tests: in a folder that is there, no pipe to hang on, and a certain end."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any


@contextlib.asynccontextmanager
async def child(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process while the block lasts; what it prints goes to `output` in its folder."""
    with (folder / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **(environment or {})}, cwd=folder,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def envoy(path: str, bootstrap: dict[str, Any], folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An Envoy while the block lasts, with shared memory of its own and a log that is flushed at once."""
    (folder / "bootstrap.json").write_text(json.dumps(bootstrap))
    flags = ["--concurrency", "1", "--use-dynamic-base-id", "-l", "warning", "--file-flush-interval-msec", "50"]
    async with child([path, "-c", "bootstrap.json", *flags], folder) as process:
        yield process
