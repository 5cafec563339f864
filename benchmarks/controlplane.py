"""The controller is killed for ten seconds under load: what users notice, what the split does, what a restart does.

Twice: once while one region's load is split over clusters, for the split; once at rest, where the restarted
controller should find everything as it left it and send the gateways nothing.

    python -m benchmarks.controlplane --json
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import aiohttp

from simulator.lab import effects
from simulator.lab.addresses import LOOPBACK
from simulator.lab.fleet import LOOK_PERIOD_S, Lab, Options, running, until
from simulator.lab.gateways import DataPlane
from simulator.lab.processes import LabError
from simulator.lab.watch import View

SURGING, FACTOR = "eu-west", 2.3
FULL = 0.95
PATIENCE_S = 60.0
SETTLE_S = 5.0
"""After the first spill, for the weights to become those of the surge."""
OUTAGE_S = 10.0
CONNECTED = "^control_plane.connected_state$"
AFTER_S = 6.0
"""Watched after the gateways are back: several ticks."""


async def statistics(lab: Lab, wanted: str) -> list[dict[str, int]]:
    """Counters of every gateway whose names match an expression, by name."""
    found = []
    async with aiohttp.ClientSession() as session:
        for port in lab.addresses.admin.values():
            async with session.get(f"http://{LOOPBACK}:{port}/stats", params={"filter": wanted}) as response:
                rows = [line.split(": ") for line in (await response.text()).splitlines()]
            found.append({name: int(value) for name, value in rows})
    return found


async def updates(lab: Lab) -> int:
    """How many configurations all gateways have taken so far, by their own count."""
    counters = await statistics(lab, "update_success$")
    # The upstream that is the controller itself is looked up by name again and again, not sent.
    return sum(n for rows in counters for name, n in rows.items() if not name.startswith("cluster.equipoise/"))


async def connected(lab: Lab) -> float:
    """Wait until every gateway has its stream to the controller again; returns the moment."""
    async with asyncio.timeout(PATIENCE_S):
        while 0 in [state for rows in await statistics(lab, CONNECTED) for state in rows.values()]:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_PERIOD_S)  # a gateway tells nobody that it is back
    return time.monotonic()


async def fresh(lab: Lab) -> View:
    """A view of the tick that has just ended, so that the next one is most of a second away."""
    turn = lab.watch.turn
    await until(lambda: lab.watch.turn > turn, "another tick")
    assert lab.watch.latest is not None
    return lab.watch.latest


async def outage(lab: Lab) -> dict[str, Any]:
    """Kill the controller, wait, start it again, wait. What is `silent` is measured while it was dead."""
    sent, last = await updates(lab), await fresh(lab)
    killed_s = await lab.kill_controller()
    await asyncio.sleep(OUTAGE_S)
    back_s = time.monotonic()
    weights_stood = [replace(last, seen_s=killed_s), replace(last, seen_s=back_s)]
    splits = effects.splits(weights_stood, lab.attempts)
    await lab.start_controller()
    await until(lambda: lab.watch.answers, "the controller answers again")
    again_s = time.monotonic()
    connected_s = await connected(lab)
    await asyncio.sleep(AFTER_S)
    served = [s for s in lab.served if s.at_s >= killed_s]
    return {
        "requests": len(served),
        "failed": sum(s.failed for s in served),
        "silent_split_requests": sum(split.got for split in splits),
        "silent_split_deviation_max": max((round(split.deviation, 2) for split in splits), default=None),
        "answers_again_s": round(again_s - back_s, 2),
        "connected_again_s": round(connected_s - back_s, 2),
        "updates_sent": await updates(lab) - sent,
    }


async def measure(seed: int) -> dict[str, Any]:
    """Both outages, in one lab. Raises LabError."""
    async with running(Options(day_s=600.0, seed=seed, data_plane=DataPlane.ENVOY)) as lab:
        await until(lambda: home(lab) > FULL, "everybody is served at home")
        at_rest = await outage(lab)
        lab.set_load(SURGING, FACTOR)
        await until(lambda: 0 < home(lab) < FULL, f"{SURGING} spills over", PATIENCE_S)
        await asyncio.sleep(SETTLE_S)
        split = await outage(lab)
        return {
            "requests": at_rest["requests"] + split["requests"],
            "failed": at_rest["failed"] + split["failed"],
            "at_rest": at_rest,
            "split": split,
        }


def home(lab: Lab) -> float:
    """What part of the surging region's front-end requests stays at home."""
    return lab.watch.latest.share("frontend", SURGING, SURGING) if lab.watch.latest else 0.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.controlplane", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    try:
        values = asyncio.run(measure(arguments.seed))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(values, indent=None if arguments.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
