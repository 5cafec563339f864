"""The meshes that take part in a drill: one order to all of them at once, and who has carried it out."""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable, Mapping

from connectors.connector import Connector, Receipt, Refused, Unavailable
from connectors.deadline import within
from connectors.rehearsal import Rehearsing, Tally
from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.push import answered, first_of

Answers = dict[OriginId, Receipt | Exception | None]
"""None for a mesh that was not waited for."""


def rehearsing(mesh: object) -> Rehearsing | None:
    """A connector as one that can rehearse; None where it cannot."""
    return mesh if isinstance(mesh, Rehearsing) else None


class DrillMeshes:
    """Orders to the connectors that can rehearse, each within `deadline_s`."""

    def __init__(self, connectors: Mapping[OriginId, Connector], deadline_s: float) -> None:
        self.connectors, self.deadline_s = connectors, deadline_s
        self.armed: set[OriginId] = set()
        """Meshes that were given failover weights and have not forgotten them."""

    async def arm(self, tables: Mapping[OriginId, WeightTable], urgent: Awaitable[object]) -> Answers:
        """A dry push to every mesh; what is `urgent` ends the waiting."""
        self.armed |= set(tables)
        return await self._ordered({o: mesh.arm(tables[o]) for o, mesh in self._of(tables)}, urgent)

    async def drain(
        self, origins: Iterable[OriginId], ratio: float, lease_s: float, urgent: Awaitable[object]
    ) -> Answers:
        """Move a part of the requests, or renew the lease on it."""
        return await self._ordered({o: mesh.drain(ratio, lease_s) for o, mesh in self._of(origins)}, urgent)

    async def revert(self, origins: Iterable[OriginId]) -> Answers:
        """The way back, which nothing interrupts."""
        return await self._ordered({o: mesh.drain(0.0, 0.0) for o, mesh in self._of(origins)}, None)

    async def disarm(self) -> None:
        """Let the meshes forget a drill that is over; who does not answer is asked again the next time."""
        for origin in sorted(self.armed):
            mesh = rehearsing(self.connectors.get(origin))
            with contextlib.suppress(Unavailable, Refused):
                if mesh is not None:
                    await within(self.deadline_s, mesh.disarm(), f"{origin}: disarm")
                self.armed.discard(origin)

    def tally(self, origins: Iterable[OriginId]) -> Tally:
        """What came of the requests of all of them."""
        return sum((mesh.tally() for _, mesh in self._of(origins)), Tally())

    def _of(self, origins: Iterable[OriginId]) -> list[tuple[OriginId, Rehearsing]]:
        found = ((origin, rehearsing(self.connectors.get(origin))) for origin in origins)
        return [(origin, mesh) for origin, mesh in found if mesh is not None]

    async def _ordered(self, calls: Mapping[OriginId, Awaitable[Receipt]], urgent: Awaitable[object] | None) -> Answers:
        """Every answer that came in time. An order that is not waited for may still be carried out, for its lease."""
        tasks = {
            o: asyncio.ensure_future(answered(within(self.deadline_s, c, f"{o}: drill"))) for o, c in calls.items()
        }
        hurry = [asyncio.ensure_future(urgent)] if urgent is not None else []
        everybody = [asyncio.ensure_future(asyncio.wait(tasks.values()))] if tasks else []
        try:
            await first_of(*everybody, *hurry)
        finally:
            for task in (*everybody, *tasks.values(), *hurry):
                task.cancel()
        return {o: task.result() if task.done() and not task.cancelled() else None for o, task in tasks.items()}
