"""Drills on real Envoys: how soon an aborted one is back, and whether anybody was the worse for it.

Two beds. The lab: three clusters with long links between them, users, and the whole controller; a full drill is begun
and aborted at a random moment, over and over; one canary and one full drill may finish; and in a last one a receiver is
killed. The loop: one Envoy, and nothing between it and its connector, for the number of requests that a claim about
failures needs. An abort is back when the last request that the failover's weights routed was sent.

    python -m benchmarks.drill --times 20 --json
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

import aiohttp

from benchmarks.drill_loop import measure_loop
from simulator.lab import effects
from simulator.lab.drills import Body, Desk, Pace, away, hurry
from simulator.lab.fleet import Lab, Options, running, until
from simulator.lab.places import PLACES
from simulator.lab.processes import LabError
from tests.real import envoy_path

DRILLED = "us-east"
LOSS = f"cluster {DRILLED}"
RECEIVER = "eu-west"
"""Where most of its requests go instead."""
STILL_S = 1e9
"""A day so long that demand does not swing."""
ABORTS = Pace(step_s=1.0, hold_s=30.0, lease_s=1.0)
WHOLE = Pace(step_s=8.0, hold_s=20.0, lease_s=2.0)
ROOMY = 0.7
"""Of the usual load: at all of it a lost cluster fills the others above what a drill may."""
GRACE_S = 1.5
"""After an abort; what moves later than that was not moved by it."""
TRIES = 3
"""A drill that something else interrupts is begun again: a busy machine misses probes."""


async def abort_once(lab: Lab, desk: Desk, wait_s: float) -> tuple[float, Body]:
    """(seconds until back, the drill) of one abort, some time after the first requests have moved."""
    for _ in range(TRIES):
        began = await desk.begin("L4", LOSS)
        body = await desk.reaches_or_ends(began["id"], 0.5)
        if not body["outcome"]:
            await asyncio.sleep(wait_s)
            try:
                aborted_s = await desk.abort(began["id"])
            except LabError:
                continue
            ended = await desk.ends(began["id"])
            await asyncio.sleep(GRACE_S)
            late = away(lab.attempts, DRILLED, "frontend", aborted_s)
            return max(late, default=aborted_s) - aborted_s, ended
    raise LabError(f"{TRIES} drills were interrupted by something else; the last: {body['reason']}")


async def whole(desk: Desk, level: str) -> Body:
    """One drill from beginning to end."""
    for _ in range(TRIES):
        began = await desk.begin(level, LOSS)
        body = await desk.ends(began["id"])
        if body["outcome"] != "INTERRUPTED":
            break
    return body


async def preempted(lab: Lab, desk: Desk) -> dict[str, Any]:
    """A receiver is killed while everything goes there: how soon the drill lets go, and who felt it."""
    began = await desk.begin("L4", LOSS)
    body = await desk.reaches_or_ends(began["id"], 1.0)
    if body["outcome"]:
        return {"outcome": body["outcome"], "reason": body["reason"], "killed_to_reverted_s": None}
    killed_s = await lab.kill(RECEIVER)
    ended = await desk.ends(began["id"])
    await asyncio.sleep(GRACE_S)
    late = away(lab.attempts, DRILLED, "frontend", killed_s)
    return {
        "outcome": ended["outcome"],
        "reason": ended["reason"],
        "killed_to_reverted_s": max(late, default=killed_s) - killed_s,
        "user_failed_requests": sum(s.failed for s in lab.served if s.at_s >= killed_s),
    }


async def measure_lab(times: int, seed: int) -> dict[str, Any]:
    """All of it, in one lab. Raises LabError."""
    moments = random.Random(seed)
    options = Options(day_s=STILL_S, seed=seed, step_max=1.0)
    async with running(options) as lab, aiohttp.ClientSession() as session:
        desk = Desk(lab, session)
        for region in PLACES:
            lab.set_load(region, ROOMY)
        hurry(lab, ABORTS)
        await until(lambda: lab.watch.turn > 10, "demand is measured")
        began_s = time.monotonic()
        aborts = [await abort_once(lab, desk, moments.uniform(0.0, 2.0)) for _ in range(times)]
        hurry(lab, WHOLE)
        await asyncio.sleep(GRACE_S)
        drills = [await whole(desk, level) for level in ("L3", "L4")]
        found, failed = await desk.get("/report"), sum(s.failed for s in lab.served if s.at_s >= began_s)
        users = sum(s.at_s >= began_s for s in lab.served)
        hurry(lab, ABORTS)
        await asyncio.sleep(GRACE_S)
        loss = await preempted(lab, desk)
        back_s = [back_s for back_s, _ in aborts]
        reverted_s = [body["revert_s"] for _, body in aborts if body["revert_s"] is not None]
        return {
            "aborts": len(back_s),
            "abort_to_reverted_p50_s": effects.percentile(back_s, 0.5),
            "abort_to_reverted_p99_s": effects.percentile(back_s, 0.99),
            "abort_acknowledged_p99_s": effects.percentile(reverted_s, 0.99),
            "drilled_requests": found["rehearsed_requests"],
            "drill_failed_requests": found["rehearsed_failed"],
            "user_requests": users,
            "user_failed_requests": failed,
            "preempted_by_a_real_loss": loss,
            "coverage": found["coverage24"],
            "proof_coverage": found["proof_coverage"],
            "oldest_proof_age_s": found["oldest_proof_age_s"],
            "rto_p50_s": found["rto_p50_s"],
            "rto_p99_s": found["rto_p99_s"],
            "predicted_vs_measured": found["predicted_vs_measured"],
            "outcomes": {body["level"]: body["outcome"] for body in drills},
            "receivers_of_the_full_drill": drills[-1]["receivers"],
        }


def summary(lab: dict[str, Any], loop: dict[str, Any] | None) -> dict[str, Any]:
    """Both beds together: an abort of either has to be back in time, a request of either counts."""
    drilled = lab["drilled_requests"] + (loop["drilled_requests"] if loop else 0)
    failed = lab["drill_failed_requests"] + (loop["drill_failed_requests"] if loop else 0)
    later = [part["abort_to_reverted_p99_s"] for part in (lab, loop) if part]
    return {
        "abort_to_reverted_p99_s": max(later),
        "drill_failed_requests": failed,
        "drilled_requests": drilled,
        "drill_failed_ratio": failed / drilled if drilled else None,
        "drill_failed_ratio_at_most": 3 / drilled if drilled and not failed else None,
        "coverage": lab["coverage"],
        "lab": lab,
        "loop": loop,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drill", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="aborts on the lab; %(default)s if not given")
    parser.add_argument("--requests", type=int, default=400_000, help="drilled ones on the loop; 0 for none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    try:
        found = asyncio.run(measure_lab(arguments.times, arguments.seed))
        loop = (
            asyncio.run(measure_loop(arguments.requests, arguments.seed))
            if arguments.requests and envoy_path()
            else None
        )
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    values = summary(found, loop)
    print(json.dumps(values) if arguments.json else "\n".join(f"{name:28} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
