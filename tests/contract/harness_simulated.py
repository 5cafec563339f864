"""The simulated mesh under the contract suite: what the simulator says of a mesh holds for real ones too."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from placement.fleet import OriginId
from placement.weights import WeightTable, table_of
from simulator.mesh import SimulatedMesh
from tests.contract.harness import CLUSTERS, ORIGIN, SERVICE, UNIT, Harness


class SimulatedHarness:
    """Requests are counted without a network."""

    def __init__(self) -> None:
        self.connector = SimulatedMesh(OriginId(ORIGIN), clusters=frozenset(CLUSTERS), now_s=time.monotonic)

    async def send(self, service: str, requests: int) -> Counter[str]:
        """Where they go."""
        return self.connector.spread(service, requests)

    async def kill(self, cluster: str) -> None:
        """Its endpoints do not answer."""
        self.connector.dead |= {cluster}

    async def revive(self, cluster: str) -> None:
        """They do again."""
        self.connector.dead -= {cluster}

    def refusable(self, table: WeightTable) -> WeightTable:
        """A cluster it has no address of."""
        return table_of(ORIGIN, UNIT, {SERVICE: {"nowhere": (UNIT, 0)}}, table.fence)

    async def cut(self) -> None:
        """Out of reach."""
        self.connector.reachable = False

    async def mend(self) -> None:
        """In reach."""
        self.connector.reachable = True


@asynccontextmanager
async def simulated(_: Path) -> AsyncIterator[Harness]:
    """One in memory."""
    yield SimulatedHarness()
