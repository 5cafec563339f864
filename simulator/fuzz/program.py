"""The world of a seed: a random fleet, random demand and a random program of faults that all heal before the end."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scheduler.state import Mode
from simulator.fuzz.palette import PALETTE, Chance
from simulator.scenario.build import build
from simulator.scenario.load import Loaded
from simulator.scenario.model import Scenario

CALM_S = 60.0
"""Before the first fault: the loop has settled by then."""
HEALED_S = 240.0
"""When the last fault has ended."""
END_S = 420.0
"""Long enough after it for hold-downs, ramps and steps to be over."""
EVENTS_MAX = 5
RPS_PER_REPLICA = 20.0
LAWS = ("north", "south")
PACED = 0.3
"""Part of the worlds with the guards as they are by default."""
HASTY = {
    "stepMax": 0.25, "movedPerMinute": 1.0, "changesPerHour": 10_000, "dwellSeconds": 0, "reversalsPerHour": 1_000,
    "bakeSeconds": 0, "evacuationsMax": 100,
}  # fmt: skip
"""Guards that let the loop settle before a run is over; each single step stays bounded."""
VANTAGES = ("c0", "c1")
"""Clusters that probe beside the controller."""


class Switch(NamedTuple):
    """An operator sets a mode for a time."""

    at_s: float
    until_s: float
    mode: Mode


@dataclass(frozen=True, slots=True)
class Program:
    """A seed and what came of it, as a scenario document that can be read, cut down and replayed."""

    seed: int
    document: dict[str, Any]
    switches: tuple[Switch, ...] = ()

    @property
    def hasty(self) -> bool:
        """Whether only single steps are bounded, and not the pace."""
        return "guards" in self.document["spec"]["policy"]

    @property
    def events(self) -> tuple[dict[str, Any], ...]:
        """The faults, in order of their beginnings."""
        return tuple(self.document["spec"]["events"])

    def only(self, events: tuple[dict[str, Any], ...]) -> "Program":
        """The same world with other faults."""
        spec = self.document["spec"] | {"events": list(events)}
        return replace(self, document=self.document | {"spec": spec})

    def loaded(self) -> Loaded:
        """The scenario, ready to be played."""
        scenario = Scenario.model_validate(self.document)
        return Loaded(scenario, Path(f"seed-{self.seed}.yaml"), build(scenario, Path()))


def program(seed: int) -> Program:
    """The program of a seed: always the same one."""
    rng = np.random.default_rng(seed)
    clusters = [f"c{i}" for i in range(int(rng.integers(2, 6)))]
    services = [f"s{i}" for i in range(int(rng.integers(1, 5)))]
    fleet = _fleet(rng, clusters, services)
    spec = {
        "about": f"Random world {seed}",
        "duration": f"{END_S:g}s",
        "seed": seed,
        "fleet": fleet,
        "policy": _policy(rng),
        "demand": _demand(rng, fleet),
        "world": _world(rng),
        "events": _events(rng, Chance(tuple(clusters), tuple(services), CALM_S, HEALED_S)),
    }
    name = {"name": f"seed-{seed}"}
    document = {"apiVersion": "equipoise.dev/v1alpha1", "kind": "Scenario", "metadata": name, "spec": spec}
    return Program(seed, document, _switches(rng))


def _fleet(rng: np.random.Generator, clusters: list[str], services: list[str]) -> dict[str, Any]:
    """Clusters in two jurisdictions and a few regions; the later services may be called by earlier ones."""
    shapes = {
        name: {
            "provider": f"p{int(rng.integers(2))}",
            "region": f"r{int(rng.integers(max(2, len(clusters) - 1)))}",
            "jurisdiction": LAWS[int(rng.integers(2))],
            "latitude": float(rng.uniform(-50, 60)),
            "longitude": float(rng.uniform(-120, 140)),
            "usdPerHour": {"general": round(float(rng.uniform(0.1, 0.4)), 3)},
        }
        for name in clusters
    }
    # A region lies in one cloud.
    for shape in shapes.values():
        shape["provider"] = f"p{int(str(shape['region'])[1:]) % 2}"
    return {"clusters": shapes, "services": {s: _service(rng, s, clusters, services) for s in services}}


def _service(rng: np.random.Generator, name: str, clusters: list[str], services: list[str]) -> dict[str, Any]:
    row = int(name[1:])
    hosts = [c for c in clusters if rng.random() < 0.8] or clusters[:1]
    later = services[row + 1 :]
    calls = {s: round(float(rng.uniform(0.3, 1.5)), 2) for s in later if rng.random() < 0.4}
    shape: dict[str, Any] = {
        "exposed": bool(row == 0 or rng.random() < 0.6),
        "priority": ("high", "normal", "low")[int(rng.integers(3))],
        "valueUsdPerMillionRequestMs": round(float(10 ** rng.uniform(-3, -0.5)), 5),
        "rpsPerReplica": RPS_PER_REPLICA,
        "replicas": {c: int(rng.integers(3, 12)) for c in hosts},
        "calls": calls,
        "latencyMs": round(float(rng.uniform(2, 40)), 1),
    }
    if rng.random() < 0.3:
        shape["jurisdictions"] = [LAWS[int(rng.integers(2))]]
    return shape


def _demand(rng: np.random.Generator, fleet: dict[str, Any]) -> list[dict[str, Any]]:
    """A part of what the service could serve, spread over all meshes; a third of the worlds have a day or a crowd."""
    entries = []
    for name, service in fleet["services"].items():
        if not service["exposed"]:
            continue
        served_rps = RPS_PER_REPLICA * sum(service["replicas"].values())
        part = rng.dirichlet(np.ones(len(fleet["clusters"])))
        load = float(rng.uniform(0.05, 0.6))
        for cluster, share in zip(fleet["clusters"], part.tolist(), strict=True):
            rps = round(load * served_rps * share, 2)
            if rps > 0:
                entries.append({"service": name, "origin": cluster, "rps": rps, "noise": 0.05})
    if entries and rng.random() < 0.3:
        entries[0]["crowd"] = {"at": "80s", "rise": "10s", "hold": "60s", "fall": "30s", "factor": 3.0}
    return entries


def _policy(rng: np.random.Generator) -> dict[str, Any]:
    """Short memories, so that a run has an end."""
    probes = {"rise": 8, "holdDownSeconds": 5, "holdDownMaxSeconds": 20, "rampSeconds": 20}
    quorum = {"quorum": int(rng.integers(1, 3)), "vantages": [_vantage(name) for name in VANTAGES]}
    policy: dict[str, Any] = {"tick": {"periodSeconds": float(rng.choice([4.0, 5.0]))}, "probes": probes | quorum}
    return policy if rng.random() < PACED else policy | {"guards": HASTY}


def _vantage(name: str) -> dict[str, str]:
    return {"name": name, "tokenSha256": hashlib.sha256(name.encode()).hexdigest()}


def _world(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "vantages": ["controller", *VANTAGES],
        "meshes": {"apply": f"{float(rng.choice([0.0, 0.2, 1.0])):g}s"},
        "telemetry": {"every": "2s", "lag": "0.5s", "noise": round(float(rng.uniform(0, 0.05)), 3)},
        "clients": {"retries": int(rng.integers(0, 3)), "dnsTtl": "5s"},
    }


def _switches(rng: np.random.Generator) -> tuple[Switch, ...]:
    """One world in eight has an operator who freezes or stops the loop for a while."""
    if rng.random() > 1 / 8:
        return ()
    at_s = float(rng.uniform(CALM_S, HEALED_S - 10))
    mode = (Mode.FROZEN, Mode.STOPPED)[int(rng.integers(2))]
    return (Switch(at_s, float(rng.uniform(at_s + 5, HEALED_S)), mode),)


def _events(rng: np.random.Generator, chance: Chance) -> list[dict[str, Any]]:
    count = int(rng.integers(1, EVENTS_MAX + 1))
    kinds = sorted(PALETTE)
    drawn = [PALETTE[kinds[int(rng.integers(len(kinds)))]](rng, chance) for _ in range(count)]
    return sorted(drawn, key=lambda event: float(str(event["at"])[:-1]))
