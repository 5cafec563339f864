"""The leader is killed again and again under load: how soon the standby steers, what users notice, what is lost.

Two controllers on one PostgreSQL steer a real HAProxy. Before each kill an operator's word is given to the leader and
acknowledged; after it the standby must know that word, must find its mesh fenced no higher than its own term, and must
have pushed nothing that did not differ.

A kill takes five to ten seconds, most of it the start of the next standby. With `--log FILE` each kill is a line of
that file as soon as it is done, and a later run with the same file does what is left of `--times` and counts them all.

    python -m benchmarks.takeover --times 50 --log kills.jsonl --json
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
from dataclasses import asdict, dataclass, replace
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


@dataclass(frozen=True)
class Kill:
    """What one of them showed."""

    takeover_s: float
    lost_words: int
    stale_fences: int
    idle_pushes: int
    two_leaders: int
    requests: int = 0
    """From the kill before to the end of this one."""
    failed_requests: int = 0


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


async def one_kill(leader: Controller, standby: Controller, number: int, late_s: float) -> Kill:
    """Acknowledge a word, kill, wait for the other one to lead, and look at what it knows and did."""
    wanted = "frozen" if number % 2 else "auto"
    call = leader.client.post if number % 2 else leader.client.delete
    answer = await call(leader.url + "/api/v1/freeze")
    assert answer.status_code == 200, answer.text
    before = (await leader.plan())["epoch"]
    await asyncio.sleep(late_s)
    two_leaders = await status(standby) == "ready"
    killed_s = time.monotonic()
    leader.process.kill()
    await says(standby, "ready")
    takeover_s, plan = time.monotonic() - killed_s, await standby.plan()
    return Kill(
        takeover_s=round(takeover_s, 4),
        lost_words=int(plan["mode"] not in {wanted, "safe"}),
        stale_fences=int(plan["epoch"] != before + 1),
        idle_pushes=sum(bool(push["stored"]) for push in plan["pushes"]),
        two_leaders=int(two_leaders),
    )


async def measure(times: int, lease_s: float, seed: int, log: Path | None = None) -> dict[str, Any]:
    """All kills, one after the other; those that the log has are not done again."""
    done, chain = kept(log), 0
    if len(done) < times:
        chain = await kill(range(len(done), times), lease_s, random.Random(seed + len(done)), done, log)
    takeover_s = [one.takeover_s for one in done]
    return {
        "kills": len(done),
        "lease_s": lease_s,
        "p50_takeover_s": round(float(np.median(takeover_s)), 3),
        "p99_takeover_s": round(float(np.quantile(takeover_s, 0.99)), 3),
        "max_takeover_s": round(max(takeover_s), 3),
        "acknowledged_lost": sum(one.lost_words for one in done),
        "stale_writes_accepted": sum(one.stale_fences for one in done),
        "pushes_without_a_change": sum(one.idle_pushes for one in done),
        "two_leaders_at_once": sum(one.two_leaders for one in done),
        "turns_in_an_unbroken_chain": chain,
        "requests": sum(one.requests for one in done),
        "failed_requests": sum(one.failed_requests for one in done),
    }


async def kill(numbers: range, lease_s: float, jitter: random.Random, done: list[Kill], log: Path | None) -> int:
    """Kill so often, and add what that showed; returns the turns of this run in the ledger, whose chain holds."""
    with tempfile.TemporaryDirectory() as name, postgresql() as ledger:
        folder = Path(name)
        (folder / "mesh").mkdir()
        async with haproxy(folder / "mesh") as mesh, load(mesh) as counts, contextlib.AsyncExitStack() as stack:
            homes = [write(folder / side, mesh, ledger, lease_s) for side in ("left", "right")]
            leader = await stack.enter_async_context(running(homes[0], "ready"))
            turns = itertools.cycle(reversed(homes))
            for number, home in zip(numbers, turns, strict=False):
                standby = await stack.enter_async_context(running(home, "standby"))
                found = await one_kill(leader, standby, number, jitter.uniform(0.0, lease_s))
                leader, total = standby, counts.total()
                failed = total - sum(counts[cluster] for cluster in CLUSTERS)
                counts.clear()
                done.append(replace(found, requests=total, failed_requests=failed))
                if log is not None:
                    await asyncio.to_thread(write_down, log, done[-1])
        book = Ledger(ledger)
        chain = await book.verify()
        book.close()
    return chain


def kept(log: Path | None) -> list[Kill]:
    """The kills that a log has."""
    if log is None or not log.exists():
        return []
    return [Kill(**json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]


def write_down(log: Path, found: Kill) -> None:
    """One line more."""
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(found)) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.takeover", description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--lease-seconds", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, help="keep each kill in this file, and begin after those in it")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    values = asyncio.run(measure(arguments.times, arguments.lease_seconds, arguments.seed, arguments.log))
    print(json.dumps(values, indent=None if arguments.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
