"""The slow cadence of a running controller: where workloads should run, certified, kept current and ready for losses.

The first look at a fleet is a solve; every later one tells the shards what changed and certifies what stands (see
`placement.solve.ticks`). Beside it, on a thread that yields to everything else, an understudy keeps a plan and prices
ready for the loss of every region and provider, so that a loss is answered without a climb. Small fleets are solved
whole and exactly each time. Nothing here is applied: it is said, priced and certified. See scheduler.floors.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from placement.assignment import AssignmentProblem
from placement.columns import Bools, floats
from placement.fleet import Fleet
from placement.readings import Snapshot
from placement.solve.assignment import solve_relaxation
from placement.solve.sharded import InProcess, Partition, Standing, insist, partition, solve_sharded
from placement.solve.standby import NOTHING, Understudy
from placement.solve.ticks import tick
from placement.workloads import PlacingPrices, Workloads, assignment_problem, moved_problem, unguarded
from scheduler.assigned import Siting, Spread
from scheduler.fanout import WHOLE_TO_ROUTES, RayShards, fan_out
from scheduler.standby import Standby

RENEW_S = 900.0
"""Routes and their prices follow what was measured this often: in between only demand and losses do."""


class Placer:
    """One fleet's assignment. A resource, used from one thread at a time: close it."""

    def __init__(
        self,
        fleet: Fleet,
        workloads: Workloads,
        prices: PlacingPrices,
        spread: Spread | None = None,
        now_s: Callable[[], float] = time.monotonic,
        whole_to: int = WHOLE_TO_ROUTES,
    ) -> None:
        self.fleet, self.workloads, self.prices, self.spread = fleet, workloads, prices, spread or Spread()
        self._now_s, self._whole_to = now_s, whole_to
        self._made_at_s = -np.inf
        self._base: AssignmentProblem | None = None
        self._shards: tuple[InProcess | RayShards, Partition] | None = None
        self._held: tuple[AssignmentProblem, Standing] | None = None
        self._standby = Standby()
        self._understudy: Understudy | None = None
        self._preparing: Future[int] | None = None

    def follow(self, snapshot: Snapshot, lost: Bools) -> Siting:
        """The assignment of this instant, without (C,) lost clusters. Raises Unsolved, Lost, and ValueError where least
        replicas do not fit; after any of them the next call solves from nothing.
        """
        begun_s = self._now_s()
        now = self._problem(snapshot, lost)
        try:
            standing, how = self._solved(now)
        except Exception:
            self._forget()
            raise
        taken_s = self._now_s() - begun_s
        if self._shards is not None:
            self._held = (now, standing)
            if not lost.any():
                self._prepare(now, standing)
        return self._siting(now, standing, how, taken_s, lost)

    def prepared(self) -> None:
        """Return when everything that was begun for losses is ready."""
        if self._preparing is not None:
            self._preparing.result()

    def close(self) -> None:
        """Let shards and threads go."""
        self._forget()
        self._standby.close()

    def _problem(self, snapshot: Snapshot, lost: Bools) -> AssignmentProblem:
        base, now_s = self._base, self._now_s()
        aged = now_s - self._made_at_s > RENEW_S and not lost.any()
        if base is None or aged or unguarded(base, self.fleet, self.workloads, snapshot):
            self._forget()
            self._base = base = assignment_problem(self.fleet, self.workloads, snapshot, self.prices)
            self._made_at_s = now_s
        return moved_problem(base, self.fleet, self.workloads, snapshot, lost)

    def _solved(self, now: AssignmentProblem) -> tuple[Standing, str]:
        if self.spread.on_ray is not True and len(now.routes) <= self._whole_to:
            return Standing(solve_relaxation(now), floats(np.zeros(len(now.links.bandwidth)))), "exact"
        if self._shards is None or self._held is None:
            self._shards = fan_out(now, self.spread.shards, self.spread.on_ray, self.spread.address)
            fanout, layout = self._shards
            return solve_sharded(now, layout, fanout), "solve"
        (fanout, layout), (before, standing) = self._shards, self._held
        ready = self._standby.ready
        known = ready.after(before, now) is not None
        return tick(before, now, layout, fanout, standing, ready), "ready" if known else "tick"

    def _prepare(self, now: AssignmentProblem, standing: Standing) -> None:
        """Begin to make ready what is kept for losses, unless that is still going on."""
        assert self._shards is not None
        if self._preparing is not None and not self._preparing.done():
            return
        fanout, layout = self._shards
        prices = layout.whole(now, insist(fanout, "prices", [standing.price] * layout.shards))
        if self._understudy is None:
            alone = partition(now, 1)
            self._understudy = Understudy(alone, InProcess(alone.parts(now)), now)
        self._preparing = self._standby.prepare(self._understudy, now, prices, [NOTHING, *foreseeable(now)])

    def _forget(self) -> None:
        if self._shards is not None and isinstance(self._shards[0], RayShards):
            self._shards[0].close()
        self._shards = self._held = self._base = None
        if self._understudy is not None:
            self._standby.close()
            self._standby, self._understudy, self._preparing = Standby(), None, None

    def _siting(self, now: AssignmentProblem, standing: Standing, how: str, seconds: float, lost: Bools) -> Siting:
        fanout = self._shards[0] if self._shards is not None else None
        domains = foreseeable(now)
        return Siting(
            fleet=self.fleet,
            workloads=self.workloads,
            problem=now,
            assignment=standing.assignment,
            how=how,
            where="whole" if fanout is None else "ray" if isinstance(fanout, RayShards) else "threads",
            shards=1 if self._shards is None else self._shards[1].shards,
            restarts=fanout.restarts if isinstance(fanout, RayShards) else 0,
            seconds=seconds,
            lost=lost,
            losses_ready=len(domains) if fanout is None else len(set(self._standby.ready.by_domain) & set(domains)),
            losses=len(domains),
        )


def foreseeable(problem: AssignmentProblem) -> list[int]:
    """Regions and providers whose loss leaves something, in the numbering of Losses."""
    domain = problem.site_domains
    found = [int(each) for each in np.unique(domain[domain >= 0])]
    return [each for each in found if not (domain == each).any(axis=1).all()]
