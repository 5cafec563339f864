"""A mesh in the simulated world: it takes a table at once and applies it a little later, wholly or in part."""

from connectors.connector import MeshLimits, Receipt, Unavailable
from placement.fleet import OriginId
from placement.weights import WeightTable
from simulator.mesh import SimulatedMesh


class DelayedMesh(SimulatedMesh):
    """Passes the contract of connectors; the world says when its proxies have caught up."""

    def __init__(self, origin: OriginId, apply_s: float, limits: MeshLimits | None = None) -> None:
        super().__init__(origin, limits, now_s=lambda: self.now_s)
        self.apply_s = apply_s
        self.now_s = 0.0
        """Set by the world."""
        self.part = 1.0
        """Of the proxies that take a write."""
        self.deaf = False
        """Writes are applied, and nobody hears of it."""
        self.due: list[tuple[float, WeightTable, float]] = []
        """(time of its effect, table, part of the proxies), in order."""
        self.writes = 0

    async def write(self, table: WeightTable) -> Receipt:
        """Store it and let it take effect later."""
        if not self.reachable and self.deaf:
            self.reachable = True
            try:
                await self._take(table)
            finally:
                self.reachable = False
            raise Unavailable(f"{self.origin}: no answer in time")
        return await self._take(table)

    def taking_effect(self, now_s: float) -> list[tuple[WeightTable, float]]:
        """Tables whose time has come, with the part of the proxies that take them."""
        ready = [(table, part) for at_s, table, part in self.due if at_s <= now_s + 1e-9]
        self.due = [late for late in self.due if late[0] > now_s + 1e-9]
        return ready

    async def _take(self, table: WeightTable) -> Receipt:
        receipt = await super().write(table)
        self.writes += 1
        self.due.append((self.now_s + self.apply_s, table, self.part))
        if self.apply_s <= 0:
            return receipt
        return Receipt(receipt.origin, receipt.epoch, receipt.version, stored=True, accepted=True, programmed=False)
