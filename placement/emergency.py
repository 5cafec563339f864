"""How many failure domains may be evacuated without a human: to lose more at once is rarely what it looks like.

A domain is a cluster, or the region or provider whose clusters went all together. One that flaps counts once.
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools
from placement.fleet import Fleet
from placement.losses import domains, lost_clusters

EVACUATED_S = 600.0
"""Length of the budget's window."""


@dataclass(frozen=True, slots=True)
class Evacuated:
    """A domain that was evacuated on our own."""

    domain: str
    clusters: Bools
    at_s: float


def newly_lost(fleet: Fleet, before: Bools, now: Bools) -> tuple[Evacuated, ...]:
    """The domains that went out between two (B,) `usable`: the largest that explain it, without times."""
    gone = lost_clusters(fleet, now) & ~lost_clusters(fleet, before)
    found = []
    for loss in sorted(domains(fleet), key=lambda x: -int(x.clusters.sum())) if gone.any() else ():
        if loss.clusters[gone].any() and not (loss.clusters & ~gone).any():
            found.append(Evacuated(str(loss), loss.clusters, 0.0))
            gone = gone & ~loss.clusters
    return tuple(found)


def allowed(
    past: tuple[Evacuated, ...], wanted: tuple[Evacuated, ...], at_s: float, most: int
) -> tuple[tuple[Evacuated, ...], tuple[Evacuated, ...]]:
    """(past, refused): what was evacuated now and lately, and which of the wanted domains need a human first."""
    recent = tuple(e for e in past if at_s - e.at_s < EVACUATED_S)
    refused = []
    for new in wanted:
        known = any(np.array_equal(e.clusters, new.clusters) for e in recent)
        if known or len(recent) < most:
            recent = tuple(e for e in recent if not np.array_equal(e.clusters, new.clusters))
            recent = (*recent, Evacuated(new.domain, new.clusters, at_s))
        else:
            refused.append(new)
    return recent, tuple(refused)


def not_refused(fleet: Fleet, usable: Bools, refused: tuple[Evacuated, ...]) -> Bools:
    """(B,) usable for a failover: what a human has to decide first counts as if it were."""
    out = usable.copy()
    for domain in refused:
        out |= domain.clusters[fleet.backends.cluster]
    return out
