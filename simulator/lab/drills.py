"""Drills on the lab, asked for as an operator would: over the controller's API."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from simulator.lab import documents
from simulator.lab.attempts import Attempt
from simulator.lab.fleet import LOOK_PERIOD_S, Lab
from simulator.lab.processes import LabError

Body = dict[str, Any]
PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Faster than in production, where a step is a minute."""

    step_s: float = 4.0
    hold_s: float = 8.0
    lease_s: float = 2.0


def hurry(lab: Lab, pace: Pace) -> None:
    """Let the controller drill at this pace, on demand alone."""
    policy = documents.policy(lab.setting)
    policy["spec"]["drills"] = {
        "automatic": False,
        "losses": [],
        "probeEverySeconds": 2,
        "stepSeconds": pace.step_s,
        "holdSeconds": pace.hold_s,
        "leaseSeconds": pace.lease_s,
        # A second of a small lab has some tens of requests, each with its own luck.
        "limits": {"utilizationMax": 0.95, "trafficMax": 0.2, "latencyRiseMax": 2.0, "budgetLeftMin": 0},
    }
    documents.write(lab.setting.documents / "policy.yaml", [policy])


class Desk:
    """An operator at the API of a lab's controller."""

    def __init__(self, lab: Lab, session: aiohttp.ClientSession) -> None:
        self.lab, self.session = lab, session
        self.url = lab.watch.url + "/api/v1/drills"

    async def begin(self, level: str, loss: str, patience_s: float = PATIENCE_S) -> Body:
        """Begin a drill as soon as its pre-conditions hold; raises LabError with them when they do not in time."""
        end_s, words = time.monotonic() + patience_s, ""
        while time.monotonic() < end_s:
            async with self.session.post(self.url, json={"level": level, "loss": loss, "by": "lab"}) as answer:
                body: Body = await answer.json()
                if answer.status == 201:
                    return body
                words = str(body.get("detail"))
            await asyncio.sleep(5 * LOOK_PERIOD_S)
        raise LabError(f"no {level} for the loss of {loss} within {patience_s:g} s: {words}")

    async def get(self, path: str = "") -> Body:
        """An answer of the drill routes."""
        async with self.session.get(f"{self.url}{path}") as answer:
            body: Body = await answer.json()
            return body

    async def reaches(self, drill: str, ratio: float) -> Body:
        """Wait until a drill moves this part of the requests."""
        return await self._follow(drill, lambda body: body["ratio"] >= ratio, f"a ratio of {ratio:g}")

    async def reaches_or_ends(self, drill: str, ratio: float) -> Body:
        """The same, or its outcome if that comes first."""
        return await self._follow(
            drill, lambda body: body["ratio"] >= ratio or bool(body["outcome"]), f"a ratio of {ratio:g} or an outcome"
        )

    async def ends(self, drill: str) -> Body:
        """Wait for its outcome."""
        return await self._follow(drill, lambda body: bool(body["outcome"]), "an outcome")

    async def abort(self, drill: str) -> float:
        """Take it back; returns the moment of asking."""
        at_s = time.monotonic()
        async with self.session.post(f"{self.url}/{drill}/abort", json={"reason": "the lab wants to see it"}) as answer:
            if answer.status != 202:
                raise LabError(f"{drill} cannot be aborted: {await answer.text()}")
        return at_s

    async def _follow(self, drill: str, holds: Any, what: str) -> Body:
        end_s, body = time.monotonic() + PATIENCE_S, Body()
        while time.monotonic() < end_s:
            body = await self.get(f"/{drill}")
            if holds(body):
                return body
            if body["outcome"]:
                break
            await asyncio.sleep(LOOK_PERIOD_S)
        raise LabError(f"drill {drill} did not come to {what}: {body}")


def away(attempts: Iterable[Attempt], origin: str, service: str, since_s: float) -> list[float]:
    """When requests for a service left a place for another one."""
    return [
        a.at_s for a in attempts
        if a.origin == origin != a.cluster and a.service == service and a.at_s >= since_s
    ]  # fmt: skip
