"""Where the regions of public clouds are. Facts of the providers' own region lists, for maps and distances."""

import csv
from functools import cache
from pathlib import Path

REGIONS = Path(__file__).with_name("regions.csv")


@cache
def coordinates() -> dict[str, tuple[float, float]]:
    """Latitude and longitude in degrees of each `provider/region` that is known."""
    with REGIONS.open(newline="", encoding="utf-8") as table:
        return {
            f"{row['provider']}/{row['region']}": (float(row["latitude"]), float(row["longitude"]))
            for row in csv.DictReader(table)
        }
