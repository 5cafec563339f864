"""The failure atlas: every single and double loss of a fleet, played and ranked by what it does to users.

Losses are the clusters, and the regions and providers that are more than one of them. Each is played for a few minutes
at the demand of the scenario's beginning; pairs begin one after the other, as failures that come together do.
"""

from dataclasses import dataclass
from itertools import combinations

from config.configuration import Configuration
from simulator.results import Json
from simulator.rivals import EQUIPOISE
from simulator.scenario import faults as f
from simulator.scenario.load import Loaded
from simulator.sweep import Run
from simulator.variants import with_events

BEGINS_S, APART_S, LASTS_S = 30.0, 45.0, 150.0
OUTAGES: dict[str, type[f.Event]] = {
    "cluster": f.ClusterOutage,
    "region": f.RegionOutage,
    "provider": f.ProviderOutage,
}
MINIMUM_LEFT = 1
"""Clusters that must survive for a loss to be worth playing."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What fails together."""

    words: str
    clusters: frozenset[str]
    event: f.Event


def domains(documents: Configuration, at_s: float, lasts_s: float) -> list[Domain]:
    """Clusters, and regions and providers of several clusters that are not the whole fleet."""
    members: dict[tuple[str, str], set[str]] = {}
    for cluster in documents.clusters:
        members.setdefault(("cluster", cluster.name), set()).add(cluster.name)
        members.setdefault(("region", cluster.spec.region), set()).add(cluster.name)
        members.setdefault(("provider", cluster.spec.provider), set()).add(cluster.name)
    found = []
    for (kind, name), clusters in members.items():
        if kind == "cluster" or 1 < len(clusters) < len(documents.clusters):
            body = {"fault": f"{kind}-outage", kind: name, "at": at_s, "for": lasts_s}
            found.append(Domain(f"{kind} {name}", frozenset(clusters), OUTAGES[kind].model_validate(body)))
    return found


def atlas_runs(loaded: Loaded, *, pairs: bool, policy: str = EQUIPOISE) -> list[Run]:
    """One run for every loss, and with `pairs` one for every two of which neither holds the other."""
    documents, seed = loaded.configuration, loaded.scenario.spec.seed
    whole = len(documents.clusters)
    first = domains(documents, BEGINS_S, LASTS_S + APART_S)
    second = domains(documents, BEGINS_S + APART_S, LASTS_S)
    until_s = BEGINS_S + APART_S + LASTS_S
    runs = [Run(d.words, with_events(loaded, (d.event,), until_s), policy, seed) for d in first]
    for i, j in combinations(range(len(first)), 2) if pairs else ():
        one, other = first[i], second[j]
        both = one.clusters | other.clusters
        if len(both) > max(len(one.clusters), len(other.clusters)) and whole - len(both) >= MINIMUM_LEFT:
            words = f"{one.words} + {other.words}"
            runs.append(Run(words, with_events(loaded, (one.event, other.event), until_s), policy, seed))
    return runs


def ranked(results: list[Json]) -> list[Json]:
    """Rows by requests that were not answered, the worst first."""
    rows = [
        {
            "loss": result["variant"],
            "unanswered": round(1 - (result["metrics"]["availability"] or 0.0), 6),
            "shed": result["metrics"]["shed"],
            "failover_s": result["metrics"]["failoverS"],
            "p95_ms": result["metrics"]["p95Ms"],
            "worst_use": result["metrics"]["utilization"],
            "total_usd_per_hour": result["metrics"]["totalUsdPerHour"],
        }
        for result in results
    ]
    return sorted(rows, key=lambda row: (-row["unanswered"], row["loss"]))
