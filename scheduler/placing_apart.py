"""The placer of a fleet: on the thread that asks, or where the fleet is large in a process of its own.

The fleet and its workloads are sent there once, and so are its solver, its compiled loops and the plans that it keeps
for losses kept off this process. What travels are snapshots one way and answers the other way.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from placement.columns import Bools
from placement.fleet import Fleet
from placement.readings import Snapshot
from placement.solve.linear import Unsolved
from placement.workloads import PlacingPrices, Workloads
from scheduler.apart import Apart, Gone
from scheduler.assigned import Siting, Spread

if TYPE_CHECKING:  # its solver takes seconds to load, where nobody waits for it
    from scheduler.placer import Placer

APART_FROM_FLOWS = 5_000
"""As for failover tables."""
ANSWER_MAX_S = 900.0
"""The first assignment of the largest fleets takes minutes, and nobody waits for it."""
OURS = ("fleet", "workloads")


class Placing:
    """A placer, wherever it is. Used from one thread at a time: close it."""

    def __init__(
        self,
        fleet: Fleet,
        workloads: Workloads,
        prices: PlacingPrices,
        spread: Spread,
        lost: Callable[[str], None] = lambda _: None,
        apart_from_flows: int = APART_FROM_FLOWS,
    ) -> None:
        """`lost` is told of each process that is gone."""
        self.fleet, self.workloads, self.prices, self.spread = fleet, workloads, prices, spread
        ours = len(fleet.flows) < apart_from_flows or spread.on_ray is True or spread.address is not None
        self._apart = None if ours else Apart("scheduler.placing_apart:Elsewhere", ANSWER_MAX_S, lost)
        self._here = Elsewhere()
        self._told = False

    def follow(self, snapshot: Snapshot, lost: Bools) -> Siting:
        """See scheduler.placer.Placer. Raises Unsolved, and ValueError where least replicas do not fit."""
        ask: Callable[..., Any] = self._here if self._apart is None else self._apart.ask
        try:
            if not self._told:
                fleet = self.fleet if self._apart is None else replace(self.fleet)  # without what was worked out of it
                ask("make", fleet, self.workloads, self.prices, self.spread)
                self._told = True
            found: dict[str, Any] = ask("follow", snapshot, lost)
        except Gone as gone:
            self._told = False
            raise Unsolved(str(gone)) from None
        return Siting(fleet=self.fleet, workloads=self.workloads, **found)

    def end(self) -> None:
        """End its process whatever it does, from any thread."""
        if self._apart is not None:
            self._apart.close()

    def close(self) -> None:
        """Let shards, threads and processes go."""
        self.end()
        self._here.close()


class Elsewhere:
    """The other end."""

    def __init__(self) -> None:
        self.placer: Placer | None = None

    def __call__(self, verb: str, *words: Any) -> object:
        """What is asked."""
        return getattr(self, f"_{verb}")(*words)

    def close(self) -> None:
        """Let shards and threads go."""
        if self.placer is not None:
            self.placer.close()
            self.placer = None

    def _make(self, fleet: Fleet, workloads: Workloads, prices: PlacingPrices, spread: Spread) -> None:
        from scheduler.placer import Placer  # noqa: PLC0415  here its compiled loops are loaded

        self.close()
        self.placer = Placer(fleet, workloads, prices, spread)

    def _follow(self, snapshot: Snapshot, lost: Bools) -> dict[str, Any]:
        from placement.solve.sharded import Lost  # noqa: PLC0415  as above

        assert self.placer is not None, "a fleet comes first"
        try:
            found = self.placer.follow(snapshot, lost)
        except (Lost, ConnectionError) as gone:
            raise Unsolved(str(gone)) from None
        return {field.name: getattr(found, field.name) for field in fields(Siting) if field.name not in OURS}
