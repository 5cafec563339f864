"""How fast the API answers people and programs while the loop runs, and how many readers its stream bears.

Run: python -m benchmarks.api [--json] [--seconds 3] [--readers 100]

Each route is asked by four clients without a pause, one route after the other, over HTTP with a token, on a controller
in a process of its own. Then readers of the stream of turns are added, and what they hear is timed: the spread between
the first and the last of them to hear of a turn.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from benchmarks.serving import Server, serving

ROUTES = (
    "/healthz", "/api/v1/plan", "/api/v1/fleet", "/api/v1/services/shop", "/api/v1/turns?limit=50", "/api/v1/readiness",
    "/api/v1/explain?flow=shop", "/api/v1/reports/cost?hours=1", "/metrics", "/", "/map", "/decisions",
)  # fmt: skip
CLIENTS = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines for people")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each route")
    parser.add_argument("--readers", type=int, default=100, help="of the stream of turns")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measured(Path(folder), asked))
    print(json.dumps(found) if asked.json else "\n".join(f"{name:32} {value}" for name, value in found.items()))
    return 0


async def measured(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """One run."""
    async with serving(folder) as server:
        await asyncio.sleep(5.0)
        routes = {path: await timed(server, path, asked.seconds) for path in ROUTES}
        spread = await told(server, asked.readers)
    return {"clients": CLIENTS, "routes": routes, "readers": asked.readers, **spread}


async def timed(server: Server, path: str, seconds: float) -> dict[str, float]:
    """Requests/s and times of one route."""
    times: list[float] = []
    failed, end_s = 0, time.monotonic() + seconds
    headers = {"Authorization": f"Bearer {server.tokens['operator']}"}

    async def ask() -> None:
        nonlocal failed
        while time.monotonic() < end_s:
            began_s = time.perf_counter()
            async with server.session.get(server.url + path, headers=headers) as answer:
                await answer.read()
            times.append(1e3 * (time.perf_counter() - began_s))
            failed += answer.status != 200

    await asyncio.gather(*(ask() for _ in range(CLIENTS)))
    return {
        "per_s": round(len(times) / seconds, 1),
        "p50_ms": round(float(np.percentile(times, 50)), 2),
        "p99_ms": round(float(np.percentile(times, 99)), 2),
        "failed": failed,
    }


async def told(server: Server, readers: int, turns: int = 5) -> dict[str, float]:
    """How far apart readers hear of a turn, in ms, over some turns."""
    heard: dict[str, list[float]] = {}
    headers = {"Authorization": f"Bearer {server.tokens['viewer']}"}

    async def read(session: aiohttp.ClientSession) -> None:
        async with session.get(server.url + "/api/v1/turns/stream", headers=headers) as answer:
            async for line in answer.content:
                if line.startswith(b"id: "):
                    heard.setdefault(line[4:].decode().strip(), []).append(time.monotonic())

    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        tasks = [asyncio.create_task(read(session)) for _ in range(readers)]
        while sum(len(times) == readers for times in heard.values()) < turns:  # noqa: ASYNC110  as said
            await asyncio.sleep(0.1)  # readers announce nothing
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
    spreads = [1e3 * (max(times) - min(times)) for times in heard.values() if len(times) == readers]
    return {"stream_spread_p50_ms": round(float(np.median(spreads)), 2), "stream_spread_max_ms": round(max(spreads), 2)}


if __name__ == "__main__":
    sys.exit(main())
