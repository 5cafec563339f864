"""Is the simulated world like the real one? `python -m benchmarks.fidelity --json`. About six minutes.

Five stories of one service in three clusters, once in the lab (real Envoy, real controller, real sockets behind links
of real length: simulator/lab/trial) and once in the simulator, on the same documents: calm, the cluster that serves
everybody is killed, it answers 503, all its answers are late, a twentieth of its answers is 503 and probes do not see
it. Per story and phase (before, the first two seconds, the rest of the fault): p95 of good answers, part of requests
sent to that cluster, the part that failed, lab and simulator side by side, and their differences. The lab plays every
story `--times`, for a fault begins sometimes shortly before a probe and sometimes shortly after one; all are taken
together.

The time in the back end itself is taken from the calm run in the lab, its median less the round trip, and is the same
for every request, as it is in the lab; nothing else is fitted. A busy machine adds to the p95 of the lab and not to
that of the simulator.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scheduler.summary import finite
from simulator.lab.places import rtt_ms
from simulator.lab.trial.attempts import Attempt
from simulator.lab.trial.clients import TIMEOUT_S, Asked
from simulator.lab.trial.faults import GRAY_RATIO, SLOW_S, Fault
from simulator.lab.trial.gateways import STEERED
from simulator.lab.trial.ground import FAULTY, HOME, SERVICE
from simulator.lab.trial.trial import Options, Trial, running
from simulator.play import Played, play
from simulator.scenario.load import Loaded, checked
from simulator.scenario.model import Scenario
from simulator.score import Window, score

CALM_S = 6.0
"""Before a fault."""
AT_ONCE_S = 2.0
FAULT_S = 8.0
PUSH_S = 0.01
"""From a push to requests that follow it: `python -m benchmarks.push` has 2 ms on a machine at rest."""
BEGINS_S = 30.0
"""When the fault of a simulated story begins."""
CALM = "calm"
STORIES: dict[str, dict[str, Any]] = {
    CALM: {},
    Fault.KILL: {"fault": "cluster-outage"},
    Fault.ERRORS: {"fault": "gray", "errorRatio": 1.0, "probed": True},
    Fault.SLOW: {"fault": "gray", "slowdownMs": 1e3 * SLOW_S, "probed": True},
    Fault.GRAY: {"fault": "gray", "errorRatio": GRAY_RATIO, "probed": False},
}
Json = dict[str, Any]


@dataclass(slots=True)
class Seen:
    """What was written down of one phase of one story in the lab, every time that it was played."""

    asked: list[Asked] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    def add(self, trial: Trial, from_s: float, to_s: float) -> None:
        """What happened in a span of the trial."""
        self.asked += [row for row in trial.asked if from_s <= row.at_s < to_s]
        self.attempts += [a for a in trial.logs[STEERED].attempts if from_s <= a.at_s < to_s]

    def look(self) -> "Look":
        """All of it together."""
        good = [1e3 * row.took_s for row in self.asked if not row.failed]
        return Look(
            p95_ms=float(np.percentile(good, 95)) if good else float("nan"),
            share=sum(FAULTY in a.clusters for a in self.attempts) / max(len(self.attempts), 1),
            failed=sum(row.failed for row in self.asked) / max(len(self.asked), 1),
        )


@dataclass(frozen=True, slots=True)
class Look:
    """One phase of one story, in one of the two worlds."""

    p95_ms: float
    """Of good answers; NaN where there were none."""
    share: float
    """Of the requests that the gateway sent to the cluster with the fault."""
    failed: float


def phases() -> dict[str, tuple[float, float]]:
    """(from, to) in seconds from the beginning of the fault."""
    return {"before": (-CALM_S, 0.0), "at once": (0.0, AT_ONCE_S), "later": (AT_ONCE_S, FAULT_S)}


async def in_the_lab(rps: float, times: int) -> tuple[dict[str, dict[str, Look]], float, dict[str, Loaded]]:
    """Every story in the lab, the median time in the back end in ms, and the simulated stories' fleet as loaded."""
    found = {story: {name: Seen() for name in phases()} for story in STORIES}
    own_ms, plays = 0.0, [story for story in STORIES for _ in range(times)]
    async with running(Options(anchors=(), rps=rps, vantages=1)) as trial:
        for number, story in enumerate(plays):
            sys.stderr.write(f"lab: {story}\n")
            await (trial.renew() if number else trial.settled())
            await asyncio.sleep(CALM_S)
            from_s = await _suffered(trial, story)
            await asyncio.sleep(TIMEOUT_S)
            for name, (a, b) in phases().items():
                found[story][name].add(trial, from_s + a, from_s + b)
            if story == CALM:
                own_ms = _median_ms(trial.asked) - rtt_ms(HOME, FAULTY)
        loaded = {story: _scenario(trial.setting.documents, rps, max(own_ms, 0.1), story) for story in STORIES}
    looks = {story: {name: seen.look() for name, seen in phase.items()} for story, phase in found.items()}
    return looks, own_ms, loaded


