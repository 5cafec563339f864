"""The prober: probes every target at its pace, confirms a doubt quickly, and distrusts itself when it was late."""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from health.destinations import Destinations, Forbidden
from health.patience import LATE_S, Patience
from health.probe import PROBES, ProbeTarget
from placement.columns import Bools, Floats, Ints, bools, ints

ROUND_S = 0.005
"""Results are handed over, and probes that are due are started, this often."""
JITTER = 0.1
"""Part of the interval by which a probe may come later than its place in it."""

PIN_EVERY_S = 60.0
"""Names are looked up this often; in between, and when that fails, the address they had is asked."""
TAIL_PROBES = 80
"""Good answers that a p95 is of: 20 s of probes."""
LAGS_KEPT = 100_000

Report = Callable[[Ints, Bools, float], None]
"""Takes one round: the rows, whether each answered, and when. A row occurs at most once in a round."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, how long, how many at once."""

    interval_s: float = 0.25
    timeout_s: float = 0.25
    """Longer than the slowest sound answer, or good targets are missed; cross-continent paths need 0.25."""
    fast_follow_s: float = 0.05
    """Distance between the probes that confirm a first miss; an answer later than usual by this is asked for again."""
    fall: int = 3
    """Misses in a row that condemn: a first one is followed by `fall - 1` quick ones."""
    concurrency: int = 1_024
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
    distracted: bool = False
    """This process had just begun, and stood still for half of the time that there was for the answer."""


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
        destinations: Destinations | None = None,
    ) -> None:
        self.report, self.pace, self.clock, self.rng = report, pace, clock, rng
        self.destinations = destinations or Destinations()
        self.discarded = 0
        """Failures that were not counted because this process was late, or out of sockets: we are broken, not they."""
        self.patience = Patience(clock())
        self.skipped = 0
        """Places in the schedule that had passed before their probe could be started."""
        self.lags_s: deque[float] = deque(maxlen=LAGS_KEPT)
        """From the place of a regular probe to its start, of the latest."""
        self.under_way = 0
        self.targets: tuple[ProbeTarget, ...] = ()
        self.replace(targets)

    def replace(self, targets: Sequence[ProbeTarget]) -> None:
        """Probe these from now on; what is under way for the old ones is forgotten."""
        known = {target: row for row, target in enumerate(self.targets)}
        self.targets = tuple(targets)
        self.patience.replace([known.get(target, -1) for target in self.targets])
        self.refused: dict[str, str] = {}
        """Why a host is not probed: it may not be, or it has no address. Nothing is said of its targets."""
        self._expires_at_s: dict[int, float] = {}
        self._took_s: Floats = np.full((len(self.targets), TAIL_PROBES), np.nan, dtype=np.float32)
        self._taken = [0] * len(self.targets)
        self.pinned: dict[str, str] = {}
        self.asked = list(self.targets)
        """The targets with the addresses of their hosts, where those are known."""
        self.pin_due_s = float("-inf")
        self.origin_s = self.clock()
        self.answers: deque[Answer] = deque()
        self.doubted = [False] * len(self.targets)
        """Whether the last answer is missed or overdue, and the probes that confirm it are on their way."""
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
                self.patience.mind_lateness(now_s - expected_s, now_s, self.pace.interval_s / 2)
                if now_s >= self.pin_due_s:
                    self.pin_due_s = now_s + PIN_EVERY_S
                    probes.create_task(self.pin_hosts(self.targets))
                self.hand_over(now_s)
                for row in self.take_due(now_s):
                    if self.targets[row].host in self.pinned:
                        self.under_way += 1
                        probes.create_task(self.probe(row, self.targets))

    @property
    def stalled_s(self) -> float:
        """How late the last round was."""
        return self.patience.stalled_s

    async def pin_hosts(self, targets: tuple[ProbeTarget, ...]) -> None:
        """Look up every host once. One that cannot be looked up keeps the address it had."""
        rows: dict[str, list[int]] = {}
        for row, target in enumerate(targets):
            rows.setdefault(target.host, []).append(row)
        for host, of_host in rows.items():
            try:
                address = await self.destinations.pin(host)
            except (OSError, UnicodeError, Forbidden) as error:
                if targets is self.targets and (host not in self.pinned or isinstance(error, Forbidden)):
                    self.pinned.pop(host, None)
                    self.refused[host] = str(error)
                continue
            if targets is self.targets and self.pinned.get(host) != address:
                self.pinned[host] = address
                self.refused.pop(host, None)
                for row in of_host:
                    self.asked[row] = replace(targets[row], address=address)

    async def probe(self, row: int, targets: tuple[ProbeTarget, ...]) -> None:
        """Ask one target and note the answer, unless the targets are others by then."""
        began_s, target, lost_s = self.clock(), self.asked[row], self.patience.lost_s
        timeout_s = self.patience.timeout_s(row, began_s, self.pace.timeout_s)
        overdue_s = self.patience.overdue_s(row, self.pace.fast_follow_s)
        overdue = None
        if overdue_s < timeout_s and not self.doubted[row]:
            again = partial(self.ask_again, row, targets, began_s + overdue_s, lost_s)
            overdue = asyncio.get_running_loop().call_later(overdue_s, again)
        try:
            result = await PROBES[target.protocol](target, timeout_s)
        finally:
            self.under_way -= 1
            if overdue:
                overdue.cancel()
        self.discarded += result.ours
        if targets is self.targets and not result.ours:
            distracted = self.patience.starting(began_s) and self.patience.lost_s - lost_s > timeout_s / 2
            self.answers.append(Answer(row, began_s, result.ok, distracted))
            if result.ok:
                self.patience.heard(row, result.duration_s, self.pace.timeout_s)
                self._took_s[row, self._taken[row] % TAIL_PROBES] = result.duration_s
                self._taken[row] += 1
            if result.expires_s is not None:
                self._expires_at_s[row] = self.clock() + result.expires_s

    def p95_s(self) -> Floats:
        """(targets,) within which 95 % of the last TAIL_PROBES good answers came; NaN while there were fewer."""
        known = np.isfinite(self._took_s).all(axis=1)
        found = np.full(len(self.targets), np.nan)
        if known.any():
            found[known] = np.quantile(self._took_s[known], 0.95, axis=1)
        return found

    def expires_at_s(self) -> dict[int, float]:
        """Row -> when the certificate that it last showed expires, on the prober's clock."""
        return dict(self._expires_at_s)

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
        stalled = not answer.ok and (answer.began_s <= self.patience.stalled_until_s or answer.distracted)
        self.discarded += stalled
        return not stalled and answer.began_s >= self.newest_s[answer.row]

    def follow(self, row: int, ok: bool, now_s: float) -> None:
        """After a first miss, schedule what it takes to condemn, unless that is on its way.

        One that never answered yet gets no such hurry: that is how it is after a start.
        """
        if not ok and not self.doubted[row] and self.patience.quick[row]:
            self.hurry(row, now_s)
        self.doubted[row] = not ok

    def ask_again(self, row: int, targets: tuple[ProbeTarget, ...], due_s: float, lost_s: float) -> None:
        """An answer is later than usual. Where we stood still meanwhile, it may be here and not be read yet."""
        now_s = self.clock()
        late = now_s - due_s > LATE_S or self.patience.lost_s > lost_s
        if targets is self.targets and not self.doubted[row] and not late:
            self.doubted[row] = True
            self.hurry(row, now_s)

    def hurry(self, row: int, now_s: float) -> None:
        """Schedule the probes that confirm. They do not wait for each other: a target that swallows packets is then
        known one timeout later, and not `fall - 1` timeouts.
        """
        for place in range(1, self.pace.fall):
            heapq.heappush(self.schedule, Due(now_s + place * self.pace.fast_follow_s, row, regular=False))

    def take_due(self, now_s: float) -> list[int]:
        """Rows to probe now, oldest first, and no more than may be under way; regular ones get their next place."""
        rows: list[int] = []
        room = self.pace.concurrency - self.under_way
        while self.schedule and self.schedule[0].at_s <= now_s and len(rows) < room:
            due = heapq.heappop(self.schedule)
            rows.append(due.row)
            if due.regular:
                self.lags_s.append(now_s - due.at_s)
                passed = int((now_s - self.place_s(due.row, 0)) // self.pace.interval_s)
                self.skipped += max(0, passed - int((due.at_s - self.place_s(due.row, 0)) // self.pace.interval_s))
                jitter_s = self.rng.uniform(0, JITTER * self.pace.interval_s)
                heapq.heappush(self.schedule, due._replace(at_s=self.place_s(due.row, passed + 1) + jitter_s))
        return rows

    def place_s(self, row: int, interval: int) -> float:
        """Where in the given interval this row has its place."""
        return self.origin_s + (interval + row / len(self.targets)) * self.pace.interval_s
