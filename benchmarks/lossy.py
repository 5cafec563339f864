"""Episodes in which some paths to sound targets have a burst of losses: who is condemned all the same?"""

import numpy as np

from health.evidence import Evidence, no_evidence, record
from health.quorum import votes
from health.rules import Rules
from placement.columns import Bools, Ints, ints

STEP_S = 0.05
INTERVAL, TIMEOUT, ANSWER = 5, 5, 1
"""In steps: from a probe to the next, until a lost one counts as failed, until an answer is there."""
HORIZON_S = 12.0
"""The other bursts of an episode begin within this time of the first: eight mean lengths."""
AFTER_S = 6.0
LOSS, BURST_LOSS, BURST_S = 0.001, 0.6, 1.5
BATCH = 10_000
QUIET_ROUNDS = 5


def false_verdicts(rng: np.random.Generator, rules: Rules, vantages: int, bursts: int, episodes: int) -> int:
    """In how many episodes with that many bursts a sound target is condemned."""
    return sum(_batch(rng, rules, vantages, bursts, min(BATCH, episodes - n)) for n in range(0, episodes, BATCH))


class Paths:
    """(N, V) probes under way on every path, on the schedule of health.prober: places and quick confirmations."""

    def __init__(self, rng: np.random.Generator, episodes: int, vantages: int) -> None:
        self.shape = (episodes, vantages)
        self.phase = rng.integers(0, INTERVAL, self.shape)
        self.missed = np.zeros(self.shape, dtype=bool)
        self.newest = np.full(self.shape, -1)
        slots = (TIMEOUT + 1, *self.shape)
        self.began, self.good = np.full(slots, -1), np.zeros(slots, dtype=bool)
        self.follow = np.zeros((3, *self.shape), dtype=bool)

    def start(self, step: int, lost: Bools) -> None:
        """Begin the probes that are due; `lost` (N, V) says which get no answer."""
        quick = self.follow[step % 3].copy()
        self.follow[step % 3] = False
        due = (step % INTERVAL == self.phase) | quick
        for wait, which in ((TIMEOUT, due & lost), (ANSWER, due & ~lost)):
            slot = (step + wait) % (TIMEOUT + 1)
            self.began[slot][which] = step
            self.good[slot][which] = wait == ANSWER

    def ended(self, step: int) -> tuple[Bools, Bools]:
        """(N, V) which paths have a result now, and whether it is good; one that a later probe overtook is none."""
        slot = step % (TIMEOUT + 1)
        known = (self.began[slot] >= 0) & (self.began[slot] >= self.newest)
        good = self.good[slot].copy()
        self.newest = np.where(known, self.began[slot], self.newest)
        self.began[slot] = -1
        first = known & ~good & ~self.missed
        self.follow[(step + 1) % 3] |= first
        self.follow[(step + 2) % 3] |= first
        self.missed = np.where(known, ~good, self.missed)
        return known, good


def _batch(rng: np.random.Generator, rules: Rules, vantages: int, bursts: int, episodes: int) -> int:
    steps = int((HORIZON_S + AFTER_S) / STEP_S)
    begins = np.full((episodes, vantages), np.inf)
    begins[:, :bursts] = rng.uniform(0, HORIZON_S, (episodes, bursts))
    begins[:, 0] = 0.0
    ends = begins + rng.exponential(BURST_S, begins.shape)
    paths, evidence = Paths(rng, episodes, vantages), no_evidence(episodes, vantages)
    condemned, cluster = np.zeros(episodes, dtype=bool), ints(np.arange(episodes))
    for step in range(-QUIET_ROUNDS * INTERVAL, steps):
        now_s = step * STEP_S
        bursting = (begins <= now_s) & (now_s < ends)
        paths.start(step, rng.random(bursting.shape) < np.where(bursting, BURST_LOSS, LOSS))
        known, good = paths.ended(step)
        evidence = _recorded(evidence, known, good, now_s)
        if (evidence.fails >= rules.fall).any():
            condemned |= votes(evidence, cluster, now_s, rules).failing
    return int(condemned.sum())


def _recorded(evidence: Evidence, known: Bools, good: Bools, now_s: float) -> Evidence:
    for vantage in range(evidence.vantages):
        rows: Ints = np.flatnonzero(known[:, vantage])
        if len(rows):
            evidence = record(evidence, rows, vantage, good[rows, vantage], now_s)
    return evidence
