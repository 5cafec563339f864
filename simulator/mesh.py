"""A mesh that exists only in memory. It passes the contract suite of real ones."""

from collections import Counter
from collections.abc import Callable

from connectors.connector import MeshLimits, Receipt, Refused, Unavailable
from connectors.rehearsal import Tally
from placement.fleet import OriginId
from placement.weights import WeightTable


class SimulatedMesh:
    """The mesh of one origin: takes effect at once, while it is reachable. Rehearses, by the clock it is given."""

    def __init__(
        self,
        origin: OriginId,
        limits: MeshLimits | None = None,
        clusters: frozenset[str] | None = None,
        now_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._origin, self._limits, self._now_s = origin, limits or MeshLimits(read_at_once=True), now_s
        self.clusters = clusters
        """Clusters it knows an address of; None for all."""
        self.table: WeightTable | None = None
        self.reachable = True
        self.objection = ""
        """Why it refuses whatever it is given; empty when it does not."""
        self.dead: frozenset[str] = frozenset()
        """Clusters whose endpoints do not answer; standbys take over for them."""
        self.armed: WeightTable | None = None
        self.counts = Tally()
        self._ratio, self._lapses_at_s = 0.0, 0.0

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""
        return self._origin

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return self._limits

    async def read(self) -> WeightTable | None:
        """The table it has from us."""
        self._reach()
        return self.table

    async def write(self, table: WeightTable) -> Receipt:
        """Make it so, unless the fence is lower or it objects."""
        self._reach()
        if self.table is not None and table.fence < self.table.fence:
            raise Refused(
                f"{self.origin}: (epoch, version) {table.fence} is lower than {self.table.fence}, which it has"
            )
        self._consider(table)
        self.table = table
        return Receipt(self.origin, table.epoch, table.version, stored=True, accepted=True, programmed=True)

    async def arm(self, table: WeightTable) -> Receipt:
        """Keep failover weights ready."""
        self._reach()
        if self.table is None:
            raise Refused(f"{self.origin}: there are no weights yet to rehearse a failover from")
        self._consider(table)
        self.armed = table
        return self._receipt()

    async def drain(self, ratio: float, lease_s: float) -> Receipt:
        """Spread a part of the requests by them, for as long as the lease."""
        self._reach()
        if self.armed is None and ratio:
            raise Refused(f"{self.origin}: no failover is armed")
        self._ratio, self._lapses_at_s = ratio, self._now_s() + lease_s
        return self._receipt()

    async def disarm(self) -> Receipt:
        """Forget them."""
        self._reach()
        self.armed, self._ratio = None, 0.0
        return self._receipt()

    def unfit(self) -> str:
        """While it cannot be reached."""
        return "" if self.reachable else "unreachable"

    def tally(self) -> Tally:
        """As `spread` counted, or whoever sets `counts`."""
        return self.counts

    @property
    def ratio(self) -> float:
        """The part of the requests that goes by the armed weights now."""
        return self._ratio if self._now_s() < self._lapses_at_s else 0.0

    def _receipt(self) -> Receipt:
        assert self.table is not None
        return Receipt(self.origin, *self.table.fence, stored=True, accepted=True, programmed=True)

    def _consider(self, table: WeightTable) -> None:
        if self.clusters is not None:
            unknown = {str(t.cluster) for _, targets, _ in table.items() for t in targets} - self.clusters
            if unknown:
                raise Refused(f"{self.origin}: no address of {', '.join(sorted(unknown))}")
        if self.objection:
            raise Refused(f"{self.origin}: {self.objection}")

    def spread(self, service: str, requests: int) -> Counter[str]:
        """Where that many requests go: by weight over what answers, else to the first standby that does, else lost."""
        rehearsed = round(requests * self.ratio) if self.armed and service in self.armed.services else 0
        self.counts += Tally(rehearsed=rehearsed, regular=requests - rehearsed)
        found = self._spread(self.table, service, requests - rehearsed)
        return found + self._spread(self.armed, service, rehearsed) if rehearsed else found

    def _spread(self, table: WeightTable | None, service: str, requests: int) -> Counter[str]:
        rows = {str(s): (targets, shed) for s, targets, shed in table.items()} if table else {}
        if service not in rows or table is None:
            return Counter({"LOST": requests})
        targets, shed = rows[service]
        unit = table.unit
        alive = [t for t in targets if t.cluster not in self.dead]
        first = min((t.priority for t in alive), default=-1)
        chosen = {str(t.cluster): max(t.weight, 1 if first > 0 else 0) for t in alive if t.priority == first}
        refused = round(requests * shed / unit)
        counts = _share_out(requests - refused, {name: w for name, w in chosen.items() if w} or {"LOST": 1})
        return Counter({"SHED": refused} if refused else {}) + counts

    def _reach(self) -> None:
        if not self.reachable:
            raise Unavailable(f"{self.origin}: unreachable")


def _share_out(requests: int, weights: dict[str, int]) -> Counter[str]:
    """Whole requests in proportion, by largest remainder."""
    total = sum(weights.values())
    counts = Counter({name: requests * weight // total for name, weight in weights.items()})
    byremainder = sorted(weights, key=lambda name: (-(requests * weights[name] % total), name))
    counts.update(byremainder[: requests - sum(counts.values())])
    return counts
