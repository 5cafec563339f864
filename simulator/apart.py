"""What-if runs for a running controller: each in a process of its own, so that neither its loop nor its lock waits."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from scheduler.jobs import Player, Question, Tell, Wrong

Json = dict[str, Any]
LINE_MAX_BYTES = 64 * 1024 * 1024


def player(documents: tuple[Path, ...], scenario: Path | None = None, ledger: str = "") -> Player:
    """Plays questions about the fleet of some documents, or of a scenario, from the weights in a ledger."""
    fixed: Json = {
        "documents": [path.resolve().as_posix() for path in documents],
        "scenario": scenario.resolve().as_posix() if scenario else "",
        "ledger": ledger,
    }

    async def played(question: Question, tell: Tell) -> Json:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "simulator.whatif", limit=LINE_MAX_BYTES,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert process.stdin is not None
            asked = {"events": question.events, "minutes": question.minutes, "policies": question.policies}
            process.stdin.write(json.dumps(fixed | asked).encode() + b"\n")
            await process.stdin.drain()
            return await _answer(process, tell)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return played


async def _answer(process: asyncio.subprocess.Process, tell: Tell) -> Json:
    assert process.stdout is not None
    async for line in process.stdout:
        said = json.loads(line)
        if "error" in said:
            raise Wrong(said["error"])
        if "result" in said:
            found: Json = said["result"]
            return found
        tell(float(said["progress"]))
    raise RuntimeError("the run ended without an answer")
