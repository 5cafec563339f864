"""Episodes in which some paths to sound targets have a burst of losses: who is condemned all the same?"""

from enum import StrEnum

import numpy as np

from health.evidence import Evidence, no_evidence, record, with_clients
from health.passive import DESIGNS, MEMORY_S, Clients, no_clients
from health.quorum import missing_since_s
from health.rules import Rules
from health.verdict import all_up, judge, usable
from placement.columns import Bools, Floats, Ints, floats, ints
from placement.fleet import Backends

STEP_S = 0.05
INTERVAL, TIMEOUT, ANSWER, OVERDUE = 5, 5, 1, 2
"""In steps: to the next probe, until a lost one counts as failed, until an answer is there, until it is overdue."""
HORIZON_S = 12.0
"""The other bursts of an episode begin within this time of the first: eight mean lengths."""
AFTER_S = 6.0
LOSS, BURST_LOSS, BURST_S = 0.001, 0.6, 1.5
BATCH = 5_000
CLIENTS_RPS, REPORT_S = 100.0, 0.1
QUIET_ROUNDS = 5


CLUSTERS, TARGET = 3, 0
"""Every episode is a fleet of its own, of this many sound clusters; bursts are on the ways to one of them."""
ACCUSERS_MIN = 2
"""Of several vantages fewer than this never condemn, whatever the quorum: nobody has to be judged before."""


class Kind(StrEnum):
    """Which paths have their bursts when."""

    INDEPENDENT = "independent"
    """Each begins at its own time within HORIZON_S."""
    TOGETHER = "together"
    """All at once, as where vantages share a provider on the way."""
    UPLINK = "uplink"
    """All ways of one vantage at once: its own uplink."""


def false_verdicts(
    rng: np.random.Generator,
    rules: Rules,
    vantages: int,
    bursts: int,
    episodes: int,
    kind: Kind = Kind.INDEPENDENT,
    clients: bool = False,
) -> int:
    """In how many episodes with that many bursts a sound cluster is condemned by the whole judge.

    With `clients` each backend answers 100 requests/s well all the while.
    """
    found = 0
    for first in range(0, episodes, BATCH):
        found += _batch(rng, rules, _bursts(rng, kind, vantages, bursts, min(BATCH, episodes - first)), clients)
    return found


FLEET = Backends(service=ints(np.zeros(CLUSTERS)), cluster=ints(np.arange(CLUSTERS)))


class Paths:
    """(N, V) probes under way on every path, on the schedule of health.prober: places and quick confirmations."""

    def __init__(self, rng: np.random.Generator, episodes: int, vantages: int) -> None:
        self.shape = (episodes, vantages)
        self.phase = rng.integers(0, INTERVAL, self.shape)
        self.doubted = np.zeros(self.shape, dtype=bool)
        self.newest = np.full(self.shape, -1)
        slots = (TIMEOUT + 1, *self.shape)
        self.began, self.good = np.full(slots, -1), np.zeros(slots, dtype=bool)
        self.follow = np.zeros((3, *self.shape), dtype=bool)
        self.lost = np.zeros((OVERDUE, *self.shape), dtype=bool)

    def start(self, step: int, lost: Bools) -> None:
        """Begin the probes that are due; `lost` (N, V) says which get no answer."""
        self._hurry(step, self.lost[step % OVERDUE] & ~self.doubted)
        quick = self.follow[step % 3].copy()
        self.follow[step % 3] = False
        due = (step % INTERVAL == self.phase) | quick
        self.lost[step % OVERDUE] = due & lost
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
        self._hurry(step, known & ~good & ~self.doubted)
        self.doubted = np.where(known, ~good, self.doubted)
        return known, good

    def _hurry(self, step: int, first: Bools) -> None:
        """Two more at once on paths whose answer is missed, or only overdue."""
        self.follow[(step + 1) % 3] |= first
        self.follow[(step + 2) % 3] |= first
        self.doubted = self.doubted | first


