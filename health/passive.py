"""What clients saw: requests and failures of every backend, and a running test of whether it got worse.

The test is Page's CUSUM of log-likelihood ratios (Page, Continuous Inspection Schemes, Biometrika 1954): a request
that failed adds ln(p1 / p0), one that did not adds ln((1 - p1) / (1 - p0)), and the sum never falls below 0. Whatever
the threshold ln(1 / alpha), the mean time to a false alarm is at least 1 / alpha requests (Lorden 1971). Counts come
in blocks, so a block adds its total at once: that is never more than request by request, so the bound holds.

p0 is what the other backends of the same service surely fail (two standard deviations below what was counted, or one
error there would blind us here): a service that always fails a little is no news, and one that fails everywhere is not
healed by moving it.
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints, floats

DESIGNS = np.array([0.99, 0.05])
"""p1 of the two tests: an outage, whose score grows where more than 40 % fail, and a gray failure."""
OUTAGE, GRAY = 0, 1
ERRORS_MIN = 0.001
"""Least p0: what a sound service may fail."""
SIGMAS = 2.0
WORSE_MIN = 4.0
"""Least p1 / p0: where the others fail a lot, a little more is no alarm."""
ERRORS_MAX = 0.99
"""Largest p1."""
ALARM = float(np.log(1e9))
"""A score that says it is no accident."""
CERTAIN = float(np.log(1e15))
"""A score that takes a backend out though the probes are content."""
SCORE_MAX = np.array([CERTAIN, ALARM])
"""Where each score stops to grow, so that it falls again soon after."""
MEMORY_S = 2.0
"""Time in which an old count falls to a third, for rates and ratios."""
FRESH_S = 2.0
"""What clients saw earlier than this says nothing of now."""
COUNTED_MIN_S = 0.25
"""Least time that a rate is taken over: one request that ended in a moment is no rate."""
SILENCE_MIN = 10.0
"""Requests that should have ended since the last one did, before that is taken for more than an accident."""


@dataclass(frozen=True, slots=True)
class Clients:
    """(B,) what the clients of each backend saw."""

    score: Floats
    """(B, 2) the CUSUM of each design, at most SCORE_MAX."""
    answered: Floats
    """Requests answered well, decaying with MEMORY_S."""
    failed: Floats
    """Requests failed, decaying alike."""
    heard_at_s: Floats
    """When a request last ended; -inf before the first."""
    told_at_s: Floats
    """When somebody last reported, be it that no request ended; -inf before the first."""
    answered_since: Floats
    """Requests answered well that were counted wholly after `since_s`."""
    failed_since: Floats
    since_s: Floats
    """The moment of the first miss of the probes that these two are counted from; +inf while there is none."""
    counted_s: Floats
    """Over how long `answered` and `failed` were counted, decaying alike: little at first, MEMORY_S in the long run."""

    def __len__(self) -> int:
        return len(self.answered)

    def fresh(self, at_s: float) -> Bools:
        """(B,) whether requests ended lately."""
        return np.asarray(at_s - self.heard_at_s <= FRESH_S)

    def rate_rps(self, at_s: float) -> Floats:
        """(B,) requests/s that ended lately; right from the first count on, not only when the memory is full."""
        left = np.exp(-np.maximum(at_s - self.heard_at_s, 0.0) / MEMORY_S)
        over_s = np.maximum(self.counted_s * left + MEMORY_S * (1.0 - left), COUNTED_MIN_S)
        return np.asarray((self.answered + self.failed) * left / over_s)

    def stuck(self) -> Bools:
        """(B,) whether requests have stopped to end: at the rate until then SILENCE_MIN more were to be heard of.

        Of requests that arrive at random so long a silence is one time in e**SILENCE_MIN an accident. Only the reports
        count that came: one that is late says nothing of the requests.
        """
        rate_rps = (self.answered + self.failed) / np.maximum(self.counted_s, COUNTED_MIN_S)
        with np.errstate(invalid="ignore"):
            return np.asarray(rate_rps * (self.told_at_s - self.heard_at_s) >= SILENCE_MIN, dtype=np.bool_)

    def error_ratio(self) -> Floats:
        """(B,) failed over all, 0 where nobody asked."""
        return np.asarray(self.failed / np.maximum(self.answered + self.failed, 1e-9))


def no_clients(backends: int) -> Clients:
    """Nobody has asked yet."""
    none, never = floats(np.zeros(backends)), np.full(backends, np.inf)
    score = floats(np.zeros((backends, len(DESIGNS))))
    return Clients(score, none, none, floats(-never), floats(-never), none, none, floats(never), none)


def observe(
    clients: Clients,
    counts: tuple[Floats, Floats],
    service: Ints,
    missing_since_s: Floats,
    from_s: Floats,
    at_s: float,
    told: Bools | None = None,
) -> Clients:
    """What clients saw, with the (B,) requests answered well and failed between `from_s` and `at_s`.

    `missing_since_s` (B,) says since when the probes miss the backend, +inf where they do not. `told` (B,) marks those
    that somebody reported of; without it those of which a request ended.
    """
    good, bad = counts
    asked = good + bad > 0
    reset = missing_since_s != clients.since_s
    testifies = asked & (from_s >= missing_since_s)
    silent_s = np.maximum(at_s - clients.heard_at_s, 0.0)
    faded = np.where(asked, np.exp(-silent_s / MEMORY_S), 1.0)
    over_s = np.where(silent_s <= FRESH_S, silent_s, np.maximum(at_s - from_s, 0.0))
    return Clients(
        score=floats(_scores(clients, good, bad, service, at_s)),
        answered=floats(clients.answered * faded + good),
        failed=floats(clients.failed * faded + bad),
        heard_at_s=floats(np.where(asked, at_s, clients.heard_at_s)),
        told_at_s=floats(np.where(asked if told is None else told | asked, at_s, clients.told_at_s)),
        answered_since=floats(np.where(reset, 0.0, clients.answered_since) + np.where(testifies, good, 0.0)),
        failed_since=floats(np.where(reset, 0.0, clients.failed_since) + np.where(testifies, bad, 0.0)),
        since_s=floats(missing_since_s),
        counted_s=floats(clients.counted_s * faded + np.where(asked, over_s, 0.0)),
    )


def _scores(clients: Clients, good: Floats, bad: Floats, service: Ints, at_s: float) -> Floats:
    """(B, 2) the CUSUMs one block later. A block is judged by what was usual before it."""
    failed, asked = others(clients, service, at_s)
    surely = (failed - SIGMAS * np.sqrt(failed)) / np.maximum(asked, 1.0)
    usual = np.clip(surely, ERRORS_MIN, 1.0)[:, None]
    worse = np.minimum(np.maximum(DESIGNS[None, :], WORSE_MIN * usual), ERRORS_MAX)
    usual = np.minimum(usual, worse / WORSE_MIN)
    gain = np.log(worse / usual) * bad[:, None] + np.log((1 - worse) / (1 - usual)) * good[:, None]
    return np.asarray(np.clip(clients.score + gain, 0.0, SCORE_MAX))


def elsewhere(clients: Clients, service: Ints, at_s: float) -> Floats:
    """(B,) error ratio of the other backends of the same service; 0 where nobody asks them."""
    failed, asked = others(clients, service, at_s)
    return np.where(asked > 1.0, np.clip(failed / np.maximum(asked, 1.0), 0.0, 1.0), 0.0)


def others(clients: Clients, service: Ints, at_s: float) -> tuple[Floats, Floats]:
    """(B,) each: requests that lately failed at, and went to, the other backends of the same service."""
    left = np.exp(-np.maximum(at_s - clients.heard_at_s, 0.0) / MEMORY_S)
    failed, answered = clients.failed * left, clients.answered * left
    failed_there = np.maximum(np.bincount(service, weights=failed)[service] - failed, 0.0)
    answered_there = np.maximum(np.bincount(service, weights=answered)[service] - answered, 0.0)
    return failed_there, failed_there + answered_there


def unheard(clients: Clients, rows: Bools) -> Clients:
    """The clients without their word on some backends, (B,) `rows`: what they saw there had another cause."""
    if not len(clients) or not rows.any():
        return clients
    none, never = no_clients(len(rows)), rows[:, None]

    def left(name: str) -> Floats:
        seen, nothing = getattr(clients, name), getattr(none, name)
        return floats(np.where(never if seen.ndim == 2 else rows, nothing, seen))

    return Clients(**{name: left(name) for name in Clients.__slots__})


def carried_clients(clients: Clients, rows: Ints) -> Clients:
    """What clients saw, for a new fleet: its backend b was backend `rows[b]`, -1 where it is new."""
    new, old, known = no_clients(len(rows)), np.maximum(rows, 0), rows >= 0
    if not len(clients):
        return new

    def kept(name: str) -> Floats:
        column, fresh = getattr(clients, name)[old], getattr(new, name)
        return floats(np.where(known[:, None] if column.ndim == 2 else known, column, fresh))

    return Clients(**{name: kept(name) for name in Clients.__slots__})
