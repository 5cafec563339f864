"""The users of every region: requests at random moments, a day's swing, and the fail-over that clients do themselves.

Arrivals are Poisson and do not wait for answers, so a slow fleet is not spared. A client asks the gateway nearest to
it; when that gateway refuses or breaks the connection it asks the next nearest within the same request, as clients of
an anycast address or of a health-checked DNS name come out elsewhere. An answer of 5xx is an answer: the request
failed.

    python -m simulator.lab.load       the regions as one line of JSON on stdin, then one command a line
"""

import asyncio
import contextlib
import json
import math
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import aiohttp

from simulator.lab.relay import stdin_lines
from simulator.lab.workload import CLUSTER_HEADER, INNER_HEADER

REQUEST_TIMEOUT_S = 5.0
REPORT_PERIOD_S = 0.25
IN_FLIGHT_MAX = 2_000
"""Of one region; more would only measure this process. Arrivals beyond it count as failed."""
SWING = 0.25
"""Half the difference between the busiest and the quietest hour, over the mean."""


class Served(NamedTuple):
    """One request as its client saw it."""

    at_s: float
    """When it was sent, on the monotonic clock of the machine."""
    region: str
    gateway: str
    """The last gateway asked."""
    cluster: str
    """Whose front end answered; empty when none did."""
    inner: str
    """Whose back end answered the front end."""
    status: int
    """Of the answer; 0 when no gateway gave one."""
    latency_ms: float
    rerouted: bool
    """Whether the nearest gateway was not the one that answered."""

    @property
    def failed(self) -> bool:
        """Whether the user got anything but a good answer."""
        return self.status != 200


@dataclass(frozen=True, slots=True)
class Region:
    """Users around one place."""

    name: str
    rps: float
    longitude_deg: float
    gateways: dict[str, str]
    """Place to URL, the nearest first."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the load process is told first."""

    regions: tuple[Region, ...]
    service: str
    day_s: float
    """Length of the compressed day."""
    seed: int

    def line(self) -> bytes:
        """As it is written to the process."""
        return json.dumps(asdict(self)).encode() + b"\n"


def plan_of(line: bytes) -> Plan:
    """The inverse of `Plan.line`."""
    fields = json.loads(line)
    return Plan(**{**fields, "regions": tuple(Region(**region) for region in fields["regions"])})


def swing(at_s: float, day_s: float, longitude_deg: float) -> float:
    """Demand over its mean at a moment of the compressed day; noon comes later the further west."""
    return 1 + SWING * math.sin(2 * math.pi * (at_s / day_s + longitude_deg / 360))


async def ask(session: aiohttp.ClientSession, region: Region, service: str) -> Served:
    """One request, tried at each gateway in turn until one answers."""
    started_s = time.monotonic()
    tried = ""
    for attempt, (place, url) in enumerate(region.gateways.items()):
        tried = place
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(url, headers={"Host": service}) as response:
                await response.read()
                seen = response.headers
                latency_ms = 1e3 * (time.monotonic() - started_s)
                return Served(started_s, region.name, place, seen.get(CLUSTER_HEADER, ""), seen.get(INNER_HEADER, ""),
                              response.status, latency_ms, attempt > 0)  # fmt: skip
    return Served(started_s, region.name, tried, "", "", 0, 1e3 * (time.monotonic() - started_s), False)


class Crowd:
    """The users of one region; `factor` is what the story does to their number."""

    def __init__(self, region: Region, plan: Plan, session: aiohttp.ClientSession, served: list[Served]) -> None:
        """Finished requests are appended to `served`."""
        self.factor = 1.0
        self._region, self._plan, self._session, self._served = region, plan, session, served
        self._random = random.Random(f"{plan.seed}/{region.name}")  # noqa: S311  it draws arrivals
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send for ever. Late arrivals are sent at once, so the rate holds."""
        start_s = next_s = time.monotonic()
        while True:
            rate_rps = self._region.rps * self.factor
            rate_rps *= swing(next_s - start_s, self._plan.day_s, self._region.longitude_deg)
            next_s += self._random.expovariate(rate_rps)
            await asyncio.sleep(next_s - time.monotonic())
            self._send()

    def _send(self) -> None:
        if len(self._in_flight) >= IN_FLIGHT_MAX:
            self._served.append(Served(time.monotonic(), self._region.name, "", "", "", 0, 0.0, False))
            return
        task = asyncio.get_running_loop().create_task(self._request())
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _request(self) -> None:
        self._served.append(await ask(self._session, self._region, self._plan.service))


async def report(served: list[Served]) -> None:
    """Write what was finished, a few times a second, as one line of JSON; an empty list is a sign of life."""
    while True:
        await asyncio.sleep(REPORT_PERIOD_S)
        rows, served[:] = list(served), []
        sys.stdout.write(json.dumps(rows) + "\n")
        sys.stdout.flush()


def rows_of(line: bytes) -> list[Served]:
    """The inverse of one line of `report`."""
    return [Served(*row) for row in json.loads(line)]


async def obey(lines: asyncio.StreamReader, crowds: Mapping[str, Crowd]) -> None:
    """Commands until the parent ends: {"region": name, "factor": times the mean}."""
    async for line in lines:
        command = json.loads(line)
        crowds[command["region"]].factor = command["factor"]


def client() -> aiohttp.ClientSession:
    """A session without a limit of connections: users do not queue for each other."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    return aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15))


async def main() -> None:
    """Be all users until standard input ends."""
    lines = await stdin_lines()
    plan = plan_of(await lines.readline())
    served: list[Served] = []
    async with client() as session, asyncio.TaskGroup() as group:
        crowds = {region.name: Crowd(region, plan, session, served) for region in plan.regions}
        running = [group.create_task(work) for work in (*(crowd.run() for crowd in crowds.values()), report(served))]
        await obey(lines, crowds)
        for task in running:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
