"""Where probers post what they saw, and where a loss wakes the loop."""

import asyncio

import numpy as np

from health.evidence import Evidence, carried_evidence, no_evidence, record
from health.verdict import Rules
from placement.columns import Bools, Ints


class ProbeWatch:
    """The newest evidence of all vantages. Posting never waits; a quorum of misses raises the alarm."""

    def __init__(self, targets: int, rules: Rules, vantages: int = 1) -> None:
        self.rules = rules
        self._evidence = no_evidence(targets, vantages)
        self._alarm = asyncio.Event()

    def report(self, rows: Ints, ok: Bools, at_s: float, vantage: int = 0) -> None:
        """One round of results: target `rows[i]` answered `ok[i]`."""
        before = self._condemned()
        self._evidence = record(self._evidence, rows, vantage, ok, at_s)
        if (self._condemned() & ~before).any():
            self._alarm.set()

    def evidence(self) -> Evidence:
        """The newest counts; lowers the alarm."""
        self._alarm.clear()
        return self._evidence

    async def alarm(self) -> None:
        """Return when some target was condemned since `evidence` was last asked."""
        await self._alarm.wait()

    @property
    def alarmed(self) -> bool:
        """Whether it was."""
        return self._alarm.is_set()

    def retarget(self, rows: Ints, rules: Rules) -> None:
        """Follow a reloaded fleet: target t was target `rows[t]`, -1 where it is new."""
        self.rules = rules
        self._evidence = carried_evidence(self._evidence, rows)

    def _condemned(self) -> Bools:
        enough = (self._evidence.fails >= self.rules.fall).sum(axis=1) >= self.rules.quorum
        return np.asarray(enough, dtype=np.bool_)
