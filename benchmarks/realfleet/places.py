"""Where clusters stand and where users are, and what lies between: round trips in ms, transfer in USD per GB.

Round trips inside a provider are the published or measured ones (Azure P95, AWS 2020, GCP 2019); the others, and all
between two providers, of which there is no public table, follow great-circle distance. Transfer inside AWS follows
its table of pairs, inside Azure and Google Cloud their rules by continent; between providers and to users it is the
internet price of who sends.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from placement.columns import Floats

EARTH_KM = 6371.0
MS_PER_KM, ACCESS_MS = 0.014, 2.0
"""1 ms for 100 km there and back, a detour of 1.4, and the way in and out."""
REGIONS = {
    "aws": {
        "us-east-1": "NA", "us-west-2": "NA", "ca-central-1": "NA", "eu-west-1": "EU", "eu-west-2": "EU",
        "eu-central-1": "EU", "eu-north-1": "EU", "ap-south-1": "AS", "ap-southeast-1": "AS", "ap-southeast-2": "OC",
        "ap-northeast-1": "AS",
    },
    "azure": {
        "eastus": "NA", "southcentralus": "NA", "westus3": "NA", "northeurope": "EU", "westeurope": "EU",
        "swedencentral": "EU", "uksouth": "EU", "centralindia": "AS", "southeastasia": "AS", "japaneast": "AS",
        "brazilsouth": "SA",
    },
    "gcp": {
        "us-central1": "NA", "us-east4": "NA", "us-west1": "NA", "europe-west1": "EU", "europe-west3": "EU",
        "europe-west4": "EU", "asia-south1": "AS", "asia-southeast1": "AS", "asia-northeast1": "AS",
        "southamerica-east1": "SA",
    },
}  # fmt: skip
"""The clusters: region and continent, by provider."""
NOT_EU = {"eu-west-2", "uksouth"}
"""European regions outside the jurisdiction of the European Union."""
ABROAD_USD = {"aws": 0.09, "azure": 0.0725, "gcp": 0.085}
"""To the internet, past the small tiers."""
GCP_NEAR_USD = {"NA": 0.01, "EU": 0.02, "AS": 0.05, "SA": 0.08, "OC": 0.08}
GCP_FAR_USD, AZURE_USD, AWS_USD = 0.08, 0.02, 0.02


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster's region, or a client region."""

    provider: str
    """`users` for a client region."""
    region: str
    continent: str
    latitude: float
    longitude: float
    weight: float = 0.0
    """Part of the world's users; 0 for a cluster."""

    @property
    def name(self) -> str:
        """Its id in the fleet."""
        return f"{self.provider}-{self.region}"


def rows(path: Path) -> list[dict[str, str]]:
    """A table of the data folder. `NA` is text there: a continent, a country."""
    with path.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def clusters(data: Path) -> list[Place]:
    """The regions above, with their coordinates."""
    found = {(r["provider"], r["region"]): r for r in rows(data / "regions" / "regions_unified.csv")}
    return [
        Place(
            provider,
            region,
            continent,
            float(found[provider, region]["latitude"]),
            float(found[provider, region]["longitude"]),
        )
        for provider, regions in REGIONS.items()
        for region, continent in regions.items()
    ]


def users(data: Path) -> list[Place]:
    """Client regions with their part of the world's users: population times use."""
    table = [r for r in rows(data / "benchmarks" / "policy_fleets_places.csv") if r["origin_weight"]]
    return [
        Place(
            "users",
            r["place"],
            r["continent"],
            float(r["latitude"]),
            float(r["longitude"]),
            float(r["origin_weight"]),
        )
        for r in table
    ]


def round_trips_ms(data: Path, sources: list[Place], targets: list[Place]) -> tuple[Floats, float]:
    """(sources, targets) round trips, and the part of the pairs that was measured.

    A client region is at the place of the Azure region whose name it has, so those pairs are Azure's.
    """
    azure = {(r["src"], r["dst"]): float(r["p95_rtt_ms"]) for r in _latency(data, "azure_p95_rtt_ms_2026-07-30")}
    pings = {(r["src"], r["dst"]): float(r["avg_ms"]) for r in _latency(data, "aws_2020_06_05_ping_ms")}
    pings |= {(r["src"], r["dst"]): float(r["avg_ms"]) for r in _latency(data, "gcp_2019_ping_ms")}
    known = {"aws": pings, "gcp": pings, "azure": azure, "users": azure}
    rtt, measured = np.empty((len(sources), len(targets))), 0
    for i, source in enumerate(sources):
        for j, target in enumerate(targets):
            alike = source.provider in {target.provider, "users"}
            found = known[target.provider].get((source.region, target.region)) if alike else None
            measured += found is not None
            rtt[i, j] = ACCESS_MS + MS_PER_KM * _km(source, target) if found is None else found
            if source == target:
                rtt[i, j] = min(rtt[i, j], ACCESS_MS)
    return rtt, measured / rtt.size


def transfer_usd_per_gb(data: Path, sources: list[Place], targets: list[Place]) -> Floats:
    """(sources, targets) price of a gigabyte that a source sends. Users send for nothing."""
    aws = {(r["src"], r["dst"]): float(r["cost"]) for r in rows(data / "egress" / "aws_transfer_costs_usd_per_gb.csv")}
    return np.array([[_transfer_usd(aws, source, target) for target in targets] for source in sources])


def _transfer_usd(aws: dict[tuple[str, str], float], source: Place, target: Place) -> float:
    if source.provider == "users" or source == target:
        return 0.0
    if source.provider != target.provider:
        return ABROAD_USD[source.provider]
    if source.provider == "aws":
        return aws.get((source.region, target.region), AWS_USD)
    if source.provider == "azure":
        return AZURE_USD if source.continent == target.continent else 2.5 * AZURE_USD
    return GCP_NEAR_USD[source.continent] if source.continent == target.continent else GCP_FAR_USD


def _latency(data: Path, name: str) -> list[dict[str, str]]:
    return rows(data / "latency" / f"{name}.csv")


def _km(a: Place, b: Place) -> float:
    lat_a, lat_b, turn = np.radians([a.latitude, b.latitude, a.longitude - b.longitude])
    cosine = np.sin(lat_a) * np.sin(lat_b) + np.cos(lat_a) * np.cos(lat_b) * np.cos(turn)
    return float(EARTH_KM * np.arccos(np.clip(cosine, -1, 1)))
