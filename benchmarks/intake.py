"""How much telemetry the controller takes in, how fast it answers, and whether anything else keeps its event loop.

Run: python -m benchmarks.intake [--json] [--seconds 60] [--rate 10000] [--clusters 1000] [--services 50]

As many agents as clusters, each with its own measurements of its services, send 50 samples a request over HTTP with a
token to a controller in a process of its own: the production routes, gate, collector and hygiene. Meanwhile the loop
takes its turns over a small fleet, with the optimizer and the ledger at work; most names are not of that fleet, so
hygiene counts them as unknown. Lost is what was promised (202) and never handed over to the loop.
Times are of whole requests, as the agents see them;
processor time is all of the controller's process.
"""

import argparse
import asyncio
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

P99_MAX_MS, CORES_MAX = 50.0, 1.0
SAMPLES = 50
"""Of one request: one signal of all services of a cluster."""
SIGNALS = ("latency_ms", "error_ratio", "capacity_rps")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines for people")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=10_000, help="samples per second")
    parser.add_argument("--clusters", type=int, default=1_000)
    parser.add_argument("--services", type=int, default=50)
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measured(Path(folder), asked))
    words = json.dumps(found) if asked.json else "\n".join(f"{name:24} {value}" for name, value in found.items())
    print(words)
    good = found["p99_ms"] <= P99_MAX_MS and found["lost"] == 0 and found["cpu_cores"] <= CORES_MAX
    return int(not good)


async def measured(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """One run."""
    async with serving(folder) as server:
        await server.say("POST", "/api/v1/telemetry", {"columns": [column(0, 0, asked.services)]}, "agent")
        before, cpu_before_s, began_s = await counts(server), server.cpu_s(), time.monotonic()
        times, sent, refused = await load(server, asked)
        await asyncio.sleep(3.0)  # the next ticks count what waits
        passed_s, after = time.monotonic() - began_s, await counts(server)
        used_s = server.cpu_s() - cpu_before_s
    ordered = np.sort(np.array(times))
    hygiene = after["seen"] - before["seen"]
    return {
        "samples_per_s": round(sent / asked.seconds, 1),
        "clusters": asked.clusters,
        "services": asked.services,
        "requests": len(times),
        "p50_ms": round(float(np.percentile(ordered, 50)), 3),
        "p99_ms": round(float(np.percentile(ordered, 99)), 3),
        "max_ms": round(float(ordered[-1]), 3),
        "sent": sent,
        "refused_503": refused,
        "counted": hygiene,
        "lost": max(0, sent - hygiene),
        "cpu_cores": round(used_s / passed_s, 3),
        "loop_lag_p99_ms": after["lag_p99_ms"],
        "turns": after["turns"] - before["turns"],
    }


def column(number: int, signal: int, services: int) -> dict[str, Any]:
    """What one cluster measured of one signal for its services; names beyond the fleet are counted as unknown."""
    names = [["shop" if s == 0 else f"service-{s}", f"cluster-{number}"] for s in range(services)]
    return {"signal": SIGNALS[signal % len(SIGNALS)], "keys": names, "value": [1.0 + 0.01 * s for s in range(services)]}


async def load(server: Server, asked: argparse.Namespace) -> tuple[list[float], int, int]:
    """Requests at even intervals, whatever became of those before; times in ms, samples promised, requests refused."""
    every_s, whole = asked.services / asked.rate, int(asked.seconds * asked.rate / asked.services)
    bodies = [json.dumps({"columns": [column(c, 0, asked.services)]}).encode() for c in range(asked.clusters)]
    times: list[float] = []
    promised = refused = 0
    headers = {"Authorization": f"Bearer {server.tokens['agent']}", "Content-Type": "application/json"}

    async def send(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal promised, refused
        began_s = time.perf_counter()
        async with session.post(server.url + "/api/v1/telemetry", data=bodies[number % asked.clusters],
                                headers=headers) as answer:  # fmt: skip
            await answer.read()
        times.append(1e3 * (time.perf_counter() - began_s))
        promised += asked.services if answer.status == 202 else 0
        refused += answer.status == 503

    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        began_s = time.monotonic()
        for number in range(whole):
            await asyncio.sleep(max(0.0, began_s + number * every_s - time.monotonic()))
            group.create_task(send(session, number))
    return times, promised, refused


async def counts(server: Server) -> dict[str, Any]:
    """What the loop was handed, how late the event loop is, and how many turns there were."""
    text, seen = await server.text("/metrics"), 0.0
    lag: list[tuple[float, float]] = []
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name == "equipoise_telemetry_handed_samples":
            seen = float(value)
        if name.startswith("equipoise_event_loop_lag_seconds_bucket"):
            lag.append((float(name.split('le="')[1].split('"')[0]), float(value)))
    _, ready = await server.say("GET", "/readyz", None, "viewer")
    p99_s = next((bound for bound, count in lag if count >= 0.99 * lag[-1][1]), float("inf")) if lag else float("nan")
    return {"seen": int(seen), "lag_p99_ms": 1e3 * p99_s, "turns": ready["turn"]}


if __name__ == "__main__":
    sys.exit(main())
