"""The leader is killed again and again under load: how soon the standby steers, what users notice, what is lost.

Two controllers on one PostgreSQL steer a real HAProxy. Before each kill an operator's word is given to the leader and
acknowledged; after it the standby must know that word, must find its mesh fenced no higher than its own term, and must
have pushed nothing that did not differ.

    python -m benchmarks.takeover --times 50 --json
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from scheduler.ledger import Ledger
from tests.contract.harness import CLUSTERS, SERVICE
from tests.contract.harness_haproxy import HaproxyHarness, haproxy
from tests.postgresql import postgresql
from tests.scheduler.running import Controller, free_port, running

PATIENCE_S = 60.0
LOOK_EVERY_S = 0.01
DOCUMENTS = """
apiVersion: equipoise.dev/v1alpha1
kind: Policy
metadata: {{name: two}}
spec:
  tick: {{periodSeconds: 0.5}}
  server: {{api: "127.0.0.1:{api}", xds: "127.0.0.1:{xds}", ledger: "{ledger}", leaseSeconds: {lease_s}}}
---
apiVersion: equipoise.dev/v1alpha1
kind: Origin
metadata: {{name: home}}
spec:
  cluster: east
  expectedRps: {{{service}: 200}}
  mesh: {{haproxy: {{socket: "{socket}", map: "{map}", listener: "127.0.0.1:{listener}"}}}}
  telemetry: {{loadReports: {{intervalSeconds: 0.5}}}}
---
apiVersion: equipoise.dev/v1alpha1
kind: Service
metadata: {{name: {service}}}
spec:
  exposed: true
  resources: {{vcpu: 1}}
  throughput: {{node: 1000}}
  replicas: {{{replicas}}}
  probe: {{protocol: tcp}}
  endpoints: {{{endpoints}}}
"""
WORLD = """
---
apiVersion: equipoise.dev/v1alpha1
kind: LatencyMatrix
metadata: {name: loopback}
spec:
  asOf: 2026-11-26
  source: Made for this measurement
  rttMs: {east: {north: 10, west: 20}, north: {west: 20}}
---
apiVersion: equipoise.dev/v1alpha1
kind: PriceBook
metadata: {name: loopback}
spec:
  currency: USD
  asOf: 2026-11-26
  source: Made for this measurement
  nodeTypes:
  - {provider: metal, region: east, nodeType: node, usdPerHour: 1}
  - {provider: metal, region: north, nodeType: node, usdPerHour: 1}
  - {provider: metal, region: west, nodeType: node, usdPerHour: 1}
  egress:
  - {from: east, to: "*", usdPerGb: 0.01}
  - {from: north, to: "*", usdPerGb: 0.01}
  - {from: west, to: "*", usdPerGb: 0.01}
"""
CLUSTER = """
---
apiVersion: equipoise.dev/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec:
  provider: metal
  region: {name}
  jurisdiction: EU
  pools: [{{name: general, nodeType: node, nodes: 4, perNode: {{vcpu: 4}}}}]
