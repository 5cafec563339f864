"""How fast a fault is known, how often a sound cluster is condemned, and how restless a flapping one makes us.

Seeded Monte Carlo through the code that runs in the controller: evidence, and the whole `judge` of health.verdict with
quorum, clients, doubts, budgets, hysteresis, hold-down and ramp.
What is simulated is the world: probe schedules, round trips of 20 to 120 ms, reports that take up to 60 ms, requests,
and paths that lose 0.1 % of their probes, and 60 % of them in bursts of 1.5 s on average (Gilbert-Elliott).

False verdicts are rare, so they are counted where they can happen: in episodes in which a given number of paths have a
burst within HORIZON_S of the first, weighted by how often a year has such an episode. What happens with fewer bursts is
bounded by hand. Every episode is a fleet of three clusters of its own, with the budgets of the rules.

Paths are independent in the rows `false_*`: vantages must differ in site, provider and resolver for that to hold. What
it costs when they do not is stated apart, in `correlated_*`: of the bursts on a path a part, rho, has a twin on each
further one, at the same time and as long. `common_mode` is a burst on every path to a cluster at once, which nobody can
tell from a cluster that loses 60 % of its packets by probes alone; `uplink` one on all paths of a single vantage.
Detection times are of trials side by side in one fleet, each for itself, so the budgets are off there.

    python -m benchmarks.detection --json
"""

import argparse
import json
import sys
from collections.abc import Sequence
from math import comb, exp
from typing import Any

import numpy as np
from scipy.stats import chi2

from benchmarks.lossy import HORIZON_S, LOSS, Kind, false_verdicts
from health.evidence import Evidence, no_evidence, record
from health.passive import ALARM, CERTAIN, DESIGNS, ERRORS_MIN, GRAY, OUTAGE, no_clients, observe
from health.rules import Rules
from health.states import State
from health.verdict import all_up, judge, usable
from placement.columns import Floats, bools, floats, ints
from placement.fleet import Backends

YEAR_S = 365 * 86_400.0
INTERVAL_S, TIMEOUT_S, FAST_S, JITTER = 0.25, 0.25, 0.05, 0.1
RTT_S, REPORT_MAX_S = (0.02, 0.12), 0.06
STEP_S = 0.01
TRIALS = 4_000
OWN = {"ejection_ratio": 1.0, "ejection_capacity_ratio": 1.0, "blind_ratio": 1.0}
"""Trials run side by side as backends of one fleet, and each stands for a fleet of its own: no common budget."""
QUORUMS = ((1, 1), (2, 3), (3, 5))
MORE = 5
"""Episodes of two paths are so much more frequent in a year than those of three that more of them have to be seen."""
TWINS = (0.01, 0.1)
"""Parts of the bursts on a path that have a twin on another."""
BURSTS = {"30min": 1_800.0, "6h": 21_600.0}
PASSIVE_RPS, LRS_S, BEAT_S = 100.0, 0.1, 0.02


def percentiles(seconds: Floats) -> dict[str, float]:
    """p50, p99 and the largest."""
    return {f"p{q:g}_s": round(float(np.percentile(seconds, q)), 3) for q in (50, 99, 99.9)}


def detection_s(rng: np.random.Generator, fault: str, quorum: int, vantages: int) -> Floats:
    """(TRIALS,) from the fault to the verdict DOWN. A killed target refuses, a black hole swallows."""
    at_s, ok = results(rng, fault, vantages)
    step = np.ceil(at_s / STEP_S).astype(np.int64)
    backends = Backends(service=ints(np.zeros(2 * TRIALS)), cluster=ints(np.arange(2 * TRIALS)))
    rules = Rules(quorum=quorum, **OWN)  # type: ignore[arg-type]  # ratios by name
    evidence, verdicts = answered(no_evidence(2 * TRIALS, vantages)), all_up(2 * TRIALS, 0.0)
    found = np.full(TRIALS, np.inf)
    for now in range(int(step.max()) + 1):
        for vantage, probe in np.argwhere((step == now).any(axis=0)).tolist():
            rows = ints(np.flatnonzero(step[:, vantage, probe] == now))
            seen = bools(np.full(len(rows), ok[probe]))
            evidence = record(evidence, rows, vantage, seen, now * STEP_S + probe * 1e-6)
        verdicts = judge(verdicts, evidence, backends, now * STEP_S, rules)
        found = np.where(np.isinf(found) & ~usable(verdicts)[:TRIALS], now * STEP_S, found)
        if np.isfinite(found).all():
            break
    return found


