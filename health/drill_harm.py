"""When a drill does harm: fixed limits for what is measured exactly, a sequential test for what is counted.

Failures are counted, and a drill at 1 % of a small service sees few requests: a fixed threshold would either abort at
the first unlucky request or look on for minutes. So the rehearsed requests are tested against the regular ones of the
same minute by a mixture likelihood ratio (Robbins, Statistical Methods Related to the Law of the Iterated Logarithm,
1970; Johari et al., Peeking at A/B Tests, KDD 2017). By Ville's inequality a path that is as good as the regular one
is stopped with a probability below FALSE_ABORT however often one looks; a bad one is as soon as the evidence is there.
"""

import math
from dataclasses import dataclass

import numpy as np

FALSE_ABORT = 0.05
"""Most probability of stopping a good drill by the test."""
RISES = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Rises of the error ratio that the test looks for, all at once and with equal weight."""
ERRORS_FLOOR = 0.001
"""The error ratio to expect of a path of which nothing is known yet; weighs as much as 1/ERRORS_FLOOR requests."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a drill may do to others."""

    utilization_start_max: float = 0.75
    """Of a receiver, foreseen after the farthest step; more and the drill does not begin."""
    utilization_max: float = 0.85
    """Of a receiver, measured; more and the drill is taken back."""
    traffic_max: float = 0.05
    """Of all requests, the most that a canary moves."""
    success_drop_max: float = 0.001
    """Less success than this below the regular requests' is looked over ..."""
    errors_times_max: float = 2.0
    """... and so are fewer errors than this many times theirs."""
    latency_rise_max: float = 0.2
    """Part by which a receiver's latency may rise above what it was before ..."""
    latency_rise_s: float = 10.0
    """... for no longer than this."""
    silence_max_s: float = 5.0
    """Telemetry older than this is no telemetry."""
    proof_age_max_s: float = 60.0
    probe_age_max_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests that ended, and how many of them badly."""

    ended: int
    failed: int

    @property
    def error_ratio(self) -> float:
        """0 where nothing ended."""
        return self.failed / self.ended if self.ended else 0.0


def expected_errors(regular: Counts) -> float:
    """The error ratio to expect of a good path: the regular one's, drawn to ERRORS_FLOOR while little is known."""
    return (regular.failed + 1) / (regular.ended + 1 / ERRORS_FLOOR)


def log_evidence(rehearsed: Counts, expected: float) -> float:
    """Ln of the mixture likelihood ratio of RISES against `expected`; at most 0 on average while nothing is wrong."""
    worse = np.minimum(expected + np.array(RISES), 0.999)
    passed = rehearsed.ended - rehearsed.failed
    ratios = rehearsed.failed * np.log(worse / expected) + passed * np.log((1 - worse) / (1 - expected))
    return float(np.logaddexp.reduce(ratios)) - math.log(len(RISES))


def error_harm(rehearsed: Counts, regular: Counts, envelope: Envelope, looks: int = 1) -> str:
    """Why the rehearsed requests fail too often, empty where they do not.

    `looks` is how many such tests one drill makes, one per step: they share FALSE_ABORT.
    """
    ours, theirs = rehearsed.error_ratio, regular.error_ratio
    little = ours - theirs < envelope.success_drop_max and ours < envelope.errors_times_max * theirs
    if not rehearsed.failed or little:
        return ""
    if log_evidence(rehearsed, expected_errors(regular)) < math.log(looks / FALSE_ABORT):
        return ""
    return (
        f"{rehearsed.failed} of {rehearsed.ended} rehearsed requests failed ({ours:.2%}), "
        f"{regular.failed} of {regular.ended} regular ones ({theirs:.2%})"
    )


@dataclass(frozen=True, slots=True)
class Since:
    """Since when something has held without a break; inf where it does not."""

    at_s: float = math.inf

    def seen(self, holds: bool, at_s: float) -> "Since":
        """After one more look."""
        return Since(min(self.at_s, at_s)) if holds else Since()

    def held_s(self, at_s: float) -> float:
        """For how long; 0 where it does not."""
        return max(at_s - self.at_s, 0.0)