"""


@dataclass
class Seen:
    """What the kills showed."""

    takeover_s: list[float] = field(default_factory=list)
    lost_words: int = 0
    stale_fences: int = 0
    idle_pushes: int = 0
    two_leaders: int = 0


def write(folder: Path, mesh: HaproxyHarness, ledger: str, lease_s: float) -> Path:
    """The documents of one controller."""
    documents = folder / "documents"
    documents.mkdir(parents=True)
    text = DOCUMENTS.format(
        api=free_port(), xds=free_port(), ledger=ledger, lease_s=lease_s, service=SERVICE, socket=mesh.socket,
        map=mesh.socket.with_suffix(".map"), listener=mesh.ingress_port,
        replicas=", ".join(f"{cluster}: 1" for cluster in CLUSTERS),
        endpoints=", ".join(f'{name}: ["127.0.0.1:{backend.port}"]' for name, backend in mesh.backends.items()),
    )  # fmt: skip
    (documents / "policy.yaml").write_text(text + WORLD + "".join(CLUSTER.format(name=name) for name in CLUSTERS))
    return documents


@contextlib.asynccontextmanager
async def load(mesh: HaproxyHarness) -> AsyncIterator[Counter[str]]:
    """Requests through the mesh while the block lasts; counts by who answered."""
    counts: Counter[str] = Counter()

    async def send() -> None:
        while True:
            counts.update(await mesh.send(SERVICE, 8))
            await asyncio.sleep(0.04)

    task = asyncio.create_task(send())
    try:
        yield counts
    finally:
        task.cancel()
        await asyncio.wait({task})


async def status(controller: Controller) -> str:
    """`ready`, `standby` or whatever else it says of itself; empty when it is away."""
    try:
        return str((await controller.get("/readyz")).json()["status"])
    except (httpx.TransportError, ValueError):
        return ""


async def says(controller: Controller, word: str) -> None:
    """Wait until it says that of itself."""
    end_s = time.monotonic() + PATIENCE_S
    while await status(controller) != word:
        assert time.monotonic() < end_s, f"not {word} within {PATIENCE_S:g} s"
        await asyncio.sleep(LOOK_EVERY_S)


async def one_kill(leader: Controller, standby: Controller, number: int, seen: Seen, late_s: float) -> None:
    """Acknowledge a word, kill, wait for the other one to lead, and look at what it knows and did."""
    wanted = "frozen" if number % 2 else "auto"
    call = leader.client.post if number % 2 else leader.client.delete
    answer = await call(leader.url + "/api/v1/freeze")
    assert answer.status_code == 200, answer.text
    before = (await leader.plan())["epoch"]
    await asyncio.sleep(late_s)
    seen.two_leaders += await status(standby) == "ready"
    killed_s = time.monotonic()
    leader.process.kill()
    await says(standby, "ready")
    seen.takeover_s.append(time.monotonic() - killed_s)
    plan = await standby.plan()
    seen.lost_words += plan["mode"] not in {wanted, "safe"}
    seen.stale_fences += plan["epoch"] != before + 1
    seen.idle_pushes += sum(bool(push["stored"]) for push in plan["pushes"])


async def measure(times: int, lease_s: float, seed: int) -> dict[str, Any]:
    """All kills, one after the other."""
    seen, jitter = Seen(), random.Random(seed)
    with tempfile.TemporaryDirectory() as name, postgresql() as ledger:
        folder = Path(name)
        (folder / "mesh").mkdir()
        async with haproxy(folder / "mesh") as mesh, load(mesh) as counts, contextlib.AsyncExitStack() as stack:
            homes = [write(folder / side, mesh, ledger, lease_s) for side in ("left", "right")]
            leader = await stack.enter_async_context(running(homes[0], "ready"))
            turns = itertools.cycle(reversed(homes))
            for number, home in zip(range(times), turns, strict=False):
                standby = await stack.enter_async_context(running(home, "standby"))
                await one_kill(leader, standby, number, seen, jitter.uniform(0.0, lease_s))
                leader = standby
            requests, failed = counts.total(), counts.total() - sum(counts[cluster] for cluster in CLUSTERS)
        book = Ledger(ledger)
        chain = await book.verify()
        book.close()
    return {
        "kills": times,
        "lease_s": lease_s,
        "p50_takeover_s": round(float(np.median(seen.takeover_s)), 3),
        "p99_takeover_s": round(float(np.quantile(seen.takeover_s, 0.99)), 3),
        "max_takeover_s": round(max(seen.takeover_s), 3),
        "acknowledged_lost": seen.lost_words,
        "stale_writes_accepted": seen.stale_fences,
        "pushes_without_a_change": seen.idle_pushes,
        "two_leaders_at_once": seen.two_leaders,
        "turns_in_an_unbroken_chain": chain,
        "requests": requests,
        "failed_requests": failed,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.takeover", description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--lease-seconds", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    values = asyncio.run(measure(arguments.times, arguments.lease_seconds, arguments.seed))
    print(json.dumps(values, indent=None if arguments.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