def results(rng: np.random.Generator, fault: str, vantages: int) -> tuple[Floats, Sequence[bool]]:
    """(TRIALS, V, K) when the results of each probe arrive, and whether they are good; the fault is at 0."""
    shape = (TRIALS, vantages)
    rtt, report = rng.uniform(*RTT_S, shape), rng.uniform(0, REPORT_MAX_S, shape)
    phase = rng.random(shape) * INTERVAL_S
    jitter = rng.random((*shape, 4)) * JITTER * INTERVAL_S
    wait = rtt if fault == "kill" else np.full(shape, TIMEOUT_S)
    first = phase + jitter[..., 0] + wait
    doubt = np.minimum(first, phase + jitter[..., 0] + rtt + FAST_S)
    last_good = np.maximum(phase - INTERVAL_S + rtt, 0.0)
    regular = [phase + place * INTERVAL_S + jitter[..., place] + wait for place in (1, 2, 3)]
    follow = [doubt + place * FAST_S + wait for place in (1, 2)]
    at_s = np.stack([last_good, first, *follow, *regular], axis=-1) + report[..., None]
    return at_s, (True, *[False] * 6)


def answered(evidence: Evidence) -> Evidence:
    """Evidence of targets that have answered everybody for a while."""
    rows = ints(np.arange(len(evidence.fails)))
    for round_number in range(5):
        for vantage in range(evidence.vantages):
            evidence = record(evidence, rows, vantage, bools(np.ones(len(rows), dtype=bool)), -1.0 + round_number / 5)
    return evidence


def condemned(rng: np.random.Generator, quorum: int, vantages: int, episodes: int) -> dict[int, tuple[int, int]]:
    """By number of bursts: (episodes in which a sound cluster is condemned, of how many)."""
    found = {}
    for bursts in range(quorum, vantages + 1):
        most = episodes * MORE if quorum == 2 else episodes
        looked = most if bursts == quorum > 1 else episodes // 5
        found[bursts] = false_verdicts(rng, Rules(quorum=quorum), vantages, bursts, looked), looked
    return found


def false_rate(found: dict[int, tuple[int, int]], quorum: int, vantages: int, every_s: float) -> dict[str, float]:
    """Sound clusters condemned per cluster-year, with a 95 % interval of what was counted."""
    apart = 1 - exp(-HORIZON_S / every_s)
    rate = high = low = 0.0
    for bursts, (hits, looked) in found.items():
        others = comb(vantages - 1, bursts - 1) * apart ** (bursts - 1) * (1 - apart) ** (vantages - bursts)
        weight = vantages * YEAR_S / every_s * others / looked
        rate += weight * hits
        high += weight * float(chi2.ppf(0.975, 2 * hits + 2)) / 2
        low += weight * float(chi2.ppf(0.025, 2 * hits)) / 2 if hits else 0.0
    rest = fewer_bursts(quorum, vantages, every_s)
    return {name: float(f"{value:.3g}") for name, value in
            {"per_cluster_year": rate + rest, "low95": low, "high95": high + rest}.items()}  # fmt: skip


