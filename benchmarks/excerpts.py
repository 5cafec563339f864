"""Rows of the failover table of a large fleet: what one takes of a processor in an excerpt, and over the whole fleet.

Run: python -m benchmarks.excerpts [--json] [--clusters 1000] [--services 50] [--spread 40] [--rows 12]

The fleet is that of `benchmarks.scale`, on its optimum. Of every kind of loss `rows` are spilt, and solved, in the
excerpts in which the controller looks at them, and a quarter as many over the whole fleet (tiers: their application).

    KIND.spilt_ms, solved_ms     mean processor time of a row; each is a pair, in excerpts and whole
    KIND.flows                   mean number of flows in the excerpts
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scale_service import write
from config.load import load
from placement.baseline import nearest
from placement.losses import Loss, losses
from placement.problem import formulate
from placement.solve.failover import Study, TableOrder, study_of
from placement.solve.routing import solve_routing
from scheduler.preview import declared_snapshot
from scheduler.translate import loop_configuration

NEVER = 10**12
"""More flows than anybody has."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines for people")
    parser.add_argument("--clusters", type=int, default=1_000)
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--spread", type=int, default=40, help="clusters that each service runs in")
    parser.add_argument("--rows", type=int, default=12, help="of each kind of loss")
    asked = parser.parse_args(argv)
    found = measured(stood(asked.clusters, asked.services, asked.spread), asked.rows)
    print(json.dumps(found) if asked.json else "\n".join(f"{name:24} {value}" for name, value in found.items()))
    return 0


def stood(clusters: int, services: int, spread: int) -> TableOrder:
    """A refresh of the fleet on its optimum."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), clusters, services, spread, {"ledger": f"sqlite:///{folder}/ledger.db"})
        configuration = loop_configuration(load(Path(folder)))
    fleet, prices = configuration.fleet, configuration.policy.prices
    snapshot = declared_snapshot(configuration, nearest(fleet))
    routing = solve_routing(formulate(fleet, snapshot, prices)).routing
    return TableOrder(fleet, replace(snapshot, routing=routing), routing, prices)


def measured(order: TableOrder, rows: int) -> dict[str, Any]:
    """By kind of loss."""
    cut, whole = (study_of(replace(order, cut_from_flows=flows)) for flows in (0, NEVER))
    kinds: dict[str, list[Loss]] = {}
    for loss in losses(order.fleet):
        kinds.setdefault(loss.kind, []).append(loss)
    found: dict[str, Any] = {"flows": len(order.fleet.flows), "losses": sum(map(len, kinds.values()))}
    cut.row(kinds["cluster"][0], solve=True)  # what all share is worked out once
    for kind, every in kinds.items():
        some, few = (spaced(every, count) for count in (rows, max(1, rows // 4)))
        for words, solve in (("spilt", False), ("solved", True)):
            found[f"{kind}.{words}_ms"] = took_ms(cut, some, solve=solve), took_ms(whole, few, solve=solve)
        found[f"{kind}.flows"] = round(float(np.mean([len(cut.scopes.of(loss, None).part.flow) for loss in some])))
    return found


def spaced(every: list[Loss], count: int) -> list[Loss]:
    """So many of them, evenly."""
    return [every[i] for i in np.linspace(0, len(every) - 1, count).astype(int).tolist()]


def took_ms(study: Study, some: list[Loss], *, solve: bool) -> float:
    """Mean processor time of a row."""
    began_s = time.process_time()
    for loss in some:
        study.row(loss, solve=solve)
    return round(1e3 * (time.process_time() - began_s) / len(some), 1)


if __name__ == "__main__":
    sys.exit(main())
