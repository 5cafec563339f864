"""Drills on real gateways, with real requests: there, back, taken back, and let go of by a proxy that is alone."""

import math
import time
from functools import partial

import aiohttp
import pytest

from simulator.lab import gateways
from simulator.lab.drills import Desk, Pace, away, hurry
from simulator.lab.fleet import Lab, Options, running, until
from simulator.lab.places import PLACES

needs_envoy = pytest.mark.skipif(gateways.installed() is None, reason="no Envoy wheel for this platform")
STILL_S = 1e9
DRILLED = "us-east"
LOSS = f"cluster {DRILLED}"
PACE = Pace(step_s=0.5, hold_s=60.0, lease_s=0.5)
BACK_MAX_S = 2.0
LAPSE_MAX_S = 2.0
"""The lease and what a busy machine adds to it."""
SIGMAS = 4


def moves(lab: Lab, since_s: float) -> bool:
    """Whether requests leave the drilled place."""
    return len(away(lab.attempts, DRILLED, "frontend", since_s)) > 20


def leaves(lab: Lab, since_s: float) -> tuple[float, float, float]:
    """Part of the requests that left the drilled place since then, the part that the weights send away, and what chance
    may add to that: nothing, where they keep all of them.
    """
    view = lab.watch.latest
    assert view is not None
    sent = 1 - view.share("frontend", DRILLED, DRILLED)
    asked = sum(a.origin == DRILLED and a.service == "frontend" and a.at_s >= since_s for a in lab.attempts)
    left = len(away(lab.attempts, DRILLED, "frontend", since_s))
    return left / max(asked, 1), sent, SIGMAS * math.sqrt(sent * (1 - sent) / max(asked, 1))


async def drilled(lab: Lab, desk: Desk) -> str:
    """A full drill that has everything away; its id. A verdict of a busy machine may end one: then another."""
    for _ in range(3):
        began = await desk.begin("L4", LOSS)
        body = await desk.reaches_or_ends(began["id"], 1.0)
        if not body["outcome"]:
            await until(partial(moves, lab, time.monotonic()), "requests move")
            return str(began["id"])
    raise AssertionError(body)


@needs_envoy
async def test_full_drill_when_aborted_or_left_alone_by_a_killed_controller_is_back_soon_and_fails_nobody() -> None:
    async with running(Options(day_s=STILL_S, step_max=1.0)) as lab, aiohttp.ClientSession() as session:
        desk = Desk(lab, session)
        for region in PLACES:
            lab.set_load(region, 0.7)
        hurry(lab, PACE)
        await until(lambda: lab.watch.turn > 4, "demand is measured")

        first = await drilled(lab, desk)
        aborted_s = await desk.abort(first)
        ended = await desk.ends(first)
        served = len(lab.served)
        await until(lambda: len(lab.served) > served + 100, "users are served")
        last_s = max(away(lab.attempts, DRILLED, "frontend", aborted_s), default=aborted_s)

        await drilled(lab, desk)
        killed_s = await lab.kill_controller()
        await until(lambda: time.monotonic() > killed_s + LAPSE_MAX_S, "the lease is over")
        served = len(lab.served)
        await until(lambda: len(lab.served) > served + 100, "users are served")
        left, by_weights, chance = leaves(lab, killed_s + LAPSE_MAX_S)

        assert (ended["outcome"], ended["rehearsed_failed"]) == ("INTERRUPTED", 0)
        assert last_s - aborted_s <= BACK_MAX_S
        assert left <= by_weights + chance, "an Envoy without a controller lets go by itself"
        lost = [s for s in lab.served if s.failed and not s.cluster]
        assert lost == [], "a busy machine may answer that it is full; no request may find nobody to answer"
