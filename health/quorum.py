"""What the vantages say together, and which of them can be believed.

A vantage that fell silent is absent. One that misses targets in several clusters which most others reach is blind: its
own way out is broken (Lifeguard, Dadgar et al., DSN 2018, has the same doubt of itself). Both are left out, and the
quorum is of those that remain; of several vantages at least two must, or no probe condemns.

A fault is seen by everybody, a lossy path by one. So while a vantage still gets answers, others need `fall_disputed`
misses in a row and not `fall`: this costs nothing when a backend is dead, and two bad moments at the same time on two
paths condemn nobody.
"""

from dataclasses import dataclass

import numpy as np

from health.evidence import Evidence
from health.rules import Rules
from placement.columns import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Votes:
    """(T,) what the vantages that can be believed say of each target."""

    sighted: Bools
    """(V,) which those are."""
    failing: Bools
    """A quorum condemns it."""
    accused: Bools
    """One vantage at least saw `fall` failures in a row."""
    leaving: Bools
    """A quorum missed it just now."""
    missed: Bools
    """Some vantage missed the last answer."""
    answered: Bools
    """A quorum got the last answer."""
    steady: Bools
    """A quorum saw `rise` successes in a row."""


def votes(evidence: Evidence, cluster: Ints, at_s: float, rules: Rules) -> Votes:
    """What the vantages say at `at_s`; `cluster` (T,) is where each target is."""
    sighted = sighted_vantages(evidence, cluster, at_s, rules)
    here = int(np.count_nonzero(sighted))
    enough = here >= min(2, evidence.vantages)
    quorum = max(1, min(rules.quorum, here))
    fails, passes = evidence.fails[:, sighted], evidence.passes[:, sighted]

    def agree(seen: Bools) -> Bools:
        return np.asarray(seen.sum(axis=1) >= quorum)

    disputed = (passes > 0).any(axis=1)
    failing = (agree(fails >= rules.fall) & ~disputed) | agree(fails >= rules.fall_disputed)
    return Votes(
        sighted=sighted,
        failing=failing & enough,
        accused=np.asarray((fails >= rules.fall).any(axis=1)),
        leaving=agree(fails > 0),
        missed=np.asarray((fails > 0).any(axis=1)),
        answered=agree(passes > 0),
        steady=agree(passes >= rules.rise),
    )


def sighted_vantages(evidence: Evidence, cluster: Ints, at_s: float, rules: Rules) -> Bools:
    """(V,) the vantages that report and are not blind."""
    heard = np.asarray(at_s - evidence.last_at_s.max(axis=0, initial=-np.inf) <= rules.silent_after_s, dtype=np.bool_)
    if np.count_nonzero(heard) < 2:
        return heard
    missing, answering = evidence.fails > 0, evidence.passes > 0
    sees = heard.copy()
    for vantage in np.flatnonzero(heard):
        others = heard.copy()
        others[vantage] = False
        alone = missing[:, vantage] & (answering[:, others].sum(axis=1) > others.sum() / 2)
        sees[vantage] = beyond_one_cluster(alone, cluster) <= rules.blind_ratio
    return sees


def beyond_one_cluster(marked: Bools, cluster: Ints) -> float:
    """Part of all targets that are marked and not in the cluster with the most marked ones: a cluster may well die."""
    if not marked.any():
        return 0.0
    per_cluster = np.bincount(cluster[marked])
    return float(per_cluster.sum() - per_cluster.max()) / len(marked)


def missing_since_s(evidence: Evidence) -> Floats:
    """(T,) when the latest of the vantages that miss the target began to; +inf where none does."""
    since_s = np.where(evidence.fails > 0, evidence.missing_since_s, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isneginf(since_s), np.inf, since_s)
