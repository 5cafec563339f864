"""The fourth verdict: whether requests really go where the weights say, as far as their number can tell."""

import math
from collections.abc import Mapping

import numpy as np

from placement.weights import Target

SIGMAS = 5.0
"""A fair draw is farther off than this in one of 1.7 million looks at one destination."""
SLACK = 0.02
"""What a data plane may add to the noise: its own rounding, requests in flight, connections that are kept."""
REQUESTS_MIN = 100
"""Fewer requests than this say nothing."""


def achieved(targets: tuple[Target, ...], counts: Mapping[str, float]) -> bool | None:
    """Whether requests by cluster are a draw from the weights of a row; None where there are too few to tell.

    Every share must be within `SIGMAS` standard deviations of a binomial draw, sqrt(p (1 - p) / n), plus `SLACK`.
    Counts of clusters without weight are requests astray: any that are more than the slack are a no. Standbys count as
    clusters without weight, so while one serves the answer is a no, as it should be. Refused requests are not counted.
    """
    weights = {str(target.cluster): target.weight for target in targets}
    total, requests = sum(weights.values()), sum(counts.values())
    if not total or requests < REQUESTS_MIN:
        return None
    names = sorted(weights.keys() | counts.keys())
    share = np.array([weights.get(name, 0) / total for name in names])
    seen = np.array([counts.get(name, 0.0) / requests for name in names])
    allowed = SIGMAS * np.sqrt(share * (1.0 - share)) / math.sqrt(requests) + SLACK
    return bool((np.abs(seen - share) <= allowed).all())


def split_error(targets: tuple[Target, ...], counts: Mapping[str, float]) -> float:
    """The most by which a measured share differs from its weight; NaN without requests or weights."""
    weights = {str(target.cluster): target.weight for target in targets}
    total, requests = sum(weights.values()), sum(counts.values())
    if not total or not requests:
        return math.nan
    names = weights.keys() | counts.keys()
    return max(abs(counts.get(name, 0.0) / requests - weights.get(name, 0) / total) for name in names)
