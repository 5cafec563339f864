"""The fast bed of benchmarks.drill: clients that never pause before one real Envoy, drilled again and again."""

import asyncio
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.lab import effects
from tests.contract.backends import CLUSTER_HEADER
from tests.contract.harness import SERVICE, UNIT, table
from tests.contract.harness_xds import EnvoyHarness, xds_envoy

CLIENTS = 24
"""Connections, each with one request under way."""
LADDER = (0.01, 0.1, 0.5, 1.0)
STEP_S = 0.25
HOLD_S = 1.5
LEASE_S = 2.0
GRACE_S = 0.3
REQUEST = f"GET / HTTP/1.1\r\nHost: {SERVICE}\r\n\r\n".encode()


@dataclass(slots=True)
class Seen:
    """What the clients saw."""

    by_cluster: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    last_away_s: float = 0.0
    """When the last request was sent that the failover's weights routed."""
    stop: bool = False


async def client(port: int, seen: Seen) -> None:
    """One request after the other on one connection, until told to stop."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while not seen.stop:
        sent_s = time.monotonic()
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            seen.failed += 1
            continue
        cluster = head.partition(f"{CLUSTER_HEADER}: ".encode())[2].partition(b"\r\n")[0].decode()
        seen.by_cluster[cluster] += 1
        if cluster != "east":
            seen.last_away_s = max(seen.last_away_s, sent_s)
    writer.close()


async def drill_once(mesh: EnvoyHarness, seen: Seen, moments: random.Random) -> float:
    """There, held, and taken back at a random moment; seconds from the order to the last request that was moved."""
    connector = mesh.connector
    await connector.arm(table({"north": 7_500, "west": 2_500}))
    for ratio in LADDER:
        await connector.drain(ratio, LEASE_S)
        await asyncio.sleep(STEP_S)
    await asyncio.sleep(moments.uniform(0.5, 1.0) * HOLD_S)
    aborted_s = time.monotonic()
    await connector.drain(0.0, 0.0)
    await asyncio.sleep(GRACE_S)
    await connector.disarm()
    return max(seen.last_away_s - aborted_s, 0.0)


async def measure_loop(requests: int, seed: int) -> dict[str, Any]:
    """Drills until so many requests went the failover's way."""
    moments, seen, back_s = random.Random(seed), Seen(), []
    with tempfile.TemporaryDirectory() as folder:
        async with xds_envoy(Path(folder)) as mesh:
            await mesh.connector.write(table({"east": UNIT}))
            await mesh.until(SERVICE, "east")
            clients = [asyncio.create_task(client(mesh.ingress_port, seen)) for _ in range(CLIENTS)]
            while seen.by_cluster["north"] + seen.by_cluster["west"] < requests:
                back_s.append(await drill_once(mesh, seen, moments))
            seen.stop = True
            await asyncio.gather(*clients)
    return {
        "drills": len(back_s),
        "abort_to_reverted_p50_s": effects.percentile(back_s, 0.5),
        "abort_to_reverted_p99_s": effects.percentile(back_s, 0.99),
        "drilled_requests": seen.by_cluster["north"] + seen.by_cluster["west"],
        "drill_failed_requests": seen.failed,
        "requests": seen.by_cluster.total() + seen.failed,
    }
