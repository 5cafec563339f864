"""A fleet of any size in real regions: what runs where and how popular it is comes from a seed."""

import numpy as np

from simulator.cloud.facts import regions
from simulator.scenario.fleet import ClusterShape, Drawn, FleetShape, ServiceShape

CALLED_EVERY = 4
"""Every so-manieth service is called by the one before it, and by nobody else."""
HOSTS = 6
"""Clusters that a service runs in, on average."""
MEAN_RPS = 300.0
"""Of a service and all its origins."""
REPLICA_RPS = 60.0


def drawn(wanted: Drawn, seed: int) -> tuple[FleetShape, dict[tuple[str, str], float]]:
    """The fleet in short form, and the demand of each (service, origin) at factor 1."""
    rng = np.random.default_rng(seed)
    known = sorted(regions())
    chosen = sorted(rng.permutation(len(known))[: wanted.clusters].tolist())
    clusters = {known[i].replace("/", "-"): ClusterShape(at=known[i]) for i in chosen}
    names = sorted(clusters)
    weight = rng.lognormal(0.0, 0.6, len(names))
    weight /= weight.sum()
    popularity = 1 / np.arange(1, wanted.services + 1) ** 0.8
    rng.shuffle(popularity)
    total_rps = MEAN_RPS * wanted.services * popularity / popularity.sum()
    services: dict[str, ServiceShape] = {}
    rps: dict[tuple[str, str], float] = {}
    caller_rps = 0.0
    for row in range(wanted.services):
        called = row % CALLED_EVERY == 1
        name = f"service-{row:03d}"
        asked = 2.0 * caller_rps if called else float(total_rps[row])
        caller_rps = asked
        calls = {f"service-{row + 1:03d}": 2.0} if row % CALLED_EVERY == 0 and row + 1 < wanted.services else {}
        services[name] = _service(rng, names, weight, asked, wanted.utilization, called, calls)
        if not called:
            taste = rng.lognormal(0.0, 0.3, len(names)) * weight
            rps |= {(name, names[c]): asked * float(part) for c, part in enumerate(taste / taste.sum())}
    return FleetShape(clusters=clusters, services=services), rps


def _service(
    rng: np.random.Generator,
    names: list[str],
    weight: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    asked_rps: float,
    utilization: float,
    called: bool,
    calls: dict[str, float],
) -> ServiceShape:
    hosts = rng.choice(len(names), min(len(names), max(2, int(rng.poisson(HOSTS)))), replace=False, p=weight)
    part = np.sqrt(weight[hosts]) * rng.lognormal(0.0, 0.2, len(hosts))
    count = np.ceil(asked_rps / utilization / REPLICA_RPS * part / part.sum()).astype(int)
    return ServiceShape.model_validate(
        {
            "exposed": not called,
            "priority": ("high", "normal", "low")[int(rng.integers(3))],
            "valueUsdPerMillionRequestMs": float(10 ** rng.uniform(-2.5, -0.5)),
            "responseBytes": float(10 ** rng.uniform(3, 4.8)),
            "rpsPerReplica": REPLICA_RPS,
            "replicas": {names[c]: max(2, n) for c, n in zip(hosts.tolist(), count.tolist(), strict=True)},
            "calls": calls,
            "latencyMs": float(rng.uniform(3, 40)),
        }
    )
