"""Documents and usage for reports: the example fleet, and quantities drawn for it."""

from pathlib import Path

import numpy as np

from config.configuration import Configuration
from config.load import load
from placement.columns import ints
from scheduler.usage import HOUR_S, NONE, Usage, frame

EXAMPLE = Path(__file__).parents[3] / "config" / "example"
BEGIN_S = 1_790_812_800
"""2026-10-01T00:00Z."""


def documents() -> Configuration:
    """The example of the documentation: commitments, tiers, disks, load balancers, carbon."""
    return load(EXAMPLE)


def drawn(configuration: Configuration, seed: int, hour: int, covered_s: float = HOUR_S) -> Usage:
    """An hour of usage of a fleet, the sort that the meter writes."""
    rng = np.random.default_rng([seed, hour])
    services, origins, clusters = (
        tuple(d.name for d in found)
        for found in (configuration.services, configuration.origins, configuration.clusters)
    )
    hosts = [
        (s, c) for s, d in enumerate(configuration.services) for c, n in enumerate(clusters) if n in d.spec.replicas
    ]
    rows = [(s, o, c) for s, c in hosts for o in range(len(origins))] + [(s, NONE, c) for s, c in hosts]
    codes = np.array(rows, dtype=np.int64)
    codes = codes[rng.random(len(codes)) < 0.8]
    used = codes[:, 1] != NONE
    size = len(codes)
    quantities = {
        "requests": np.where(used, rng.uniform(0, 1e7, size), 0.0),
        "used_h": np.where(used, rng.uniform(0, 4, size), 0.0),
        "resilience_h": rng.uniform(0, 2, size),
        "idle_h": rng.uniform(0, 3, size),
    }
    named = {"service": ints(codes[:, 0]), "origin": ints(codes[:, 1]), "cluster": ints(codes[:, 2])}
    names = {"service": services, "origin": origins, "cluster": clusters}
    return Usage(BEGIN_S + hour * HOUR_S, HOUR_S, covered_s, names, frame(named, quantities))
