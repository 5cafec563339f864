"""A controller of a small simulated fleet behind the real routes, in one process: the loop ticks, the API answers."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from simulator.theatre import perform
from tests.scheduler.running import eventually, free_port

WORLD = """
apiVersion: equipoise.dev/v1alpha1
kind: Scenario
metadata: {name: small}
spec:
  about: four clusters on two continents
  duration: 24h
  fleet:
    clusters:
      dublin: {at: aws/eu-west-1}
      frankfurt: {at: aws/eu-central-1}
      virginia: {at: aws/us-east-1}
      oregon: {at: aws/us-west-2}
    users:
      europe: {latitude: 48.9, longitude: 2.4}
      america: {latitude: 41.9, longitude: -87.6}
    services:
      shop: {rpsPerReplica: 50, replicas: {dublin: 24, frankfurt: 24, virginia: 24, oregon: 20}, priority: high,
             valueUsdPerMillionRequestMs: 0.2, calls: {catalog: 2}}
      catalog: {exposed: false, rpsPerReplica: 200, latencyMs: 5,
                replicas: {dublin: 14, frankfurt: 14, virginia: 14, oregon: 11}}
  demand:
  - {service: shop, origin: europe, rps: 600, noise: 0.02}
  - {service: shop, origin: america, rps: 500, noise: 0.02}
  world: {telemetry: {every: 1s, lag: 0s}}
  policy:
    tick: {periodSeconds: 1}
    guards: {movedPerMinute: 1.0, stepMax: 0.5, changesPerHour: 1000, dwellSeconds: 0, bakeSeconds: 0,
             reversalsPerHour: 1000, trial: {goodAfterSeconds: 1}}
    drills: {stepSeconds: 5, leaseSeconds: 2, limits: {trafficMax: 1.0}}
"""
TOKENS = {role: f"eqp_{role}-token-0123456789abcdef" for role in ("viewer", "operator", "admin", "agent")}


def access_of(tokens: dict[str, str]) -> dict[str, Any]:
    """The part of a policy that knows some tokens, one for each role."""
    known = [
        {"name": f"the-{role}", "role": role, "sha256": hashlib.sha256(token.encode()).hexdigest()}
        for role, token in tokens.items()
    ]
    return {"tokens": known, "rates": {"perSecond": 100_000, "agentsPerSecond": 100_000, "failuresPerSecond": 100_000}}


@dataclass
class Running:
    """Where it answers."""

    url: str
    folder: Path
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, role: str = "", **more: Any) -> tuple[int, Any]:
        """Status and body; with the token of a role."""
        headers = {**more.pop("headers", {}), **({"Authorization": f"Bearer {TOKENS[role]}"} if role else {})}
        async with self.session.request(method, self.url + path, headers=headers, **more) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status not in {204, 304} else None


@asynccontextmanager
async def performed(folder: Path, **server: Any) -> AsyncIterator[Running]:
    """It runs until the block ends; `server` are keys of the policy's."""
    file = folder / "small.yaml"
    file.write_text(f"{WORLD}    server: {json.dumps(server)}\n", encoding="utf-8")
    api = f"127.0.0.1:{free_port()}"
    async with AsyncExitStack() as stack:
        task = asyncio.create_task(perform(file, api, f"sqlite:///{folder}/ledger.db"))
        stack.push_async_callback(_ended, task)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        running = Running(f"http://{api}", folder, session)

        async def ready() -> bool:
            assert not task.done(), task.exception()
            try:
                return (await running.ask("GET", "/readyz"))[0] == 200
            except aiohttp.ClientError:
                return False

        await eventually(ready, "the controller is ready", 60.0)
        yield running


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


async def until(holds: Callable[[], Any], what: str) -> None:
    """Wait for something that an awaitable says."""

    async def now() -> bool:
        return bool(await holds())

    await eventually(now, what, 30.0)