def _bursts(rng: np.random.Generator, kind: Kind, vantages: int, bursts: int, episodes: int) -> tuple[Floats, Floats]:
    """(N, clusters, V) when the burst of each path begins and ends; +inf for none."""
    begins = np.full((episodes, CLUSTERS, vantages), np.inf)
    length = rng.exponential(BURST_S, begins.shape)
    if kind is Kind.UPLINK:
        begins[:, :, 0] = 0.0
        length[:] = length[:, :1, :1]
    elif kind is Kind.TOGETHER:
        begins[:, TARGET, :bursts] = 0.0
        length[:] = length[:, :1, :1]
    else:
        begins[:, TARGET, :bursts] = rng.uniform(0, HORIZON_S, (episodes, bursts))
        begins[:, TARGET, 0] = 0.0
    return begins, begins + length


def _batch(rng: np.random.Generator, rules: Rules, bursts: tuple[Floats, Floats], clients: bool) -> int:
    """How many episodes have a sound cluster condemned. Rows of evidence are (episode, cluster), episode-major."""
    begins, ends = (times.reshape(-1, times.shape[-1]) for times in bursts)
    rows, vantages = begins.shape
    paths, evidence = Paths(rng, rows, vantages), no_evidence(rows, vantages)
    condemned = np.zeros(rows // CLUSTERS, dtype=bool)
    for step in range(-QUIET_ROUNDS * INTERVAL, int((HORIZON_S + AFTER_S) / STEP_S)):
        now_s = step * STEP_S
        bursting = (begins <= now_s) & (now_s < ends)
        paths.start(step, rng.random(bursting.shape) < np.where(bursting, BURST_LOSS, LOSS))
        known, good = paths.ended(step)
        evidence = _recorded(evidence, known, good, now_s)
        accused = (evidence.fails >= rules.fall).sum(axis=1) >= min(ACCUSERS_MIN, vantages)
        for episode in np.unique(np.flatnonzero(accused) // CLUSTERS).tolist():
            if not condemned[episode]:
                condemned[episode] = _judged(evidence, episode, now_s, rules, clients)
    return int(condemned.sum())


def _judged(evidence: Evidence, episode: int, now_s: float, rules: Rules, clients: bool) -> bool:
    """Whether the judge takes a cluster of one episode out, in which everything was in service so far."""
    here = slice(episode * CLUSTERS, (episode + 1) * CLUSTERS)
    since_s, nobody = evidence.missing_since_s[here], no_clients(CLUSTERS)
    mine = Evidence(evidence.fails[here], evidence.passes[here], evidence.last_at_s[here], since_s, nobody)
    if clients:
        mine = with_clients(mine, _served(missing_since_s(mine), now_s))
    return not usable(judge(all_up(CLUSTERS, -1e3), mine, FLEET, now_s, rules)).all()


def _served(since_s: Floats, now_s: float) -> Clients:
    """Clients of sound backends, as load reports count them every 0.1 s."""
    told = CLIENTS_RPS * np.clip(np.where(np.isfinite(since_s), now_s - since_s - REPORT_S, 0.0), 0.0, None)
    answered, none = np.full(len(since_s), CLIENTS_RPS * MEMORY_S), np.zeros(len(since_s))
    heard_s = np.full(len(since_s), now_s - REPORT_S / 2)
    score = np.zeros((len(since_s), len(DESIGNS)))
    columns = (score, answered, none, heard_s, heard_s, told, none, since_s, np.full(len(since_s), MEMORY_S))
    return Clients(*(floats(column) for column in columns))


def _recorded(evidence: Evidence, known: Bools, good: Bools, now_s: float) -> Evidence:
    for vantage in range(evidence.vantages):
        rows: Ints = np.flatnonzero(known[:, vantage])
        if len(rows):
            evidence = record(evidence, rows, vantage, good[rows, vantage], now_s)
    return evidence
