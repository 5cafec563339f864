"""Overrides of a running controller: made, changed, ended; in force at once, and remembered over a restart."""

import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from scheduler.board import Board
from scheduler.clock import SystemClock
from scheduler.desk import Desk
from scheduler.orders import Kind, Override, in_time, objections
from scheduler.override_ledger import OverrideLedger

log = structlog.get_logger()


class Refused(Exception):  # noqa: N818  an answer, not an error
    """An override that cannot be; says every reason."""


class Overrides:
    """The desk has those in force, the ledger all of them. Every change raises LedgerDown where it cannot be kept."""

    def __init__(
        self,
        desk: Desk,
        clock: SystemClock,
        ledger: OverrideLedger,
        board: Board,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self.desk, self.clock, self.ledger, self.board, self.wall_s = desk, clock, ledger, board, wall_s
        self._made = 0

    async def open(self) -> None:
        """Take up what an earlier controller left in force."""
        self.desk.overrides = await self.ledger.in_force(self.wall_s())
        self._made = await self.ledger.count()

    def in_force(self) -> tuple[Override, ...]:
        """Oldest first."""
        return in_time(self.desk.overrides, self.wall_s())

    async def newest(self) -> tuple[Override, ...]:
        """Ended ones too, newest first."""
        return await self.ledger.newest()

    async def make(
        self, kind: str, cluster: str, service: str, origin: str, ratio: float, lasts_s: float, reason: str, by: str
    ) -> Override:
        """A new one. Raises Refused."""
        if kind == Kind.LIMIT and (not cluster or origin):
            raise Refused("a limit needs a cluster, and takes no origin")
        if kind == Kind.HOLD and (not service or cluster):
            raise Refused("a hold needs a service, and takes no cluster")
        now_s, self._made = self.wall_s(), self._made + 1
        override = Override(
            f"o-{self._made}", Kind(kind), service, origin, cluster, ratio, reason, by, now_s, now_s + lasts_s
        )
        await self._keep(override)
        return override

    async def change(self, override: Override, ratio: float | None, lasts_s: float, reason: str) -> Override:
        """It as it is from now on. Raises Refused."""
        now = replace(
            override,
            ratio=override.ratio if ratio is None else ratio,
            reason=reason,
            expires_wall_s=self.wall_s() + lasts_s,
            revision=override.revision + 1,
        )
        await self._keep(now)
        return now

    async def end(self, override: Override) -> Override:
        """It as it ended."""
        now = replace(override, expires_wall_s=self.wall_s(), revision=override.revision + 1)
        await self._keep(now)
        return now

    async def _keep(self, override: Override) -> None:
        """Written down before it is in force."""
        rest = tuple(o for o in self.in_force() if o.id != override.id)
        if override.expires_wall_s > self.wall_s() and self.board.state is not None:
            wrong = objections(self.board.state.fleet, (*rest, override))
            if wrong:
                raise Refused("; ".join(wrong))
        await self.ledger.keep(override)
        self.desk.overrides = in_time((*(o for o in self.in_force() if o.id != override.id), override), self.wall_s())
        self.clock.nudge()
        log.warning("override", id=override.id, what=override.what, by=override.by, until_s=override.expires_wall_s)
