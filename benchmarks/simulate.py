"""How fast is the what-if? `python -m benchmarks.simulate --json`. One process, one core.

A drawn fleet of real regions through a part of a day: the production loop with a tick of ten seconds, its optimizer,
its guards, its pushes, and the fluid world around it. `simulated_s_per_s` is virtual time over processor time, solver
included; `day_s` is what 24 h of it take at that pace. `tick_ms` is all of it per tick, the world too. `solved` of the
ticks asked the optimizer, in the others weak duality proved what stood to be within `--gap` of the optimum (the
scenario's `solver: certified`); with `--exact` every tick solves.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # else idle BLAS threads spin beside the solver

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from simulator.play import Played, play
from simulator.scenario.load import load_scenario
from simulator.score import scores

DAY_S = 86_400.0
SCENARIO = """\
apiVersion: equipoise.dev/v1alpha1
kind: Scenario
metadata: {{name: drawn}}
spec:
  about: a part of a day of a drawn fleet
  duration: {duration_s}
  seed: {seed}
  solver: {solver}
  solverGap: {gap}
  policy: {{tick: {{periodSeconds: 10}}}}
  fleet: {{drawn: {{clusters: {clusters}, services: {services}, utilization: 0.45}}}}
  demand: [{{diurnal: {{peakHour: 20, trough: 0.4, startsHour: 6}}}}]
  world: {{step: 10s, telemetry: {{every: 10s, noise: 0.005}}}}
"""


def measure(clusters: int, services: int, hours: float, seed: int, gap: float, exact: bool) -> dict[str, float | str]:
    """Play it once, after a minute of it that compiles and imports what is needed."""
    with tempfile.TemporaryDirectory() as folder:
        played = [
            _played(Path(folder), duration_s, clusters, services, seed, gap, exact)
            for duration_s in (60.0, 3_600 * hours)
        ]
    run = played[-1]
    simulated_s = run.loaded.scenario.spec.duration
    pace = simulated_s / run.cpu_s
    numbers = scores(run)
    return {
        "size": f"{services}x{clusters}",
        "seed": seed,
        "simulated_h": hours,
        "simulated_s_per_s": round(pace, 1),
        "day_s": round(DAY_S / pace, 1),
        "cpu_s": round(run.cpu_s, 2),
        "ticks": len(run.diary.reasons),
        "tick_ms": round(1e3 * run.cpu_s / len(run.diary.reasons), 3),
        "solved": run.solved,
        "certified": run.certified,
        "availability": round(numbers["availability"], 6),
        "moved_per_h": round(numbers["moved"], 4),
    }


def _played(
    folder: Path, duration_s: float, clusters: int, services: int, seed: int, gap: float, exact: bool
) -> Played:
    file = folder / "drawn.yaml"
    solver = "exact" if exact else "certified"
    words = SCENARIO.format(
        duration_s=duration_s, seed=seed, solver=solver, gap=gap, clusters=clusters, services=services
    )
    file.write_text(words, encoding="utf-8")
    return play(load_scenario(file))


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="50x20", help="services x clusters")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gap", type=float, default=0.02)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    services, clusters = (int(n) for n in asked.size.split("x"))
    result = measure(clusters, services, asked.hours, asked.seed, asked.gap, asked.exact)
    sys.stdout.write(json.dumps(result) + "\n" if asked.json else "".join(f"{k:20} {v}\n" for k, v in result.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
