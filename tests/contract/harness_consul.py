"""A real Consul agent under the contract suite: it stores, checks and compiles; the data plane is a draw by its chains.

No proxy runs: where requests go is drawn by the discovery chain that the agent hands to every proxy. One agent serves
all tests of a run, which begin by taking away what the one before has left.
"""

import atexit
import contextlib
import functools
import json
import random
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from connectors.consul.connector import ConsulDialect
from connectors.consul.spec import ConsulSpec, Place
from connectors.fenced import FencedConnector
from connectors.http import Access
from placement.fleet import ClusterId, OriginId
from placement.weights import WeightTable
from tests import real
from tests.contract.backends import free_port
from tests.contract.harness import CLUSTERS, ORIGIN, SERVICE, table
from tests.contract.harness_standin import BOOK, BROKEN

PLACES = {"east": Place("dc-east"), "north": Place("dc1"), "west": Place("dc-west"), BROKEN: Place("dc-x")}
"""By their datacenters alone: peers came with Consul 1.13. The agent is in dc1."""
KINDS = ("service-splitter", "service-resolver", "service-defaults")
READY_S = 60.0


class ConsulHarness:
    """One agent, and a draw by what it has compiled."""

    def __init__(self, url: str) -> None:
        self.spec = ConsulSpec(
            OriginId(ORIGIN), Access(url), BOOK, {ClusterId(c): place for c, place in PLACES.items()}
        )
        self.connector = FencedConnector(ConsulDialect(self.spec))
        self.http = httpx.AsyncClient(base_url=url, trust_env=False)
        self.alive = set(CLUSTERS)
        self._draw = random.Random(7)

    async def send(self, service: str, requests: int) -> Counter[str]:
        """Drawn by the chain, to the first living cluster of each target."""
        answer = await self.http.get(f"/v1/discovery-chain/{service}")
        drawn = targets(answer.raise_for_status().json()["Chain"])
        chosen = self._draw.choices(list(drawn), [weight for weight, _ in drawn.values()], k=requests)
        counts: Counter[str] = Counter()
        for first, number in Counter(chosen).items():
            ways = (first, *drawn[first][1])
            counts[next((c for c in ways if c in self.alive), "ERROR dead")] += number
        return counts

    async def kill(self, cluster: str) -> None:
        """Its endpoints do not answer."""
        self.alive.discard(cluster)

    async def revive(self, cluster: str) -> None:
        """They do again."""
        self.alive.add(cluster)

    def refusable(self, given: WeightTable) -> WeightTable:
        """All to a leg whose protocol cannot be split."""
        return table({BROKEN: given.unit}, fence=given.fence)

    async def cut(self) -> None:
        """Another address for the API."""
        await self._move("http://127.0.0.1:1")

    async def mend(self) -> None:
        """The right one."""
        await self._move(self.spec.access.url)

    async def _move(self, url: str) -> None:
        await self.connector.close()
        moved = replace(self.spec, access=replace(self.spec.access, url=url))
        self.connector = FencedConnector(ConsulDialect(moved))

    async def clean(self) -> None:
        """As nobody has written; splitters go first, for they need the rest."""
        for kind in KINDS:
            for entry in (await self.http.get(f"/v1/config/{kind}")).raise_for_status().json():
                (await self.http.delete(f"/v1/config/{kind}/{entry['Name']}")).raise_for_status()
        (await self.http.delete("/v1/kv/", params={"recurse": "true"})).raise_for_status()


def targets(chain: Mapping[str, Any]) -> dict[str, tuple[float, list[str]]]:
    """Cluster -> (weight, clusters that stand in for it), as a proxy would follow a compiled chain."""
    nodes, start = chain["Nodes"], chain["Nodes"][chain["StartNode"]]
    splits = start.get("Splits") or [{"Weight": 100, "NextNode": chain["StartNode"]}]
    found = {}
    for split in splits:
        resolver = nodes[split["NextNode"]]["Resolver"]
        standbys = (resolver.get("Failover") or {}).get("Targets") or []
        first = _cluster(chain, resolver["Target"])
        found[first] = (split["Weight"], [c for c in (_cluster(chain, t) for t in standbys) if c != first])
    return found


def _cluster(chain: Mapping[str, Any], target: str) -> str:
    place = Place(chain["Targets"][target]["Datacenter"], chain["Targets"][target].get("Peer", ""))
    return next((cluster for cluster, known in PLACES.items() if known == place), f"ERROR {target}")


@functools.cache
def agent() -> str:
    """The URL of an agent that ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="equipoise-consul-")
    held = contextlib.ExitStack()
    held.enter_context(folder)
    atexit.register(held.close)
    return held.enter_context(started(Path(folder.name), {}, {}))


@contextlib.contextmanager
def started(
    folder: Path, settings: Mapping[str, Any], headers: Mapping[str, str], *, dev: bool = True
) -> Iterator[str]:
    """The URL of an agent of our own on loopback while the block lasts; in dev mode once it has a leader."""
    program = real.require("consul")
    http, server, lan, wan = (free_port() for _ in range(4))
    ports = {"http": http, "server": server, "serf_lan": lan, "serf_wan": wan, "dns": -1, "grpc": -1}
    whole = {"bind_addr": "127.0.0.1", "datacenter": "dc1", "ports": ports, **settings}
    (folder / "agent.json").write_text(json.dumps(whole), encoding="utf-8")
    command = [program, "agent", *(["-dev"] if dev else []), "-config-file", "agent.json"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{http}", folder / "log", dict(headers), {200} if dev else {200, 500})
        yield f"http://127.0.0.1:{http}"
    finally:
        process.kill()
        process.wait()


def _wait(url: str, log: Path, headers: dict[str, str], answers: set[int]) -> None:
    """Until a write goes through, or is answered at least."""
    end_s = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.put(f"{url}/v1/kv/ready", content=b"1", headers=headers, trust_env=False).status_code in answers:
                return
        assert time.monotonic() < end_s, log.read_text(encoding="utf-8", errors="replace")[-2_000:]


@contextlib.asynccontextmanager
async def consul_agent(_: Path) -> AsyncIterator[ConsulHarness]:
    """A connector to the agent, which has nothing but somebody else's protocol of the broken leg."""
    harness = ConsulHarness(agent())
    try:
        await harness.clean()
        entry = {"Kind": "service-defaults", "Name": f"{SERVICE}-{BROKEN}", "Protocol": "tcp"}
        (await harness.http.put("/v1/config", json=entry)).raise_for_status()
        yield harness
    finally:
        await harness.connector.close()
        await harness.http.aclose()
