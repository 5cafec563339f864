"""First documents for a fleet, from the little that is known of it: what `equipoise init` writes.

Whatever was guessed says so where it stands: prices, round trips, throughput and jurisdictions are people's to put in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

API = "apiVersion: equipoise.dev/v1alpha1"
UNKNOWN_RTT_MS = 80.0
"""Between regions nobody measured: the middle of a continent to the coast of the next."""
UNKNOWN_USD_PER_HOUR = 0.2
UNKNOWN_USD_PER_GB = 0.02


@dataclass(frozen=True, slots=True)
class DraftPool:
    """Nodes of one type."""

    node_type: str
    nodes: int
    vcpu: float
    memory_gib: float
    gpu: int = 0


@dataclass(frozen=True, slots=True)
class DraftCluster:
    """A cluster as far as it is known."""

    name: str
    provider: str
    region: str
    jurisdiction: str
    pools: tuple[DraftPool, ...]


def drafts(clusters: Sequence[DraftCluster], service: str = "web") -> dict[str, str]:
    """Documents by file name. ValueError for no clusters, or two of one name."""
    names = [cluster.name for cluster in clusters]
    if not clusters or len(set(names)) < len(names):
        raise ValueError("a fleet has one cluster or more, each with a name of its own")
    return {
        "clusters.yaml": "---\n".join(_cluster(cluster) for cluster in clusters),
        "services.yaml": _service(clusters, service),
        "origins.yaml": "---\n".join(_origin(cluster, service) for cluster in clusters),
        "latency.yaml": _latency(clusters),
        "prices.yaml": _prices(clusters),
        "policy.yaml": _policy(),
    }


def jurisdiction_of(region: str) -> str:
    """Guessed from the name of a region, as the large clouds call theirs; `any` where it says nothing."""
    head = region.split("-", maxsplit=1)[0].lower()
    known: Mapping[str, str] = {"us": "US", "eu": "EU", "europe": "EU", "ca": "CA", "ap": "APAC", "asia": "APAC",
                                "sa": "LATAM", "southamerica": "LATAM", "af": "AF", "me": "ME", "uk": "UK"}  # fmt: skip
    tails = {"europe": "EU", "us": "US", "asia": "APAC"}
    return known.get(head) or next((where for tail, where in tails.items() if region.lower().endswith(tail)), "any")


def _cluster(cluster: DraftCluster) -> str:
    pools = "".join(
        f"  - {{name: pool-{number}, nodeType: {pool.node_type}, nodes: {pool.nodes}, "
        f"perNode: {{vcpu: {pool.vcpu:g}, memoryGib: {pool.memory_gib:g}, gpu: {pool.gpu}}}}}\n"
        for number, pool in enumerate(cluster.pools, 1)
    )
    return (
        f"{API}\nkind: Cluster\nmetadata: {{name: {cluster.name}}}\nspec:\n  provider: {cluster.provider}\n"
        f"  region: {cluster.region}\n  jurisdiction: {cluster.jurisdiction}    # guessed from the region: check it\n"
        f"  pools:\n{pools}"
    )


def _service(clusters: Sequence[DraftCluster], service: str) -> str:
    types = sorted({cluster.pools[0].node_type for cluster in clusters})
    throughput = ", ".join(f"{node_type}: 50" for node_type in types)
    replicas = ", ".join(f"{cluster.name}: 2" for cluster in clusters)
    return (
        f"# One service to begin with; config/example/services.yaml documents every key.\n"
        f"{API}\nkind: Service\nmetadata: {{name: {service}}}\nspec:\n  exposed: true\n"
        f"  resources: {{vcpu: 1, memoryGib: 1}}        # of one replica: check it\n"
        f"  throughput: {{{throughput}}}    # requests/s of one replica by node type: measure it\n"
        f"  replicas: {{{replicas}}}\n"
        f'  # endpoints: {{CLUSTER: ["HOST:PORT"]}}     # to be probed and, by xDS meshes, reached\n'
    )


def _origin(cluster: DraftCluster, service: str) -> str:
    return (
        f"{API}\nkind: Origin\nmetadata: {{name: {cluster.name}}}\nspec:\n  cluster: {cluster.name}\n"
        f"  expectedRps: {{{service}: 10}}        # until it is measured\n"
        "  # mesh: how its weights are applied; without it they are shown. `equipoise connectors` lists all.\n"
        "  # telemetry: where demand is measured; `equipoise doctor` says what is missing.\n"
    )


def _latency(clusters: Sequence[DraftCluster]) -> str:
    regions = sorted({cluster.region for cluster in clusters})
    rows: dict[str, list[str]] = {}
    for a, b in combinations(regions, 2):
        rows.setdefault(a, []).append(f"{b}: {UNKNOWN_RTT_MS:g}")
    body = "".join(f"    {a}: {{{', '.join(others)}}}\n" for a, others in rows.items()) or "    {}\n"
    return (
        f"{API}\nkind: LatencyMatrix\nmetadata: {{name: to-measure}}\nspec:\n  asOf: 2026-01-01\n"
        f"  source: Nobody measured these; put in round trips of your own\n"
        f"  rttMs:    # ms\n{body}"
    )


def _prices(clusters: Sequence[DraftCluster]) -> str:
    types = sorted({(c.provider, c.region, pool.node_type) for c in clusters for pool in c.pools})
    nodes = "".join(
        f"  - {{provider: {p}, region: {r}, nodeType: {t}, usdPerHour: {UNKNOWN_USD_PER_HOUR:g}}}\n"
        for p, r, t in types
    )
    regions = sorted({cluster.region for cluster in clusters})
    egress = "".join(f'  - {{from: {region}, to: "*", usdPerGb: {UNKNOWN_USD_PER_GB:g}}}\n' for region in regions)
    return (
        f"{API}\nkind: PriceBook\nmetadata: {{name: to-look-up}}\nspec:\n  currency: USD\n  asOf: 2026-01-01\n"
        f"  source: Nobody looked these up; put in what you pay\n  nodeTypes:\n{nodes}  egress:\n{egress}"
    )


def _policy() -> str:
    return (
        "# How carefully to act: all of it has a default, config/example/policy.yaml documents every key.\n"
        f"{API}\nkind: Policy\nmetadata: {{name: default}}\nspec:\n  server: {{ledger: sqlite:///equipoise.db}}\n"
    )
