"""The loop of a large fleet: how long a turn takes, what it costs, and whether anything keeps the event loop.

Run: python -m benchmarks.scale [--json] [--clusters 1000] [--services 50] [--spread 40] [--seconds 90] [--rate 10000]

The whole service runs in a process of its own (benchmarks/scale_service.py): a mesh and an agent for every cluster. The
agents send the demand of every service at their mesh over HTTP with a token, `rate` samples a second together, each
wandering by a tenth, so that every turn has something to solve. Then the optimizer, guards, pushes to all meshes, the
ledger, failover tables and placement do their work while the API is asked for the plan and the overview once a second.

    turn_p50_s, turn_max_s   from the start of a turn to its record, by the turns themselves
    loop_lag_p99_ms          how late the event loop was, an upper bound of its histogram; while all that went on
    lag_over_250_ms          times that it was later than that, of `lag_samples`
    cpu_cores, memory_mib    of the process of the event loop; those of the processes that it began are apart (workers_)
    steps_s                  mean time of the steps of a turn; those of each mesh (collect, push) apart
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from benchmarks.scale_service import DEMAND_RPS, cluster_name, write
from benchmarks.serving import Server, started
from tests.scheduler.api.front import TOKENS, access_of
from tests.scheduler.running import free_port

WANDER = 0.1
BODIES = 8
"""Different requests of each agent, sent in turns."""
ASKED = ("/api/v1/plan", "/")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines for people")
    parser.add_argument("--clusters", type=int, default=1_000)
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--spread", type=int, default=40, help="clusters that each service runs in")
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--rate", type=int, default=10_000, help="samples per second")
    parser.add_argument("--log", type=Path, help="keep what the controller says in this file")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measured(Path(folder), asked))
    print(json.dumps(found) if asked.json else "\n".join(f"{name:24} {value}" for name, value in found.items()))
    return 0


@dataclass
class Seen:
    """What the agents and the readers counted."""

    sent: int = 0
    refused: int = 0
    post_ms: list[float] = field(default_factory=list)
    read_ms: list[float] = field(default_factory=list)


async def measured(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """One run."""
    port, documents, seen = free_port(), folder / "documents", Seen()
    await asyncio.to_thread(documents.mkdir)
    server = {"api": f"127.0.0.1:{port}", "ledger": f"sqlite:///{folder}/ledger.db", "access": access_of(TOKENS)}
    await asyncio.to_thread(write, documents, asked.clusters, asked.services, asked.spread, server)
    began_s = time.monotonic()
    async with started(["benchmarks.scale_service", str(documents)], port, asked.log) as controller:
        ready_s, cpu_s, before = time.monotonic() - began_s, controller.cpu_s(), await lags(controller)
        steps = await steps_of(controller)
        works = [asyncio.create_task(work) for work in (send(controller, asked, seen), look(controller, seen))]
        await asyncio.wait(works, timeout=asked.seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in works:
            task.cancel()
        await asyncio.gather(*works, return_exceptions=True)
        after, used_s, memory_mib = await lags(controller), controller.cpu_s() - cpu_s, controller.memory_mib()
        workers_s, workers_mib = controller.workers()
        steps_s = mean_of(steps, await steps_of(controller))
        turns = (await controller.say("GET", "/api/v1/turns?limit=50", None, "viewer"))[1]["items"]
        samples = (await controller.say("GET", "/readyz", None, "viewer"))[1]
    return {
        "clusters": asked.clusters, "services": asked.services, "spread": asked.spread, "turns": samples["turn"],
        **took([turn["duration_s"] for turn in turns]), **lag_of(before, after),
        "samples_per_s": round(seen.sent / asked.seconds), "refused_503": seen.refused,
        "post_p99_ms": percentile(seen.post_ms, 99), "read_p50_ms": percentile(seen.read_ms, 50),
        "read_p99_ms": percentile(seen.read_ms, 99), "start_s": round(ready_s, 1),
        "cpu_cores": round(used_s / asked.seconds, 2), "memory_mib": round(memory_mib),
        "workers_cpu_s": round(workers_s, 1), "workers_memory_mib": round(workers_mib), "steps_s": steps_s,
    }  # fmt: skip


def took(durations_s: list[float]) -> dict[str, Any]:
    """Of the turns that wrote weights."""
    if not durations_s:
        return {"turn_p50_s": None, "turn_max_s": None}
    return {"turn_p50_s": round(float(np.median(durations_s)), 3), "turn_max_s": round(max(durations_s), 3)}


def percentile(times: list[float], at: float) -> float | None:
    """None of nothing."""
    return round(float(np.percentile(times, at)), 2) if times else None


async def send(server: Server, asked: argparse.Namespace, seen: Seen) -> None:
    """Demand of all services at one mesh after the other, at even intervals, whatever became of those before."""
    every_s, rng = asked.services / asked.rate, np.random.default_rng(1)
    bodies = [[body(row, asked.services, rng) for _ in range(BODIES)] for row in range(asked.clusters)]
    headers = {"Authorization": f"Bearer {server.tokens['agent']}", "Content-Type": "application/json"}

    async def post(session: aiohttp.ClientSession, number: int) -> None:
        began_s, (turn, row) = time.perf_counter(), divmod(number, asked.clusters)
        data = bodies[row][turn % BODIES]
        async with session.post(server.url + "/api/v1/telemetry", data=data, headers=headers) as answer:
            await answer.read()
        seen.post_ms.append(1e3 * (time.perf_counter() - began_s))
        seen.sent += asked.services if answer.status == 202 else 0
        seen.refused += answer.status == 503

    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        began_s = time.monotonic()
        for number in itertools.count():
            await asyncio.sleep(max(0.0, began_s + number * every_s - time.monotonic()))
            group.create_task(post(session, number))


def body(row: int, services: int, rng: np.random.Generator) -> bytes:
    """What the agent of a cluster says."""
    keys = [[f"service-{s}", cluster_name(row)] for s in range(services) if s % 4 != 1]
    values = DEMAND_RPS * np.exp(rng.normal(0, WANDER, len(keys)))
    column = {"signal": "demand_rps", "keys": keys, "value": np.round(values, 2).tolist()}
    return json.dumps({"columns": [column]}).encode()


async def look(server: Server, seen: Seen) -> None:
    """As somebody who watches."""
    headers = {"Authorization": f"Bearer {server.tokens['operator']}"}
    for path in itertools.cycle(ASKED):
        began_s = time.perf_counter()
        async with server.session.get(server.url + path, headers=headers) as answer:
            await answer.read()
        seen.read_ms.append(1e3 * (time.perf_counter() - began_s))
        await asyncio.sleep(1.0)


async def lags(server: Server) -> dict[float, float]:
    """How often the event loop was at most that late, in seconds."""
    name = "equipoise_event_loop_lag_seconds_bucket"
    lines = [line for line in (await server.text("/metrics")).splitlines() if line.startswith(name)]
    return {float(line.split('le="')[1].split('"')[0]): float(line.rpartition(" ")[2]) for line in lines}


async def steps_of(server: Server) -> dict[str, tuple[float, float]]:
    """How often each step of a turn was done, and how many seconds that took."""
    name, found = "equipoise_step_duration_seconds", dict[str, dict[str, float]]()
    for line in (await server.text("/metrics")).splitlines():
        for kind in ("_count{", "_sum{"):
            if line.startswith(name + kind):
                found.setdefault(line.split('step="')[1].split('"')[0], {})[kind] = float(line.rpartition(" ")[2])
    return {step: (counts["_count{"], counts["_sum{"]) for step, counts in found.items()}


def mean_of(before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Seconds of each step between two looks."""
    since = {step: np.subtract(now, before.get(step, (0.0, 0.0))).tolist() for step, now in after.items()}
    return {step: round(took_s / count, 3) for step, (count, took_s) in since.items() if count}


def lag_of(before: dict[float, float], after: dict[float, float]) -> dict[str, Any]:
    """The same between two looks."""
    counts = {bound: after[bound] - before[bound] for bound in sorted(after)}
    whole = counts[max(counts)]
    p99_s = next(bound for bound, count in counts.items() if count >= 0.99 * whole)
    late = whole - counts.get(0.25, whole)
    return {"loop_lag_p99_ms": 1e3 * p99_s, "lag_over_250_ms": int(late), "lag_samples": int(whole)}


if __name__ == "__main__":
    sys.exit(main())
