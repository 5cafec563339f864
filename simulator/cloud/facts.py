"""Regions of three clouds: place, list prices of nodes, round trips, transfer prices. Facts with their dates.

config/regions.csv
                coordinates: the providers' public region lists. Prices in USD per hour on demand, Linux: AWS and Azure
                as in karpenter's price files (2026-07-20, 2026-06-18), other AWS regions and Google Cloud by the
                skypilot-catalog and region-picker samples; `general` is 8 vCPU and 32 GiB, GPUs are one each. Google
                lists accelerators apart from their hosts: theirs are AWS's price times the provider's regional index.
round_trips.csv ms. AWS: pings of 2020-06-05 and Google Cloud: pings of 2019, both from vitorenesduarte/fantoch;
                Azure: P95 over 30 days to 2026-07-30 (azure-network-latency.md, Microsoft, CC-BY-4.0).
transfer        list prices past the small tiers, USD per GB. Between two providers, and to users, it is the sender's
                internet price.

None of it is live: good for the shape of an answer, not for an invoice. What is in no table follows distance.
"""

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from config.places import REGIONS

HERE = Path(__file__).parent
EARTH_KM = 6371.0
MS_PER_KM, ACCESS_MS = 0.014, 2.0
"""Round trip of 1 ms for 100 km, a detour of 1.4, and the way in and out: fits the tables above within a fifth."""
NODE_TYPES = {
    "general": (8.0, 32.0, 100.0, 0.0),
    "l4": (32.0, 128.0, 500.0, 1.0),
    "a100": (24.0, 220.0, 500.0, 1.0),
    "h100": (40.0, 320.0, 500.0, 1.0),
}
"""What a node has: vCPU, memory in GiB, storage in GiB, GPUs."""
INTERNET_USD_PER_GB = {"aws": 0.09, "azure": 0.0725, "gcp": 0.085}
INSIDE_USD_PER_GB = {"aws": 0.02, "azure": 0.02}
GCP_NEAR_USD_PER_GB = {"NA": 0.01, "EU": 0.02, "AS": 0.05, "SA": 0.08, "OC": 0.08}
FAR_USD_PER_GB = {"gcp": 0.08, "azure": 0.05}
OWN_USD_PER_GB = 0.01
"""What a data centre of one's own pays for transit, assumed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands. Prices are empty for a place that sells no nodes."""

    provider: str
    region: str
    latitude: float
    longitude: float
    continent: str = ""
    jurisdiction: str = ""
    usd_per_hour: tuple[tuple[str, float], ...] = ()
    """By node type."""


@cache
def regions() -> dict[str, Place]:
    """All known regions as `provider/region`."""
    with REGIONS.open(newline="", encoding="utf-8") as table:
        return {
            f"{row['provider']}/{row['region']}": Place(
                row["provider"],
                row["region"],
                float(row["latitude"]),
                float(row["longitude"]),
                row["continent"],
                row["jurisdiction"],
                tuple((name, float(row[name])) for name in NODE_TYPES if row[name]),
            )
            for row in csv.DictReader(table)
        }


@cache
def measured() -> dict[tuple[str, str, str], float]:
    """Round trips in ms by (provider, region, region), in both directions."""
    with (HERE / "round_trips.csv").open(newline="", encoding="utf-8") as table:
        rows = [(row["provider"], row["one"], row["other"], float(row["ms"])) for row in csv.DictReader(table)]
    return {key: ms for p, a, b, ms in rows for key in ((p, a, b), (p, b, a))}


def round_trip_ms(one: Place, other: Place) -> float:
    """As measured inside a provider, else by great-circle distance."""
    if (one.provider, one.region) == (other.provider, other.region):
        return ACCESS_MS / 2
    known = measured().get((one.provider, one.region, other.region)) if one.provider == other.provider else None
    return known if known is not None else ACCESS_MS + MS_PER_KM * distance_km(one, other)


def distance_km(one: Place, other: Place) -> float:
    """Along a great circle, by the haversine formula."""
    lat_a, lat_b = math.radians(one.latitude), math.radians(other.latitude)
    turn = math.radians(one.longitude - other.longitude)
    half = math.sin((lat_a - lat_b) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(turn / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, half)))


def transfer_usd_per_gb(sender: Place, receiver: Place) -> float:
    """What a gigabyte costs its sender. Users send for nothing."""
    if not sender.usd_per_hour or (sender.provider, sender.region) == (receiver.provider, receiver.region):
        return 0.0
    if sender.provider not in INTERNET_USD_PER_GB:
        return OWN_USD_PER_GB
    if sender.provider != receiver.provider:
        return INTERNET_USD_PER_GB[sender.provider]
    near = sender.continent == receiver.continent
    if sender.provider == "gcp":
        return GCP_NEAR_USD_PER_GB.get(sender.continent, 0.08) if near else FAR_USD_PER_GB["gcp"]
    return INSIDE_USD_PER_GB[sender.provider] if near else FAR_USD_PER_GB.get(sender.provider, 0.02)