async def _suffered(trial: Trial, story: str) -> float:
    """The moment at which the fault of a story began, when it is over."""
    if story != CALM:
        return (await trial.suffer(Fault(story), FAULT_S))[0]
    from_s = trial.asked[-1].at_s
    await asyncio.sleep(FAULT_S)
    return from_s


def _median_ms(asked: Sequence[Asked]) -> float:
    return 1e3 * float(np.median([row.took_s for row in asked if row.cluster == FAULTY and not row.failed]))


def _scenario(documents: Path, rps: float, own_ms: float, story: str) -> Loaded:
    """The same documents, demand, users and fault, simulated."""
    fault = STORIES[story]
    event = {"at": BEGINS_S, "for": FAULT_S, "cluster": FAULTY} | fault
    spec = {
        "about": f"the trial of the lab: {story}",
        "duration": BEGINS_S + FAULT_S,
        "fleet": {"documents": [documents.resolve().as_posix()]},
        "demand": [{"service": SERVICE, "origin": HOME, "rps": rps}],
        "events": [event] if fault else [],
        "world": {
            "step": 0.05,
            "clients": {"timeout": TIMEOUT_S, "retries": 0},
            "meshes": {"standbyRetry": True, "apply": PUSH_S},
            "services": {SERVICE: {"latencyMs": own_ms, "variability": 0}},
        },
    }
    envelope = {"apiVersion": "equipoise.dev/v1alpha1", "kind": "Scenario", "metadata": {"name": f"lab-{story}"}}
    return checked(Scenario.model_validate({**envelope, "spec": spec}), documents / "simulated.yaml")


def simulated(played: Played, from_s: float, to_s: float) -> Look:
    """A phase of a simulated story."""
    books, fleet = played.books, played.fleet
    window = Window(BEGINS_S + from_s, BEGINS_S + to_s)
    rows = (books.starts_s >= window.starts_s - 1e-6) & (books.starts_s + books.length_s <= window.until_s + 1e-6)
    load = (books.load_rps[rows] * books.length_s[rows][:, None]).sum(axis=0)
    there = fleet.backends.cluster == list(map(str, fleet.clusters.ids)).index(FAULTY)
    return Look(
        p95_ms=score(played, "p95Ms", window),
        share=float(load[there].sum() / max(load.sum(), 1e-9)),
        failed=score(played, "failed", window),
    )


def measure(rps: float, times: int) -> Json:
    """Both worlds, side by side."""
    lab, own_ms, loaded = asyncio.run(in_the_lab(rps, times))
    rows: list[Json] = []
    for story, scenario in loaded.items():
        played = play(scenario)
        for phase, (from_s, to_s) in phases().items():
            real, made = lab[story][phase], simulated(played, from_s, to_s)
            rows.append({"story": str(story), "phase": phase} | _compared(real, made))
    p95 = [abs(row["p95_error"]) for row in rows if row["p95_error"] is not None]
    return {
        "stories": len(STORIES),
        "times": times,
        "rps": rps,
        "own_ms": round(own_ms, 3),
        "p95_error_median": float(np.median(p95)),
        "p95_error_max": max(p95),
        "share_error_max": max(abs(row["share_error"]) for row in rows),
        "failed_error_max": max(abs(row["failed_error"]) for row in rows),
        "rows": rows,
    }


def _compared(real: Look, made: Look) -> Json:
    """One row; None where there were no good answers."""
    return {
        "lab": {name: finite(round(getattr(real, name), 4)) for name in Look.__slots__},
        "simulator": {name: finite(round(getattr(made, name), 4)) for name in Look.__slots__},
        "p95_error": finite(round(made.p95_ms / real.p95_ms - 1, 4)),
        "share_error": round(made.share - real.share, 4),
        "failed_error": round(made.failed - real.failed, 4),
    }


def main(argv: Sequence[str]) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fidelity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rps", type=float, default=60.0)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(argv)
    body = measure(asked.rps, asked.times)
    if asked.json:
        sys.stdout.write(json.dumps(body) + "\n")
        return
    for row in body["rows"]:
        lab, made = row["lab"], row["simulator"]
        sys.stdout.write(
            f"{row['story']:8} {row['phase']:8} p95 {lab['p95_ms'] or 0:8.1f} {made['p95_ms'] or 0:8.1f} ms"
            f"  share {lab['share']:6.1%} {made['share']:6.1%}  failed {lab['failed']:6.1%} {made['failed']:6.1%}\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
