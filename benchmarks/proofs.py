"""L0 in the loop: how much of a generated fleet has a fresh proof of its failover paths, turn by turn.

The production tick runs on a synthetic fleet whose demand wanders, so that no proof stays true by itself; its failover
tables are refreshed in parts of bounded work as in the controller, and the coverage book follows every turn. Time is
virtual and goes on by the period, or by what the tick took of a processor where that is longer: one processor is all
that the loop gets here.

    proof_coverage_min     part of the traffic at stake whose path was proved in the last 60 s; after the first cycle
    flows_proved_min       the same, every flow counted alike: all of its paths
    oldest_proof_age_max_s the oldest proof that was ever the newest of its path
    first_cycle_s          until every single loss had its first row

    python -m benchmarks.proofs --size 200x40 --json
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from benchmarks.fleets import synthetic
from connectors.telemetry import Batch, Signal
from placement.columns import floats
from placement.fleet import Fleet, OriginId
from placement.losses import losses
from placement.readings import Readings
from placement.weights import WeightTable
from scheduler.desk import Unattended
from scheduler.drill_book import PROOF_WINDOW_S, PathBook
from scheduler.drill_probes import PathProbes
from scheduler.drill_sight import Look
from scheduler.loop import tick
from scheduler.policy import Policy
from scheduler.ports import Configuration, Ports
from scheduler.state import initial_state
from scheduler.turn import Turn
from scheduler.watch import ProbeWatch
from simulator.mesh import SimulatedMesh
from simulator.run import InlineSolver, in_place

WANDER = 0.03
"""Relative step of every flow's demand from one measurement to the next."""


class Seen(NamedTuple):
    """What one turn showed."""

    at_s: float
    whole: bool
    """Whether the table has a row for every single loss."""
    coverage: float
    flows: float
    oldest_s: float


@dataclass(slots=True)
class Bed(Unattended):
    """Clock, intake, ledger and desk of one run, all in memory."""

    fleet: Fleet
    policy: Policy
    declared: Readings
    demand: np.ndarray
    rng: np.random.Generator
    at_s: float = 0.0
    turns: list[Turn] = field(default_factory=list)

    def now_s(self) -> float:
        """Virtual seconds."""
        return self.at_s

    def wall_s(self) -> float:
        """The same."""
        return self.at_s

    async def sleep_until(self, at_s: float) -> None:
        """Be there."""
        self.at_s = max(self.at_s, at_s)

    def drain(self) -> tuple[Batch, ...]:
        """Demand, wandered by a step."""
        self.demand = self.demand * np.exp(self.rng.normal(0, WANDER, len(self.demand)))
        flows = zip(self.fleet.flows.service.tolist(), self.fleet.flows.origin.tolist(), strict=True)
        keys = tuple((self.fleet.services.ids[s], self.fleet.origins.ids[o]) for s, o in flows)
        return (Batch(Signal.DEMAND_RPS, "bed", self.at_s, keys, floats(self.demand)),)

    async def intend(self, turn: int, tables: Mapping[OriginId, WeightTable]) -> None:
        """Nothing is kept."""

    async def record(self, turn: Turn) -> None:
        """Nothing is kept."""

    def configuration(self) -> Configuration:
        """Always the same."""
        return Configuration(self.fleet, self.declared, self.policy)

    def closing(self) -> bool:
        """The turns are counted by who runs it."""
        return False


async def measure(services: int, clusters: int, seed: int, minutes: float) -> dict[str, Any]:
    """All of it."""
    fleet, readings = synthetic(services, clusters, seed)
    policy = Policy()
    bed = Bed(fleet, policy, readings, readings.demand_rps.copy(), np.random.default_rng(seed))
    watch = ProbeWatch(len(fleet.backends), policy.rules)
    meshes = {origin: SimulatedMesh(origin) for origin in fleet.origins.ids}
    ports = Ports(bed, watch, bed, meshes, InlineSolver(), bed, bed, in_place)
    state, book = initial_state(fleet, readings, {}, epoch=1, at_s=0.0), PathBook(PathProbes(bed.wall_s))
    seen: list[Seen] = []
    single = len(losses(fleet))
    busy_s: list[float] = []
    while bed.at_s < 60 * minutes:
        began_s = time.process_time()
        state, turn = await tick(state, ports, policy)
        busy_s.append(time.process_time() - began_s)
        bed.at_s += max(policy.period_s, busy_s[-1])
        look = Look(bed.at_s, bed.at_s, state, turn, silence_max_s=15.0)
        paths = book.paths_now(look)
        if paths is not None:
            book.follow(paths, look)
            summary = book.summary(bed.at_s)
            flows = summary["flows_proved_ratio"]
            there = state.failover is not None and len(state.failover.rows) >= single
            seen.append(Seen(bed.at_s, there, summary["proof_coverage"], flows, summary["oldest_proof_age_s"]))
        note(f"{bed.at_s:6.0f} s: {seen[-1][1:] if seen else 'no table yet'}")
    return summed(fleet, book, seen, busy_s)


def summed(fleet: Fleet, book: PathBook, seen: list[Seen], busy_s: list[float]) -> dict[str, Any]:
    """What the turns showed, from the first on that had a row for every single loss."""
    whole = next((i for i, row in enumerate(seen) if row.whole), len(seen))
    kept = seen[whole:]
    return {
        "services": len(fleet.services), "clusters": len(fleet.clusters), "flows": len(fleet.flows),
        "losses": len(book.losses), "paths": len(book.book), "turns": len(seen),
        "first_cycle_s": round(seen[whole].at_s, 1) if kept else None,
        "proof_coverage_min": min((row.coverage for row in kept), default=None),
        "flows_proved_min": min((row.flows for row in kept), default=None),
        "oldest_proof_age_max_s": max((row.oldest_s for row in kept), default=None),
        "proof_window_s": PROOF_WINDOW_S,
        "tick_cpu_p50_s": round(float(np.median(busy_s)), 3), "tick_cpu_max_s": round(max(busy_s), 3),
    }  # fmt: skip


def note(words: str) -> None:
    """How far it is."""
    sys.stderr.write(words + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was found; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.proofs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="200x40", help="services x clusters; %(default)s if not given")
    parser.add_argument("--minutes", type=float, default=5.0, help="of virtual time; %(default)g if not given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    services, clusters = (int(part) for part in arguments.size.split("x"))
    values = asyncio.run(measure(services, clusters, arguments.seed, arguments.minutes))
    print(json.dumps(values) if arguments.json else "\n".join(f"{name:24} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
