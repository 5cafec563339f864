"""List prices of nodes in USD per hour: what is on a list is taken from it, and what is not is said to be assumed.

    general   8 vCPU, 32 GiB: m6i.2xlarge, D8s v5; abroad by the provider's own price index
    l4        g6.8xlarge, where the sample has it
    a100      p4de.24xlarge / 8, NC24ads A100 v4
    h100      p5.4xlarge, NC40ads H100 v5

Assumed: Google Cloud's accelerators, which its list prices apart from their hosts, cost in us-central1 what AWS asks in
us-east-1, and elsewhere that times the provider's index; they are where the list has their hosts.
"""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.realfleet.places import Place, rows

GENERAL = "general"
SHAPES = {
    "general": (8.0, 32.0, 100.0, 0.0),
    "l4": (32.0, 128.0, 500.0, 1.0),
    "a100": (24.0, 220.0, 500.0, 1.0),
    "h100": (40.0, 320.0, 500.0, 1.0),
}
"""What a node has: vCPU, memory in GiB, storage in GiB, GPUs."""
AZURE_TYPES = {
    "Standard_D8s_v5": "general",
    "Standard_NC24ads_A100_v4": "a100",
    "Standard_NC40ads_H100_v5": "h100",
}
AWS_TYPES = {"g6.8xlarge": ("l4", 1), "p4de.24xlarge": ("a100", 8), "p5.4xlarge": ("h100", 1)}
GCP_HOSTS = {"a2-highgpu-1g": "a100", "a3-highgpu-1g": "h100"}
AWS_GENERAL = "m6i.2xlarge"


@dataclass(frozen=True, slots=True)
class Node:
    """A type of node that a region sells."""

    node_type: str
    usd_per_hour: float


def nodes(data: Path, places: list[Place]) -> list[list[Node]]:
    """What each cluster's region sells, the general type first."""
    index = {
        (r["provider"], r["region"]): float(r["cpu_price_index"])
        for r in rows(data / "regions" / "regions_unified.csv")
        if r["cpu_price_index"]
    }
    home = {r["instance_type"]: float(r["usd_per_hour"]) for r in _table(data, "aws_us-east-1_ondemand_usd_per_hour")}
    listed = _aws(data) | _azure(data) | _gcp(data, home, index)
    found = []
    for place in places:
        key = (place.provider, place.region)
        general = listed.get((*key, GENERAL), home[AWS_GENERAL] * index.get(key, 1.0))
        gpus = [Node(t, listed[(*key, t)]) for t in SHAPES if t != GENERAL and (*key, t) in listed]
        found.append([Node(GENERAL, general), *gpus])
    return found


Prices = dict[tuple[str, str, str], float]


def _aws(data: Path) -> Prices:
    table = _table(data, "aws_multi_region_ondemand_sample")
    kept = [(r, *AWS_TYPES[r["instance_type"]]) for r in table if r["instance_type"] in AWS_TYPES]
    return {("aws", r["region"], node_type): float(r["usd_per_hour"]) / gpus for r, node_type, gpus in kept}


def _azure(data: Path) -> Prices:
    table = _table(data, "azure_ondemand_usd_per_hour")
    kept = [(r, AZURE_TYPES[r["instance_type"]]) for r in table if r["instance_type"] in AZURE_TYPES]
    return {("azure", r["region"], node_type): float(r["usd_per_hour"]) for r, node_type in kept}


def _gcp(data: Path, home: dict[str, float], index: dict[tuple[str, str], float]) -> Prices:
    at_home = {node_type: home[name] / gpus for name, (node_type, gpus) in AWS_TYPES.items()}
    found = {}
    for row in _table(data, "gcp_multi_region_sample"):
        for host, node_type in GCP_HOSTS.items():
            if row["sku"].startswith(host):
                found["gcp", row["region"], node_type] = at_home[node_type] * index["gcp", row["region"]]
    return found


def _table(data: Path, name: str) -> list[dict[str, str]]:
    return rows(data / "prices" / f"{name}.csv")
