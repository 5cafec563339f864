"""What-if runs for a running controller: each in a process of its own, so that neither its loop nor its lock waits."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from scheduler.jobs import Question, Simulator, Tell, Wrong
from simulator.scenario.vocabulary import vocabulary

Json = dict[str, Any]
LINE_MAX_BYTES = 64 * 1024 * 1024
WORDS_MAX_BYTES = 8 * 1024
log = structlog.get_logger()


def simulator(documents: tuple[Path, ...], scenario: Path | None = None, ledger: str = "") -> Simulator:
    """Plays questions about the fleet of some documents, or of a scenario, from the weights in a ledger."""
    fixed: Json = {
        "documents": [path.resolve().as_posix() for path in documents],
        "scenario": scenario.resolve().as_posix() if scenario else "",
        "ledger": ledger,
    }

    async def played(question: Question, tell: Tell) -> Json:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "simulator.whatif", limit=LINE_MAX_BYTES,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        asked = {"events": question.events, "minutes": question.minutes, "policies": question.policies}
        complaints = asyncio.create_task(_last_words(process))
        try:
            await _put(process, fixed | asked)
            answer = await _answer(process, tell)
            if answer is None:
                raise RuntimeError(await _why(process, complaints))
            return answer
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            complaints.cancel()

    return Simulator(played, vocabulary())


async def _put(process: asyncio.subprocess.Process, asked: Json) -> None:
    """A child that is gone already says why itself."""
    assert process.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        await process.stdin.drain()


async def _answer(process: asyncio.subprocess.Process, tell: Tell) -> Json | None:
    """None from a child that ended without one. Raises Wrong."""
    assert process.stdout is not None
    async for line in process.stdout:
        said = json.loads(line)
        if "error" in said:
            raise Wrong(said["error"])
        if "result" in said:
            found: Json = said["result"]
            return found
        tell(float(said["progress"]))
    return None


async def _last_words(process: asyncio.subprocess.Process) -> str:
    """The end of what a child complained of. Read as it comes: a full pipe would hold the child up."""
    assert process.stderr is not None
    kept = b""
    while data := await process.stderr.read(65_536):
        kept = (kept + data)[-WORDS_MAX_BYTES:]
    return kept.decode(errors="replace").strip()


async def _why(process: asyncio.subprocess.Process, complaints: "asyncio.Task[str]") -> str:
    code, words = await process.wait(), await complaints
    log.error("a what-if run ended without an answer", exit_code=code, stderr=words)
    last = words.splitlines()[-1] if words else "it said nothing"
    return f"the run ended without an answer, with code {code}: {last}"
