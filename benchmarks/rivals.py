"""Are we better than what others do? `python -m benchmarks.rivals --json [--scenarios FILE...] [-j 2]`.

Every published scenario is played by the production loop and by every rival (simulator/rivals.py), in the same world
with the same seed, and each pair is judged twice: no worse in availability, by more than a thousandth of the requests,
and no dearer in total cost (compute, egress, the value of waiting, and what failed or was refused at the price of
refusing), by more than a hundredth. A rival that serves fewer may be cheaper only in what it bills: what it loses is in
the total.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # else idle BLAS threads spin beside the solver

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from simulator.rivals import EQUIPOISE, RIVALS
from simulator.scenario.load import load_scenario
from simulator.sweep import Run, sweep

FOLDER = Path("scenarios")
LONG = {"fleet-day", "retail-peak-day"}
"""Days: hours for ten policies. Named on the command line they are played too."""
AVAILABILITY, TOTAL = 1e-3, 1e-2
"""Differences that count, of the requests and of the cost."""
Json = dict[str, Any]


class Loss(NamedTuple):
    """A rival that was better."""

    scenario: str
    policy: str
    metric: str
    ours: float
    theirs: float


def losses(results: Sequence[Json]) -> Iterator[Loss]:
    """Where a rival is better than ours, by scenario."""
    ours = {result["scenario"]: result["metrics"] for result in results if result["policy"] == EQUIPOISE}
    for result in results:
        scenario, policy, theirs = result["scenario"], result["policy"], result["metrics"]
        mine = ours[scenario]
        if theirs["availability"] > mine["availability"] + AVAILABILITY:
            yield Loss(scenario, policy, "availability", mine["availability"], theirs["availability"])
        if theirs["totalUsdPerHour"] < mine["totalUsdPerHour"] * (1 - TOTAL):
            yield Loss(scenario, policy, "totalUsdPerHour", mine["totalUsdPerHour"], theirs["totalUsdPerHour"])


def rows(results: Sequence[Json]) -> Iterator[Json]:
    """One per scenario: ours, and the best rival of each kind."""
    found = list(losses(results))
    for scenario in dict.fromkeys(result["scenario"] for result in results):
        here = [result for result in results if result["scenario"] == scenario]
        mine = next(r["metrics"] for r in here if r["policy"] == EQUIPOISE)
        others = [r for r in here if r["policy"] != EQUIPOISE]
        safest = max(others, key=lambda r: r["metrics"]["availability"])
        cheapest = min(others, key=lambda r: r["metrics"]["totalUsdPerHour"])
        yield {
            "scenario": scenario,
            "availability": mine["availability"],
            "best_rival": safest["policy"],
            "best_rival_availability": safest["metrics"]["availability"],
            "total_usd_per_h": mine["totalUsdPerHour"],
            "cheapest_rival": cheapest["policy"],
            "cheapest_rival_total_usd_per_h": cheapest["metrics"]["totalUsdPerHour"],
            "p95_ms": mine["p95Ms"],
            "beaten_in": sorted({f"{loss.metric} by {loss.policy}" for loss in found if loss.scenario == scenario}),
        }


def measure(files: Sequence[Path], jobs: int) -> Json:
    """Play everything and judge it."""
    loaded = [load_scenario(file) for file in files]
    policies = [EQUIPOISE, *RIVALS]
    runs = [Run(f"{one.scenario.name} {who}", one, who, one.scenario.spec.seed) for one in loaded for who in policies]
    results = sweep(runs, jobs, tell=_tell)
    table, found = list(rows(results)), list(losses(results))
    return {
        "scenarios": len(table),
        "rivals": len(RIVALS),
        "no_worse_in_availability": sum("availability" not in str(row["beaten_in"]) for row in table),
        "no_dearer_in_total": sum("totalUsdPerHour" not in str(row["beaten_in"]) for row in table),
        "pairs": len(table) * len(RIVALS),
        "pairs_lost_in_availability": sum(loss.metric == "availability" for loss in found),
        "pairs_lost_in_total": sum(loss.metric != "availability" for loss in found),
        "rows": table,
        "losses": [loss._asdict() for loss in found],
    }


def _tell(words: str) -> None:
    sys.stderr.write(words + "\n")


def table_of(body: Json) -> str:
    """The same as Markdown, for people and for docs/rivals.md."""
    lines = [
        "| Scenario | Ours | Best rival | $/h, ours | $/h, cheapest rival | Beaten in |",
        "|---|---|---|---|---|---|",
    ]
    for row in body["rows"]:
        best = f"{row['best_rival_availability']:.2%} {row['best_rival']}"
        cheapest = f"{row['cheapest_rival_total_usd_per_h']:.2f} {row['cheapest_rival']}"
        beaten = ", ".join(row["beaten_in"]) or "-"
        ours = f"{row['availability']:.2%} | {best} | {row['total_usd_per_h']:.2f}"
        lines.append(f"| `{row['scenario']}` | {ours} | {cheapest} | {beaten} |")
    counts = ("no_worse_in_availability", "no_dearer_in_total")
    said = ", ".join(f"{body[name]} of {body['scenarios']} {name.replace('_', ' ')}" for name in counts)
    return "\n".join([*lines, "", said, ""])


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rivals", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenarios", nargs="*", type=Path)
    parser.add_argument("--jobs", "-j", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    files = asked.scenarios or [f for f in sorted(FOLDER.glob("*.yaml")) if f.stem not in LONG]
    body = measure(files, asked.jobs)
    sys.stdout.write(json.dumps(body) + "\n" if asked.json else table_of(body))


if __name__ == "__main__":
    main(sys.argv[1:])
