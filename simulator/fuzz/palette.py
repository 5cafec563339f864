"""How each fault is drawn at random: where, how hard, from when to when. Every one ends before the time to heal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

SHORTEST_S = 5.0


@dataclass(frozen=True, slots=True)
class Chance:
    """What may be hit, and the time in which it may happen."""

    clusters: tuple[str, ...]
    services: tuple[str, ...]
    from_s: float
    until_s: float

    def cluster(self, rng: np.random.Generator) -> str:
        """One of them."""
        return self.clusters[int(rng.integers(len(self.clusters)))]

    def service(self, rng: np.random.Generator) -> str:
        """One of them."""
        return self.services[int(rng.integers(len(self.services)))]

    def when(self, rng: np.random.Generator) -> dict[str, str]:
        """A beginning and a length."""
        at_s = float(rng.uniform(self.from_s, self.until_s - SHORTEST_S))
        lasts_s = float(rng.uniform(SHORTEST_S, self.until_s - at_s))
        return {"at": f"{at_s:.2f}s", "for": f"{lasts_s:.2f}s"}


Draw = Callable[[np.random.Generator, Chance], dict[str, Any]]
PALETTE: dict[str, Draw] = {}
"""By the name of the fault."""


def fault(name: str) -> Callable[[Callable[[np.random.Generator, Chance], dict[str, Any]]], Draw]:
    """Registers a function that draws everything but the name and the time."""

    def register(details: Callable[[np.random.Generator, Chance], dict[str, Any]]) -> Draw:
        def drawn(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
            return {"fault": name, **chance.when(rng), **details(rng, chance)}

        PALETTE[name] = drawn
        return drawn

    return register


def _ratio(rng: np.random.Generator, least: float = 0.05, most: float = 1.0) -> float:
    return round(float(rng.uniform(least, most)), 3)


@fault("cluster-outage")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"cluster": chance.cluster(rng)}


@fault("service-outage")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"cluster": chance.cluster(rng), "service": chance.service(rng)}


@fault("az-outage")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"cluster": chance.cluster(rng)}


@fault("gateway-loss")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"cluster": chance.cluster(rng)}


@fault("gray")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    hit = {"cluster": chance.cluster(rng), "errorRatio": _ratio(rng, 0.02, 0.5)}
    return hit | {"slowdownMs": round(float(rng.uniform(0, 400)), 1), "probed": bool(rng.integers(2))}


@fault("latency")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"from": chance.cluster(rng), "to": chance.cluster(rng), "ms": round(float(rng.uniform(5, 300)), 1)}


@fault("loss")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    sender = "controller" if rng.random() < 0.3 else chance.cluster(rng)
    return {"from": sender, "to": chance.cluster(rng), "ratio": _ratio(rng, 0.02, 0.9)}


@fault("partition")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    sender = "controller" if rng.random() < 0.5 else chance.cluster(rng)
    return {"from": sender, "to": chance.cluster(rng), "twoWay": bool(rng.integers(2))}


@fault("capacity-loss")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"cluster": chance.cluster(rng), "ratio": _ratio(rng, 0.1, 0.9)}


@fault("price-change")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"cluster": chance.cluster(rng), "factor": round(float(10 ** rng.uniform(-1, 1)), 3)}


@fault("demand-surge")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"origin": chance.cluster(rng), "factor": round(float(10 ** rng.uniform(-1, 0.7)), 3)}


@fault("telemetry-stale")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"cluster": "*" if rng.random() < 0.4 else chance.cluster(rng)}


@fault("telemetry-lie")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    signals = ("demand_rps", "capacity_rps", "latency_ms", "error_ratio")
    lie: dict[str, Any] = {"cluster": chance.cluster(rng), "signal": signals[int(rng.integers(len(signals)))]}
    if rng.random() < 0.25:
        return lie | {"notANumber": True}
    return lie | {"factor": round(float(rng.choice([-1.0, 0.0, 0.1, 3.0, 1000.0])), 1)}


@fault("clock-skew")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"cluster": chance.cluster(rng), "seconds": round(float(rng.choice([-3600.0, -5.0, 1.0, 30.0, 3600.0])), 1)}


@fault("connector-error")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"origin": chance.cluster(rng), "applies": bool(rng.integers(2))}


@fault("push-reject")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"origin": chance.cluster(rng)}


@fault("push-partial")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {"origin": chance.cluster(rng), "ratio": _ratio(rng)}


@fault("probe-failure")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    del chance
    return {"ratio": float(rng.choice([0.05, 0.5, 1.0]))}


@fault("solver-outage")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    del rng, chance
    return {}


@fault("ledger-outage")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    del rng, chance
    return {}


@fault("controller-crash")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    del rng, chance
    return {}


@fault("flapping")
def _(rng: np.random.Generator, chance: Chance) -> dict[str, Any]:
    return {
        "cluster": chance.cluster(rng),
        "period": f"{float(rng.uniform(4, 40)):.1f}s",
        "upRatio": _ratio(rng, 0.2, 0.8),
    }
