"""The prober: probes every target at its pace, confirms a first miss quickly, and distrusts itself when it was late."""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from health.probe import PROBES, ProbeTarget
from placement.columns import Bools, Ints, bools, ints

ROUND_S = 0.01
"""Results are handed over, and probes that are due are started, this often."""
JITTER = 0.1
"""Part of the interval by which a probe may come later than its place in it."""

Report = Callable[[Ints, Bools, float], None]
"""Takes one round: the rows, whether each answered, and when. A row occurs at most once in a round."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, how long, how many at once."""

    interval_s: float = 0.25
    timeout_s: float = 0.25
    """Longer than the slowest sound answer, or good targets are missed; cross-continent paths need 0.25."""
    fast_follow_s: float = 0.05
    """Distance between the probes that confirm a first miss."""
    fall: int = 3
    """Misses in a row that condemn: a first one is followed by `fall - 1` quick ones."""
    concurrency: int = 256
    """Probes under way at once; each holds one file descriptor."""

    def __post_init__(self) -> None:
        assert min(self.interval_s, self.timeout_s, self.fast_follow_s) > 0, "a pace has no times of 0 or below"
        assert min(self.fall, self.concurrency) >= 1, "fall and concurrency count from 1"


class Due(NamedTuple):
    """One probe to be started; ordered by time."""

    at_s: float
    row: int
    regular: bool
    """Whether this is the target's own place in the interval; False for a confirmation."""


class Answer(NamedTuple):
    """One probe that has ended."""

    row: int
    began_s: float
    ok: bool


class Prober:
    """Probes `targets`, row by row of the fleet, and reports in rounds. `await run()` until it is cancelled.

    Rows are spread over the interval in their order, so that the backends of one service are probed one right after
    the other. The schedule is absolute: late or slow probes never shift it, and a place that was missed is left out.
    """

    def __init__(
        self,
        targets: Sequence[ProbeTarget],
        report: Report,
        pace: Pace,
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.report, self.pace, self.clock, self.rng = report, pace, clock, rng
        self.discarded = 0
        """Failures that were not counted because this process was late: then we are broken, and not they."""
        self.stalled_until_s = float("-inf")
        self.under_way = 0
        self.replace(targets)

    def replace(self, targets: Sequence[ProbeTarget]) -> None:
        """Probe these from now on; what is under way for the old ones is forgotten."""
        self.targets = tuple(targets)
        self.origin_s = self.clock()
        self.answers: deque[Answer] = deque()
        self.missed = [False] * len(self.targets)
        self.newest_s = [float("-inf")] * len(self.targets)
        self.schedule = [Due(self.place_s(row, 0), row, regular=True) for row in range(len(self.targets))]
        heapq.heapify(self.schedule)

    async def run(self) -> None:
        """Probe until cancelled. Ends with an exception only for a bug in a probe or in `report`."""
        async with asyncio.TaskGroup() as probes:
            while True:
                expected_s = self.clock() + ROUND_S
                await asyncio.sleep(ROUND_S)
                now_s = self.clock()
                if now_s - expected_s > self.pace.interval_s / 2:
                    self.stalled_until_s = now_s
                self.hand_over(now_s)
                for row in self.take_due(now_s):
                    self.under_way += 1
                    probes.create_task(self.probe(row, self.targets))

    async def probe(self, row: int, targets: tuple[ProbeTarget, ...]) -> None:
        """Ask one target and note the answer, unless the targets are others by then."""
        began_s = self.clock()
        try:
            result = await PROBES[targets[row].protocol](targets[row], self.pace.timeout_s)
        finally:
            self.under_way -= 1
        if targets is self.targets:
            self.answers.append(Answer(row, began_s, result.ok))

    def hand_over(self, now_s: float) -> None:
        """Report what has come in since the last round. A second answer of the same row waits for the next round."""
        taken: dict[int, bool] = {}
        for _ in range(len(self.answers)):
            answer = self.answers.popleft()
            if answer.row in taken:
                self.answers.append(answer)
            elif self.credible(answer):
                taken[answer.row] = answer.ok
                self.newest_s[answer.row] = answer.began_s
        for row, ok in taken.items():
            self.follow(row, ok, now_s)
        if taken:
            self.report(ints(list(taken)), bools(list(taken.values())), now_s)

    def credible(self, answer: Answer) -> bool:
        """False for a failure while this process stood still, and for one that a later probe has overtaken."""
        stalled = not answer.ok and answer.began_s <= self.stalled_until_s
        self.discarded += stalled
        return not stalled and answer.began_s >= self.newest_s[answer.row]

    def follow(self, row: int, ok: bool, now_s: float) -> None:
        """After a first miss, schedule what it takes to condemn.

        These do not wait for each other: a target that swallows packets is then known one timeout after the miss,
        and not `fall - 1` timeouts.
        """
        if not ok and not self.missed[row]:
            for place in range(1, self.pace.fall):
                heapq.heappush(self.schedule, Due(now_s + place * self.pace.fast_follow_s, row, regular=False))
        self.missed[row] = not ok

    def take_due(self, now_s: float) -> list[int]:
        """Rows to probe now, oldest first, and no more than may be under way; regular ones get their next place."""
        rows: list[int] = []
        room = self.pace.concurrency - self.under_way
        while self.schedule and self.schedule[0].at_s <= now_s and len(rows) < room:
            due = heapq.heappop(self.schedule)
            rows.append(due.row)
            if due.regular:
                passed = int((now_s - self.place_s(due.row, 0)) // self.pace.interval_s)
                jitter_s = self.rng.uniform(0, JITTER * self.pace.interval_s)
                heapq.heappush(self.schedule, due._replace(at_s=self.place_s(due.row, passed + 1) + jitter_s))
        return rows

    def place_s(self, row: int, interval: int) -> float:
        """Where in the given interval this row has its place."""
        return self.origin_s + (interval + row / len(self.targets)) * self.pace.interval_s
