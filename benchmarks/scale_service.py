"""The service in front of a large fleet whose meshes are simulated: `python -m benchmarks.scale_service FOLDER`.

Loop, optimizer, failover tables, placement, drills, ledger, API and dashboard are those of `equipoise serve`. Each
cluster is an origin with a mesh in memory; probes say that all is well; measurements come in over HTTP, as agents send
them.
"""

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from config.configuration import Configuration as Documents
from scheduler.controller import Controller
from scheduler.ports import Configuration
from scheduler.serve import real_edges, serve
from scheduler.translate import loop_configuration
from simulator.mesh import SimulatedMesh

API = "equipoise.dev/v1alpha1"
REGIONS = 30
"""On a ring: two neighbours are STEP_MS apart."""
PER_FILE = 100
STEP_MS, RTT_MAX_MS, DEMAND_RPS = 8.0, 60.0, 15.0


@dataclass(slots=True)
class Large(Controller):
    """The edges of a controller whose meshes are in memory."""

    def apply(self, documents: Documents) -> Configuration:
        """The fleet is what the documents say at the start."""
        if self.current is None:
            self.current = loop_configuration(documents)
            fleet = self.current.fleet
            self.connectors = {origin: SimulatedMesh(origin) for origin in fleet.origins.ids}
            self.watch.retarget(
                np.full(len(fleet.backends), -1), self.current.policy.rules, np.zeros(1, dtype=np.int64),
                fleet.backends.service, fleet.backends.cluster, clusters=len(fleet.clusters),
            )  # fmt: skip
        return self.current

    async def start(self, xds: tuple[str, int]) -> None:
        """Nobody connects."""
        del xds

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Nothing is probed."""
        return ()


def edges(documents: Documents) -> Controller:
    """As `serve` wants them."""
    real = real_edges(documents)
    return Large(real.xds, real.watch, real.collector, real.prober, real.endpoints, real.roster)


def cluster_name(row: int) -> str:
    """Of the cluster of this row."""
    return f"cluster-{row:04d}"


def write(folder: Path, clusters: int, services: int, spread: int, server: dict[str, Any], seed: int = 0) -> None:
    """Documents of a fleet: each service runs in `spread` clusters, every fourth is called by the one before it."""
    rng = np.random.default_rng(seed)
    documents = [_document("Policy", "large", {"tick": {"periodSeconds": 10}, "server": server}), *_world()]
    for row in range(clusters):
        documents += _place(row, services, rng)
    for s in range(services):
        where = np.sort(rng.choice(clusters, min(spread, clusters), replace=False)).tolist()
        spec = {
            "exposed": s % 4 != 1, "rttMaxMs": RTT_MAX_MS, "valueUsdPerMillionRequestMs": 0.02,
            "resources": {"vcpu": 1}, "throughput": {"node": 1000},
            "replicas": {cluster_name(c): _replicas(clusters, spread) for c in where},
        }  # fmt: skip
        if s % 4 == 0 and s + 1 < services:
            spec["calls"] = {f"service-{s + 1}": 0.5}
        documents.append(_document("Service", f"service-{s}", spec))
    for part in range(0, len(documents), PER_FILE):
        text = "\n---\n".join(json.dumps(document) for document in documents[part : part + PER_FILE])
        (folder / f"part-{part:04d}.yaml").write_text(text, encoding="utf-8")


def _place(row: int, services: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A cluster and its mesh."""
    pool = {"name": "general", "nodeType": "node", "nodes": 2_000, "perNode": {"vcpu": 16}}
    cluster = {"provider": "metal", "region": f"r{row % REGIONS}", "jurisdiction": "EU", "pools": [pool]}
    demand = {f"service-{s}": demand_rps(rng) for s in range(services) if s % 4 != 1}
    origin = {"cluster": cluster_name(row), "expectedRps": demand}
    return [_document("Cluster", cluster_name(row), cluster), _document("Origin", cluster_name(row), origin)]


def _replicas(clusters: int, spread: int) -> int:
    """Of 1,000 requests/s each, so that the whole is used to a third or so."""
    return max(1, round(3 * DEMAND_RPS * clusters / min(spread, clusters) / 1_000))


def _world() -> list[dict[str, Any]]:
    """Distances and prices."""
    names = [f"r{i}" for i in range(REGIONS)]
    apart = {i: {j: min(j - i, REGIONS - j + i) for j in range(i + 1, REGIONS)} for i in range(REGIONS)}
    trips = {names[i]: {names[j]: 2 + STEP_MS * steps for j, steps in row.items()} for i, row in apart.items() if row}
    for name in names:
        trips.setdefault(name, {})[name] = 1.0
    made = {"asOf": "2026-11-26", "source": "Made for this measurement"}
    where = [{"provider": "metal", "region": name, "nodeType": "node", "usdPerHour": 0.8} for name in names]
    egress = [{"from": name, "to": "*", "usdPerGb": 0.01} for name in names]
    prices = {"currency": "USD", "nodeTypes": where, "egress": egress}
    return [_document("LatencyMatrix", "made", made | {"rttMs": trips}), _document("PriceBook", "made", made | prices)]


def demand_rps(rng: np.random.Generator) -> float:
    """Of one service at one origin."""
    return round(float(rng.uniform(0.5, 1.5)) * DEMAND_RPS, 2)


def _document(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


if __name__ == "__main__":
    asyncio.run(serve((Path(sys.argv[1]),), edges=edges))
