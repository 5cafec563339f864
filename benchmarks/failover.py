"""A cluster is killed and brought back again and again: how soon it is found dead, and how soon nobody asks it.

The killed cluster carries the users of two regions, because nodes in the other one cost twice as much. Before that,
the price moves a region to and fro, for the time from the start of a tick to the first request on its new weights:
deciding, pushing, and the wait for one of some 60 front-end requests a second. (benchmarks.push has the push alone.)

    python -m benchmarks.failover --times 10 --json
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.lab import effects
from simulator.lab.fleet import Lab, Options, running, until
from simulator.lab.gateways import DataPlane
from simulator.lab.processes import LabError

PRICED, KILLED = "eu-west", "us-east"
GRACE_S = 1.5
"""After the last sign of the dead cluster; what comes later than that would be a new request to it."""
PATIENCE_S = 60.0
STILL_S = 1e9
"""A day so long that demand does not swing."""
FULL = 0.95
"""The part of a flow from which it counts as moved."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill."""

    detect_s: float
    shift_s: float
    failed: int


def share(lab: Lab, cluster: str) -> float:
    """What part of the priced region's front-end requests goes to a cluster."""
    return lab.watch.latest.share("frontend", PRICED, cluster) if lab.watch.latest else 0.0


async def flip(lab: Lab, factor: float) -> float | None:
    """Let the price move the requests of a region; seconds from the tick to the first that moved."""
    cluster = KILLED if factor > 1 else PRICED
    await asyncio.sleep(effects.QUIET_S)
    since_s = lab.set_price(PRICED, factor)
    await until(lambda: share(lab, cluster) > FULL, f"{cluster} serves {PRICED} at price x{factor:g}", PATIENCE_S)
    await asyncio.sleep(GRACE_S)
    return effects.tick_to_request_s(lab.attempts, lab.watch.pushes.values(), PRICED, cluster, since_s)


async def flips(lab: Lab, times: int) -> list[float]:
    """Price up, price down, and so on, ending up; with more requests in the region that moves, and room for them."""
    lab.set_load(PRICED, 1.6)
    lab.set_load(KILLED, 0.5)
    factors = [2.0, 1.0] * ((times + 1) // 2) + [2.0]
    found = [await flip(lab, factor) for factor in factors]
    lab.set_load(PRICED, 1.0)
    lab.set_load(KILLED, 1.0)
    return [took_s for took_s in found if took_s is not None]


async def kill(lab: Lab, wait_s: float) -> Kill:
    """After a wait kill the cluster; wait until it is out of use, and bring it back into full use."""
    await asyncio.sleep(wait_s)
    killed_s = await lab.kill(KILLED)
    await until(lambda: effects.detect_s(lab.watch.changes, KILLED, killed_s) is not None, f"{KILLED} is found dead")
    await until(lambda: share(lab, KILLED) == 0, f"{KILLED} has no weight")
    await asyncio.sleep(GRACE_S)
    dead = (killed_s, time.monotonic())
    detect_s = effects.detect_s(lab.watch.changes, KILLED, killed_s)
    assert detect_s is not None
    await lab.revive(KILLED)
    await until(lambda: share(lab, KILLED) > FULL, f"{KILLED} is back in full use", PATIENCE_S)
    failed = sum(s.failed for s in lab.served if s.at_s >= killed_s)
    return Kill(detect_s, effects.shift_s(lab.attempts, KILLED, dead), failed)


async def measure(times: int, seed: int) -> dict[str, object]:
    """All of it, in one lab. Raises LabError."""
    moments = random.Random(seed)
    async with running(Options(day_s=STILL_S, seed=seed, step_max=1.0, data_plane=DataPlane.ENVOY)) as lab:
        await until(lambda: share(lab, PRICED) > FULL, "everybody is served at home", PATIENCE_S)
        moved_s = await flips(lab, times)
        # At any moment of a probe's period and of a tick: without this a kill follows the tick that allowed it.
        kills = [await kill(lab, moments.uniform(0.0, 2.0)) for _ in range(times)]
        return {
            "kills": times,
            **quantiles("failover_detect", [k.detect_s for k in kills]),
            **quantiles("failover_shift", [k.shift_s for k in kills]),
            **quantiles("tick_to_request", moved_s),
            "failed_after_kills": sum(k.failed for k in kills),
            "failed": sum(s.failed for s in lab.served),
            "requests": len(lab.served),
            "rerouted": sum(s.rerouted for s in lab.served),
        }


def quantiles(name: str, values: Sequence[float]) -> dict[str, float | None]:
    """p50, p99 and the largest, in seconds."""
    parts = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {f"{name}_{p}_s": round(effects.percentile(values, q), 4) if values else None for p, q in parts.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover", description=__doc__)
    parser.add_argument("--times", type=int, default=10, help="kills; %(default)s if not given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    try:
        values = asyncio.run(measure(arguments.times, arguments.seed))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(values) if arguments.json else "\n".join(f"{name:24} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