def correlated(rng: np.random.Generator, episodes: int) -> dict[str, Any]:
    """What is condemned when paths fail together: per cluster-year by part of twins, and per burst."""
    found: dict[str, Any] = {}
    for quorum, vantages in QUORUMS[1:]:
        rules, name = Rules(quorum=quorum), f"{quorum}_of_{vantages}"
        hits = false_verdicts(rng, rules, vantages, quorum, episodes, Kind.TOGETHER)
        at_most = float(chi2.ppf(0.975, 2 * hits + 2)) / 2 / episodes
        for rho in TWINS:
            for every, every_s in BURSTS.items():
                per_year = vantages * YEAR_S / every_s * rho ** (quorum - 1)
                found[f"correlated_{name}_rho_{rho:g}_burst_every_{every}"] = {
                    "per_cluster_year": float(f"{per_year * hits / episodes:.3g}"),
                    "high95": float(f"{per_year * at_most:.3g}"),
                }
        few = max(episodes // 10, 100)
        for words, clients in (("", False), ("_with_clients", True)):
            together = false_verdicts(rng, rules, vantages, vantages, few, Kind.TOGETHER, clients)
            found[f"common_mode_{name}{words}_condemned_ratio"] = together / few
        found[f"uplink_{name}_condemned_ratio"] = false_verdicts(rng, rules, vantages, 1, few, Kind.UPLINK) / few
    return found


def fewer_bursts(quorum: int, vantages: int, every_s: float) -> float:
    """Upper bound for episodes with fewer bursts than the quorum: a path without one has to lose `fall` in a row.

    That happens LOSS**fall times a probe; meanwhile the others of the quorum have to be in a burst.
    """
    runs_per_year = vantages * YEAR_S / INTERVAL_S * LOSS ** Rules().fall
    bursting = HORIZON_S / every_s
    return runs_per_year * comb(vantages - 1, quorum - 1) * bursting ** (quorum - 1) if quorum > 1 else runs_per_year


def flips_per_hour(rng: np.random.Generator, runs: int = 12, clusters: int = 8, hour_s: float = 3_600.0) -> float:
    """Turns of the verdict of 2 of 3 on a cluster that dies and recovers every 4 to 16 s and heals after 36 min."""
    rows = runs * clusters
    backends = Backends(service=ints(np.repeat(np.arange(runs), clusters)), cluster=ints(np.arange(rows)))
    flapper = ints(np.arange(runs) * clusters)
    duty, period = rng.uniform(0.2, 0.5, runs), 8.0 * rng.uniform(0.5, 2.0, runs)
    quorum, vantages = 2, 3
    evidence, verdicts, rules = no_evidence(rows, vantages), all_up(rows, 0.0), Rules(quorum=quorum)
    flips, everything = 0, ints(np.arange(rows))
    for tick in range(int(hour_s / INTERVAL_S)):
        now_s = tick * INTERVAL_S
        alive = (now_s % period / period >= duty) | (now_s >= 0.6 * hour_s)
        for vantage in range(vantages):
            ok = rng.random(rows) > LOSS
            ok[flapper] &= alive
            evidence = record(evidence, everything, vantage, bools(ok), now_s)
        after = judge(verdicts, evidence, backends, now_s, rules)
        flips += int((usable(after) != usable(verdicts))[flapper].sum())
        verdicts = after
    assert (verdicts.state[flapper] != State.DRAINING).all(), "nobody drains here"
    return flips / runs


def passive_s(rng: np.random.Generator, errors: float, design: int, level: float, rps: float = PASSIVE_RPS) -> Floats:
    """(TRIALS,) from the fault to the score, with reports every LRS_S, for a backend beside a sound one."""
    service, never = ints(np.repeat(np.arange(TRIALS), 2)), floats(np.full(2 * TRIALS, np.inf))
    late = rng.random(TRIALS) * LRS_S
    clients, found = no_clients(2 * TRIALS), np.full(TRIALS, np.inf)
    for block in range(-50, 400):
        part = np.clip((block + 1) * LRS_S - late, 0.0, LRS_S) / LRS_S if block >= 0 else np.zeros(TRIALS)
        ratio = np.full(2 * TRIALS, 0.001)
        ratio[::2] += (errors - 0.001) * part
        asked = rng.poisson(rps * LRS_S, 2 * TRIALS)
        bad = rng.binomial(asked, ratio)
        end_s = (block + 1) * LRS_S
        from_s = floats(np.full(2 * TRIALS, end_s - LRS_S))
        clients = observe(clients, (floats(asked - bad), floats(bad)), service, never, from_s, end_s)
        known = clients.score[::2, design] >= level
        found = np.where(np.isinf(found) & known & (block >= 0), end_s - late + BEAT_S, found)
        if np.isfinite(found).all():
            break
    return found


def alarm_rate(usual: float, worse: float, grid: float = 0.01, steps: int = 20_000) -> float:
    """False alarms per request: how fast the CUSUM of sound requests leaves [0, ALARM), as a Markov chain on a grid.

    Scores are rounded up on the way down, so the rate is not too low; the chain is iterated from 0 until it is steady.
    """
    at = np.arange(0.0, ALARM, grid)
    up = np.minimum(((at + np.log(worse / usual)) / grid).astype(np.int64), len(at))
    down = np.maximum(np.ceil((at + np.log((1 - worse) / (1 - usual))) / grid), 0).astype(np.int64)
    here: Floats = np.zeros(len(at))
    here[0] = 1.0
    for _ in range(steps):
        raised = np.bincount(up, weights=here * usual, minlength=len(at) + 1)
        stays = np.bincount(down, weights=here * (1 - usual), minlength=len(at)) + raised[: len(at)]
        here = np.asarray(stays / stays.sum(), dtype=np.float64)
    return float(raised[len(at)])


def measure(seed: int, episodes: int) -> dict[str, Any]:
    """All of it."""
    rng = np.random.default_rng(seed)
    values: dict[str, Any] = {"seed": seed, "trials": TRIALS}
    for fault in ("kill", "blackhole"):
        for quorum, vantages in QUORUMS:
            values[f"{fault}_{quorum}_of_{vantages}"] = percentiles(detection_s(rng, fault, quorum, vantages))
    values["passive_outage_100rps"] = percentiles(passive_s(rng, 1.0, OUTAGE, CERTAIN))
    values["passive_confirmed_100rps"] = percentiles(passive_s(rng, 1.0, OUTAGE, ALARM))
    values["gray_5_percent_100rps"] = percentiles(passive_s(rng, 0.05, GRAY, ALARM))
    requests = PASSIVE_RPS * YEAR_S
    values["passive_false_kills_per_year_bound"] = float(f"{requests * exp(-CERTAIN):.2g}")
    values["gray_false_alarms_per_year"] = float(f"{requests * alarm_rate(ERRORS_MIN, float(DESIGNS[GRAY])):.2g}")
    values |= correlated(rng, episodes // 5)
    for quorum, vantages in QUORUMS:
        found = condemned(rng, quorum, vantages, episodes)
        values[f"episodes_{quorum}_of_{vantages}"] = {bursts: list(counts) for bursts, counts in found.items()}
        for name, every_s in BURSTS.items():
            key = f"false_{quorum}_of_{vantages}_burst_every_{name}"
            values[key] = false_rate(found, quorum, vantages, every_s)
    values["flips_per_hour"] = round(flips_per_hour(rng), 1)
    return values


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was found; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=30_000, help="per number of bursts; %(default)s if not given")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    values = measure(arguments.seed, arguments.episodes)
    print(json.dumps(values) if arguments.json else "\n".join(f"{name:36} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
