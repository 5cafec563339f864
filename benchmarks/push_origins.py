"""Whole tables to every kind of connector: 1,000 origins of 50 services, one after another.

Every push changes the weights of all services. One mesh of a kind stands for all origins, which take turns: a machine
does not hold a thousand proxies. A connector whose pushes take longer than the budget ends with the push under way, and
says how many it came to.
"""

import asyncio
import json
import logging
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.push_planes import PLANES
from benchmarks.push_standins import STAND_INS
from benchmarks.push_tables import Open, weights
from connectors.connector import Connector, Refused, Unavailable

SEED = 11
AGAIN_MAX = 20
STOOD = "one mesh, which took the tables of all origins in turn"
KINDS: dict[str, tuple[Open, str]] = {
    **{name: (start, "real") for name, (start, path) in PLANES.items() if path()},
    **{name: (start, "stand-in") for name, start in STAND_INS.items()},
}
"""What can be had here, and whether it is in front of the real thing."""


def push_all(names: list[str], origins: int, count: int, budget_s: float, log: Path | None = None) -> dict[str, Any]:
    """The pushes of each connector. Those that the log has are not made again; the others are added, one on a line."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's line for every request
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # clients of stand-ins that hang up
    kept = log.read_text(encoding="utf-8").splitlines() if log and log.exists() else []
    known: dict[str, Any] = {name: found for line in kept for name, found in json.loads(line).items()}
    for name in names:
        if name not in known:
            known[name] = asyncio.run(push(name, origins, count, budget_s))
            if log:
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({name: known[name]}) + "\n")
    return {name: known[name] for name in names}


async def push(name: str, origins: int, count: int, budget_s: float) -> dict[str, Any]:
    """Tables one after another; p50 and p99 of the time from the call of `write` to its receipt."""
    start, front = KINDS[name]
    with tempfile.TemporaryDirectory() as folder:
        async with start(Path(folder), count) as connector:
            cpu_s, times_ms = time.process_time(), list[float]()
            failed, again = await _push(connector, origins, count, budget_s, times_ms)
            cpu_s = time.process_time() - cpu_s
    ordered, done = sorted(times_ms), len(times_ms)
    return {
        "in_front_of": front, "stood": STOOD, "origins": done, "origins_wanted": origins, "services": count,
        "p50_ms": statistics.median(ordered) if done else None,
        "p99_ms": ordered[-(-99 * done // 100) - 1] if done else None,
        "processor_ms_per_push": 1e3 * cpu_s / done if done else None, "failed": failed,
        "pushed_again": again,
    }  # fmt: skip


async def _push(
    connector: Connector, origins: int, count: int, budget_s: float, times_ms: list[float]
) -> tuple[str, int]:
    """Adds ms of each push to `times_ms`, until the budget is used up.

    (What went wrong, empty where nothing did; how many pushes found the mesh unavailable and were made again by the
    next tables: on a machine whose jobs are stopped and go on, a deadline passes in between.)
    """
    draw, end_s, again, number = random.Random(SEED), time.monotonic() + budget_s, 0, 0
    while len(times_ms) < origins and time.monotonic() <= end_s:
        number += 1
        wanted = weights(draw, count, number)
        begun_s = time.monotonic()
        try:
            receipt = await connector.write(wanted)
            accepted, words = receipt.accepted, receipt.detail
        except Unavailable as silence:
            accepted, words = None, str(silence)
        except Refused as error:
            accepted, words = False, str(error)
        again += accepted is None
        if accepted is False or again > AGAIN_MAX:
            return f"push {number}: {words}", again
        if accepted:
            times_ms.append(1e3 * (time.monotonic() - begun_s))
    return "", again


def line(name: str, found: dict[str, Any]) -> str:
    """One connector for people."""
    cut = "" if found["origins"] == found["origins_wanted"] else f" of {found['origins_wanted']}, cut off by the budget"
    if found["failed"]:
        cut = f" of {found['origins_wanted']}, ended by: {found['failed']}"
    head = f"{name:17} ({found['in_front_of']}) {found['origins']} origins{cut} x {found['services']} services"
    if not found["origins"]:
        return head
    return (
        f"{head}: p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms, "
        f"{found['processor_ms_per_push']:.1f} ms of this process"
    )
