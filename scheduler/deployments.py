"""Deployments under way: whoever rolls out a service says so, and no drill moves its requests meanwhile.

A declaration ends by itself: a pipeline that dies must not bar drills for ever. It is kept in the ledger, so that it
outlives a restart of the controller.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from scheduler.ledger import Ledger

PREFIX = "deployment:"
EVERYWHERE = "*"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One roll-out that somebody declared."""

    service: str
    cluster: str
    """EVERYWHERE for all of them."""
    until_wall_s: float
    """Seconds since 1970."""
    reason: str

    @property
    def name(self) -> str:
        """`service/cluster`, or the service where it is everywhere."""
        return self.service if self.cluster == EVERYWHERE else f"{self.service}/{self.cluster}"


class Deployments:
    """What was declared, with the ledger that remembers it."""

    def __init__(self, ledger: Ledger, wall_s: Callable[[], float]) -> None:
        self._ledger, self._wall_s = ledger, wall_s
        self._known: dict[str, Deployment] = {}

    async def open(self) -> None:
        """Remember what was declared to earlier controllers. Raises LedgerDown."""
        for name, (value, reason) in (await self._ledger.switches(PREFIX)).items():
            service, _, cluster = name.removeprefix(PREFIX).partition("/")
            self._known[name] = Deployment(service, cluster, float(value), reason)

    async def begin(self, deployment: Deployment) -> None:
        """Declare one, or prolong it. In force at once; raises LedgerDown where it would not outlive a restart."""
        name = f"{PREFIX}{deployment.service}/{deployment.cluster}"
        self._known[name] = deployment
        await self._ledger.set_switch(name, repr(deployment.until_wall_s), deployment.reason)

    async def end(self, service: str, cluster: str) -> bool:
        """Take one back before its time; False where there is none. Raises LedgerDown."""
        name = f"{PREFIX}{service}/{cluster}"
        found = self._known.pop(name, None)
        if found is not None:
            await self._ledger.set_switch(name, "0", "ended")
        return found is not None and found.until_wall_s > self._wall_s()

    def under_way(self) -> list[Deployment]:
        """Those whose time is not over."""
        now_s = self._wall_s()
        return sorted((d for d in self._known.values() if d.until_wall_s > now_s), key=lambda d: d.name)

    def words(self, services: Collection[str]) -> str:
        """Which of some services is being rolled out, for people; empty where none is."""
        found = [d for d in self.under_way() if d.service in services]
        return f"a deployment of {found[0].name} is under way ({found[0].reason or 'no reason given'})" if found else ""
