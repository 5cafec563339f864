"""The cost report of a large fleet: 90 days, 100 clusters, 1,000 services, each in every cluster: 9 million rows.

The ledger is SQLite, filled beforehand by the code that fills a real one (a day's record holds 100,000 rows, its hours
added up). Timed: reading it, pricing, allocating, and all views of `equipoise report cost`.

    python -m benchmarks.report --json
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from config.configuration import Configuration
from config.policy import PolicySpec
from placement.columns import ints
from scheduler.ledger import Ledger
from scheduler.reports.cost import cost_report
from scheduler.reports.sources import gathered, read_ledger
from scheduler.usage import DAY_S, HOUR_S, Usage, frame
from scheduler.usage_ledger import UsageLedger
from simulator.scenario.build import build
from simulator.scenario.model import Scenario

BEGIN_S = 1_782_864_000
"""2026-07-01T00:00Z."""


def documents(clusters: int, services: int) -> Configuration:
    """A fleet in real regions, a few to a region, with every service in every cluster."""
    from simulator.cloud.facts import regions  # noqa: PLC0415  beside its only use

    places = [key for key, place in sorted(regions().items()) if place.usd_per_hour]
    shape = {
        "clusters": {f"c{i:03d}": {"at": places[i % len(places)]} for i in range(clusters)},
        "services": {f"s{i:04d}": {"rpsPerReplica": 100, "replicas": 1, "nodeShare": 0.01} for i in range(services)},
    }
    spec = {"about": "large", "duration": 60, "fleet": shape}
    body = {"apiVersion": "equipoise.dev/v1alpha1", "kind": "Scenario", "metadata": {"name": "large"}, "spec": spec}
    found = build(Scenario.model_validate(body), Path())
    assert isinstance(found.configuration.policy, PolicySpec)
    return found.configuration


def day(rng: np.random.Generator, names: dict[str, tuple[str, ...]], at: int) -> Usage:
    """A day's record: every service in every cluster, from that cluster's mesh."""
    services, clusters = len(names["service"]), len(names["cluster"])
    service, cluster = np.divmod(np.arange(services * clusters), clusters)
    size = len(service)
    codes = {"service": ints(service), "origin": ints(cluster), "cluster": ints(cluster)}
    drawn = rng.random((4, size))
    quantities = {
        "requests": 1e6 * drawn[0], "used_h": 12 * drawn[1], "resilience_h": 4 * drawn[2], "idle_h": 8 * drawn[3],
    }  # fmt: skip
    return Usage(BEGIN_S + at * DAY_S, DAY_S, float(DAY_S), names, frame(codes, quantities), (float(HOUR_S),) * 24)


async def filled(url: str, configuration: Configuration, days: int) -> None:
    """A ledger with so many days."""
    ledger, rng = Ledger(url), np.random.default_rng(0)
    await ledger.migrate()
    names = {
        "service": tuple(s.name for s in configuration.services),
        "origin": tuple(o.name for o in configuration.origins),
        "cluster": tuple(c.name for c in configuration.clusters),
    }
    for at in range(days):
        await UsageLedger(ledger).write([day(rng, names, at)])
    ledger.close()


def measured(days: int, clusters: int, services: int) -> dict[str, object]:
    """Fill a ledger, then time the report."""
    configuration = documents(clusters, services)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ledger.db"
        asyncio.run(filled(url, configuration, days))
        size = Path(folder, "ledger.db").stat().st_size
        start_s, cpu_s = time.perf_counter(), time.process_time()
        reading = asyncio.run(read_ledger(url, "all"))
        read_s = time.perf_counter() - start_s
        found = gathered(reading, configuration)
        body = cost_report(found)
        wall_s, used_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    units = sum(round(row["usd"] * 1e6) for row in body["by_service"])
    return {
        "days": days, "clusters": clusters, "services": services, "rows": found.rows.height,
        "ledger_mib": round(size / 2**20, 1), "report_s": round(wall_s, 2), "read_s": round(read_s, 2),
        "cpu_s": round(used_s, 2), "usd": body["total"]["usd"], "parts_tie": units == found.bill.units,
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--clusters", type=int, default=100)
    parser.add_argument("--services", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    values = measured(arguments.days, arguments.clusters, arguments.services)
    print(json.dumps(values) if arguments.json else "\n".join(f"{name:20} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
