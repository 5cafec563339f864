"""A mesh that exists only in memory. It passes the contract suite of real ones."""

from collections import Counter

from connectors.connector import MeshLimits, Receipt, Refused, Unavailable
from placement.fleet import OriginId
from placement.weights import WeightTable


class SimulatedMesh:
    """The mesh of one origin: takes effect at once, while it is reachable."""

    def __init__(
        self, origin: OriginId, limits: MeshLimits | None = None, clusters: frozenset[str] | None = None
    ) -> None:
        self._origin, self._limits = origin, limits or MeshLimits()
        self.clusters = clusters
        """Clusters it knows an address of; None for all."""
        self.table: WeightTable | None = None
        self.reachable = True
        self.objection = ""
        """Why it refuses whatever it is given; empty when it does not."""
        self.dead: frozenset[str] = frozenset()
        """Clusters whose endpoints do not answer; standbys take over for them."""

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
        unknown = {str(t.cluster) for _, targets, _ in table.items() for t in targets} - (self.clusters or set())
        if self.clusters is not None and unknown:
            raise Refused(f"{self.origin}: no address of {', '.join(sorted(unknown))}")
        if self.objection:
            raise Refused(f"{self.origin}: {self.objection}")
        self.table = table
        return Receipt(self.origin, table.epoch, table.version, stored=True, accepted=True, programmed=True)

    def spread(self, service: str, requests: int) -> Counter[str]:
        """Where that many requests go: by weight over what answers, else to the first standby that does, else lost."""
        rows = {str(s): (targets, shed) for s, targets, shed in self.table.items()} if self.table else {}
        if service not in rows:
            return Counter({"LOST": requests})
        targets, shed = rows[service]
        unit = self.table.unit if self.table else 1
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
