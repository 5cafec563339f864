"""What happens in the demo, and what each act did."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from simulator.lab.fleet import Lab

PRICED = "eu-west"
SURGING = "eu-west"
KILLED = "us-east"


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is done to the lab."""

    name: str
    at_ratio: float
    """When, as a part of the whole story."""
    place: str
    """To which cluster or region."""
    text: str
    do: Callable[[Lab], float | Awaitable[float]]
    """Does it and says when."""


ACTS = (
    Act("settle", 0.0, PRICED, "users come in", lambda _: time.monotonic()),
    Act("surge", 0.1, SURGING, f"{SURGING} gets twice its load", lambda lab: lab.set_load(SURGING, 2.0)),
    Act("surge over", 0.25, SURGING, f"{SURGING} is back to normal", lambda lab: lab.set_load(SURGING, 1.0)),
    Act("price", 0.37, PRICED, f"nodes in {PRICED} cost twice as much", lambda lab: lab.set_price(PRICED, 2.0)),
    Act("kill", 0.53, KILLED, f"{KILLED} is killed: its services and its gateway", lambda lab: lab.kill(KILLED)),
    Act("return", 0.68, KILLED, f"{KILLED} is started again", lambda lab: lab.revive(KILLED)),
)
"""The price stays up, so that the cluster which is killed carries the users of two regions."""


@dataclass(frozen=True, slots=True)
class Scene:
    """An act that has happened, until the next."""

    act: Act
    at_s: float
    until_s: float

    @property
    def span(self) -> tuple[float, float]:
        """From the act to the next."""
        return self.at_s, self.until_s


async def play(lab: Lab, duration_s: float, say: Callable[[str], None]) -> list[Scene]:
    """Do every act at its time, and wait for the end of the last."""
    start_s = time.monotonic()
    moments: list[float] = []
    for act in ACTS:
        await asyncio.sleep(start_s + act.at_ratio * duration_s - time.monotonic())
        say(act.text)
        done = act.do(lab)
        moments.append(await done if inspect.isawaitable(done) else done)
    await asyncio.sleep(start_s + duration_s - time.monotonic())
    return list(scenes(moments, time.monotonic()))


def scenes(moments: list[float], end_s: float) -> Iterator[Scene]:
    """Acts with the spans between their moments."""
    for act, (at_s, until_s) in zip(ACTS, pairwise([*moments, end_s]), strict=True):
        yield Scene(act, at_s, until_s)
