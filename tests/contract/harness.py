"""What the contract suite needs of a mesh: a connector, a data plane to send through, and ways to break things."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from connectors.connector import Connector
from placement.weights import WeightTable, table_of

SERVICE = "frontend"
ORIGIN = "home"
CLUSTERS = ("east", "north", "west")
"""Where SERVICE runs in every harness."""
SHED = "SHED"
"""Counted for a request that the origin refused because the table says so."""
UNIT = 10_000


class Harness(Protocol):
    """A running mesh of ORIGIN that serves SERVICE in CLUSTERS, with no table yet."""

    @property
    def connector(self) -> Connector:
        """What is under test."""

    async def send(self, service: str, requests: int) -> Counter[str]:
        """How many requests each cluster served; SHED for those refused by the table, ERROR... for those lost."""

    async def kill(self, cluster: str) -> None:
        """The endpoints of a cluster are gone from one moment to the next."""

    async def revive(self, cluster: str) -> None:
        """They are back."""

    def refusable(self, table: WeightTable) -> WeightTable:
        """A table with the same fence which this mesh will refuse for a reason of its own."""

    async def cut(self) -> None:
        """Controller and mesh can no longer reach each other."""

    async def mend(self) -> None:
        """They can again."""


OpenHarness = Callable[[Path], AbstractAsyncContextManager[Harness]]
"""Starts a harness, which may keep its files in the folder, and ends all of it."""


def table(weights: dict[str, int], standbys: Iterable[str] = (), fence: tuple[int, int] = (1, 1)) -> WeightTable:
    """A table of ORIGIN for SERVICE; what is missing to UNIT is shed."""
    row = {cluster: (weight, 0) for cluster, weight in weights.items()}
    row |= {cluster: (0, place) for place, cluster in enumerate(standbys, start=1)}
    return table_of(ORIGIN, UNIT, {SERVICE: row}, fence)


def far_off(counts: Counter[str], weights: dict[str, int]) -> str:
    """What is wrong with a split, empty when nothing is: every count within 5 sigma of a fair draw."""
    requests = counts.total()
    wanted = {key: weight / UNIT for key, weight in weights.items()}
    wanted[SHED] = 1 - sum(wanted.values())
    for key in wanted.keys() | counts.keys():
        share = wanted.get(key, 0.0)
        sigma = math.sqrt(requests * share * (1 - share))
        if abs(counts[key] - requests * share) > 5 * sigma:
            return f"{key}: {counts[key]} of {requests} where {requests * share:.0f} +- {5 * sigma:.0f} are due"
    return ""


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, within_s: float = 60.0) -> None:
    """Wait until it holds; fails naming `what` after `within_s`."""
    end_s = time.monotonic() + within_s
    while not await holds():
        assert time.monotonic() < end_s, f"not within {within_s:g} s: {what}"
        await asyncio.sleep(0.01)
