"""Does optimised routing beat the policies people run? `python -m benchmarks.policies --json`.

Six instances of real regions, prices, round trips and demand shapes, five situations, and a fluid physics that knows
nothing of our optimizer (benchmarks/policy_fleets). Ours is the production solve, fed with what a controller sees: a
minute old and wrong by a lognormal error; its data plane spills what a backend cannot take. Baselines in the data plane
see the truth at once. The best baseline of a fleet is the configuration with the least mean objective on normal days;
`gap` is the objective over the lower bound, less one. Then with joint placement on top, see policy_fleets/placing.py:
`joint_cpu_vs_routing` is its objective over that of routing alone on the fleet as given.

Cases are independent of each other: each has a process of its own, and with `--keep FOLDER` what is done is not done
again, so that a run may be interrupted, or dealt to several machines that share the folder.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.policy_fleets import baselines, controller, placing
from benchmarks.policy_fleets.demand import Slots, rates, slots
from benchmarks.policy_fleets.fleets import Model, model
from benchmarks.policy_fleets.instances import FLEETS, SEEDS, SITUATIONS, STEPS, DataAbsentError, Instance, load
from benchmarks.policy_fleets.physics import Outcome, play
from placement.routing import Routing

ERROR = 0.05
ERRORS_REPEATED = (0.15, 0.30)
OURS = "ours"
UNSPILLED = "ours without spill"
"""The same weights on a data plane that sends what a backend cannot take nowhere else."""
PLACED = "ours with placement"
REFERENCES = (OURS, UNSPILLED, PLACED, "lp", "lp without call graph")
"""Not baselines: ours, and ours with lessons left out."""

Row = dict[str, Any]
Case = tuple[str, int, str]
"""Fleet, seed, situation."""
JOINT = "joint"
"""The case of a normal day with joint placement on top."""


def measure(
    case: Case,
    first: int = 0,
    steps: int = STEPS,
    error_seed: int = 0,
    repeated: Sequence[float] = ERRORS_REPEATED,
    references: bool = False,
) -> list[Row]:
    """All rows of one situation of one fleet and seed."""
    fleet, seed, situation = case
    whole = load(fleet, seed)
    if situation == JOINT:
        return [_joint((fleet, seed, "normal"), whole, first, steps, error_seed)]
    there = whole.in_situation(situation)
    made, time = model(there), slots(whole, situation, first, steps)
    least = baselines.bound(made, time)
    say = partial(_routed, case, made, time, least)
    rows = [
        say(name, 0.0, controller.at_once(made, time, policy))
        for name, policy in baselines.in_the_data_plane(there).items()
    ]
    day = rates(whole, np.arange(0, STEPS, 6))
    for quantile in (None, baselines.STATIC_QUANTILE):
        routing = baselines.surviving(baselines.static(model(whole), day, quantile), made)
        rows.append(
            say("static(mean)" if quantile is None else f"static({quantile})", 0.0, [routing] * len(time.weight))
        )
    for error in (ERROR, *repeated) if situation == "normal" else (ERROR,):
        weights = controller.plan(made, time, error, error_seed)
        rows.append(say(OURS, error, controller.spilled(made, time, weights)))
        rows.append(say(UNSPILLED, error, weights))
    if situation == "normal" and references:
        for name, lp in (("lp", baselines.hull_optimum), ("lp without call graph", baselines.blind_optimum)):
            rows.append(say(name, ERROR, controller.from_sight(made, time, ERROR, error_seed, lp)))
    return rows


def _joint(case: Case, there: Instance, first: int, steps: int, error_seed: int) -> Row:
    time = slots(there, "normal", first, steps)
    least = baselines.bound(model(there), time)
    return _row(case, least, PLACED, ERROR, placing.day(there, time, first, ERROR, error_seed))


def _routed(
    case: Case, made: Model, time: Slots, least: float, policy: str, error: float, routings: list[Routing]
) -> Row:
    return _row(case, least, policy, error, play(made.instance, time.weight, time.demand_rps, made.shares(routings)))


def _row(case: Case, least: float, policy: str, error: float, out: Outcome) -> Row:
    fleet, seed, situation = case
    identity: Row = {"fleet": fleet, "seed": seed, "situation": situation, "policy": policy, "error": error}
    return identity | _figures(out) | {"bound": round(least, 1), "gap": round(out.objective / least - 1, 5)}


def _figures(out: Outcome) -> Row:
    return {
        "objective": round(out.objective, 1),
        "dollars": round(out.dollars, 1),
        "latency_usd": round(out.latency_usd, 1),
        "shed": round(max(out.shed, 0.0), 7),
        "hot": round(out.hot_rps / out.calls_rps, 5),
        "worst_utilization": round(out.worst_utilization, 4),
        "moved": round(out.moved_rps / out.calls_rps, 5),
        "mean_ms": round(out.mean_ms, 2),
        "p95_ms": round(out.percentile_ms(0.95), 1),
        "p99_ms": round(out.percentile_ms(0.99), 1),
        "p95_web_ms": round(out.percentile_ms(0.95, "web"), 1),
        "p95_llm_ms": round(out.percentile_ms(0.95, "llm"), 1),
    }


def best_baseline(rows: list[Row], fleet: str, prefix: str = "") -> str:
    """The configuration (of a family) with the least mean objective on the normal days of a fleet."""
    mine: dict[str, list[float]] = {}
    for row in rows:
        baseline = row["policy"] not in REFERENCES and row["policy"].startswith(prefix)
        if baseline and (row["fleet"], row["situation"]) == (fleet, "normal"):
            mine.setdefault(row["policy"], []).append(row["objective"])
    return min(mine, key=lambda name: float(np.mean(mine[name])))


def summary(rows: list[Row]) -> Row:
    """The keys of the issue."""

    def pick(fleet: str, policy: str, situation: str = "normal", error: float | None = None) -> list[Row]:
        return [
            r
            for r in rows
            if (r["fleet"], r["policy"], r["situation"]) == (fleet, policy, situation)
            and (error is None or r["error"] == error)
        ]

    def mean(key: str, some: list[Row]) -> float:
        return float(np.mean([r[key] for r in some]))

    out: Row = {}
    ratios = []
    for fleet in sorted({r["fleet"] for r in rows}):
        best = best_baseline(rows, fleet)
        out[f"best_baseline_{fleet}"] = best
        out[f"gap_{fleet}"] = round(mean("gap", pick(fleet, OURS, error=ERROR)), 4)
        out[f"gap_{fleet}_without_spill"] = round(mean("gap", pick(fleet, UNSPILLED, error=ERROR)), 4)
        for error in sorted({r["error"] for r in pick(fleet, OURS)} - {ERROR}):
            out[f"gap_{fleet}_error_{round(100 * error)}"] = round(mean("gap", pick(fleet, OURS, error=error)), 4)
        ours = mean("objective", pick(fleet, OURS, error=ERROR))
        for family in ("waterfall", "cost-greedy", "value-greedy"):
            theirs = mean("objective", pick(fleet, best_baseline(rows, fleet, family)))
            out[f"{fleet}_vs_{family.replace('-', '_')}"] = round(ours / theirs, 4)
        together = [r["objective"] for r in pick(fleet, PLACED)]
        if together:
            out[f"joint_{fleet}_vs_routing"] = round(float(np.mean(together)) / ours, 4)
            out[f"joint_{fleet}_vs_{best}"] = round(float(np.mean(together)) / mean("objective", pick(fleet, best)), 4)
            out[f"joint_{fleet}_shed"] = max(r["shed"] for r in pick(fleet, PLACED))
        for situation in sorted({r["situation"] for r in rows}):
            for mine, theirs_row in zip(pick(fleet, OURS, situation, ERROR), pick(fleet, best, situation), strict=True):
                ratios.append((mine["objective"] / theirs_row["objective"], f"{fleet} {mine['seed']} {situation}"))
    worst = max(ratios)
    flash = [r["shed"] for r in rows if r["policy"] == OURS and r["situation"] == "flash"]
    out["worst_cost_ratio_vs_best_baseline"] = round(worst[0], 4)
    out["worst_case"] = worst[1]
    out["flash_shed"] = max(flash, default=0.0)
    return out


def played(work: Callable[[Case], list[Row]], cases: list[Case], processes: int, keep: Path | None) -> list[Row]:
    """The rows of all cases, in order; tells standard error of every case that is done. What `keep` has is taken."""
    rows: list[Row] = []
    with ProcessPoolExecutor(processes) as pool:
        for done, (case, part) in enumerate(
            zip(cases, pool.map(partial(kept, work, keep), cases), strict=True), start=1
        ):
            rows += part
            ours = next(row for row in part if row["policy"] in (OURS, PLACED))
            sys.stderr.write(f"{done}/{len(cases)} {' '.join(map(str, case))}: gap {ours['gap']:.4f}\n")
    return rows


def kept(work: Callable[[Case], list[Row]], folder: Path | None, case: Case) -> list[Row]:
    """The rows of a case: from the folder, or worked out and put there."""
    if folder is None:
        return work(case)
    file = folder / f"{'-'.join(map(str, case))}.json"
    if not file.exists():
        rows, part = work(case), file.with_suffix(".part")
        part.write_text(json.dumps(rows), encoding="utf-8")
        part.replace(file)
    done: list[Row] = json.loads(file.read_text(encoding="utf-8"))
    return done


def main(argv: Sequence[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policies", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--fleets", nargs="+", default=list(FLEETS), choices=FLEETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), choices=SEEDS)
    parser.add_argument("--situations", nargs="+", default=list(SITUATIONS), choices=SITUATIONS)
    parser.add_argument("--first", type=int, default=0, help="step of the day to begin with")
    parser.add_argument("--steps", type=int, default=STEPS, help="play only so many steps of a day, for a quick look")
    parser.add_argument("--error-seed", type=int, default=0, help="of the error of what the controller sees")
    parser.add_argument("--errors", nargs="*", type=float, default=ERRORS_REPEATED, help="to repeat normal days with")
    parser.add_argument("--no-joint", action="store_true", help="leave out the days with joint placement on top")
    parser.add_argument("--references", action="store_true", help="also the plain LP, with and without call graph")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for the rows of each case; one folder for one set of options")
    parser.add_argument("--rows", action="store_true", help="with --json: every policy in every situation too")
    wanted = parser.parse_args(argv)
    work = partial(
        measure,
        first=wanted.first,
        steps=wanted.steps,
        error_seed=wanted.error_seed,
        repeated=wanted.errors,
        references=wanted.references,
    )
    situations = [*wanted.situations, *([JOINT] if "normal" in wanted.situations and not wanted.no_joint else [])]
    cases = list(product(wanted.fleets, wanted.seeds, situations))
    if wanted.keep:
        wanted.keep.mkdir(parents=True, exist_ok=True)
    try:
        rows = played(work, cases, wanted.processes, wanted.keep)
    except DataAbsentError as absent:
        sys.stdout.write(json.dumps({"skipped": str(absent)}) + "\n")
        return 0
    result = summary(rows) | {"error_seed": wanted.error_seed, "first": wanted.first, "steps": wanted.steps}
    if wanted.json:
        sys.stdout.write(json.dumps(result | ({"rows": rows} if wanted.rows else {})) + "\n")
        return 0
    for row in rows:
        sys.stdout.write(" ".join(f"{v}" for v in row.values()) + "\n")
    sys.stdout.write("".join(f"{key:36} {value}\n" for key, value in result.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
