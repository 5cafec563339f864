import asyncio
import signal
import sys
from pathlib import Path

PARENT = """
import os, time
from simulator.workers import workers
if __name__ == "__main__":
    with workers(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def lives(pid: int) -> bool:
    """A zombie does not: whoever adopted it may never ask for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_worker_when_its_parent_is_killed_ends(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    worker = int(await parent.stdout.readline())
    assert lives(worker)

    parent.send_signal(signal.SIGKILL)

    async with asyncio.timeout(30):
        while lives(worker):  # noqa: ASYNC110  orphans tell nobody of their end
            await asyncio.sleep(0.02)
