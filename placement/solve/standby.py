"""Prices for losses that have not happened: one point of the dual for each region or provider that may be lost.

Yesterday's prices certify today's demand, but not a day without its largest region: those are decades away, and a climb
from nothing takes as long as a solve. So they are climbed to beforehand, when nothing else is to be done, and a loss
starts from them. As any prices do, they certify whatever problem they are put to, also one that has moved since.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from placement.assignment import AssignmentProblem
from placement.columns import Bools, floats
from placement.solve.ascent import FINE, ascend
from placement.solve.prices import PriceModel, Prices


@dataclass(frozen=True, slots=True)
class StandbyPrices:
    """By failure domain, in the numbering of Losses."""

    by_domain: Mapping[int, Prices]

    def after(self, before: AssignmentProblem, now: AssignmentProblem) -> Prices | None:
        """Prices for what was lost between two problems, if it is a domain that was foreseen."""
        gone = (before.capacity > 0).any(axis=1) & ~(now.capacity > 0).any(axis=1)
        if not gone.any():
            return None
        for domain, prices in self.by_domain.items():
            if (pools_of(before, domain) & (before.capacity > 0).any(axis=1) == gone).all():
                return prices
        return None


def prepare(problem: AssignmentProblem, prices: Prices, domains: Iterable[int]) -> Iterator[tuple[int, Prices]]:
    """(domain, prices without it), one a step, so that whoever takes the steps decides when there is time for one."""
    model = PriceModel(problem)
    for domain in domains:
        _, ready, _ = ascend(model.moved(without(problem, domain)), FINE, prices)
        yield domain, ready


def without(problem: AssignmentProblem, domain: int) -> AssignmentProblem:
    """The problem when no pool of a domain has any capacity."""
    gone = pools_of(problem, domain)
    return replace(problem, capacity=floats(np.where(gone[:, None], 0.0, problem.capacity)))


def pools_of(problem: AssignmentProblem, domain: int) -> Bools:
    """(P,) the pools of a region or provider; where nobody may stand belongs to none."""
    out = np.zeros(len(problem.capacity), dtype=bool)
    out[problem.sites.pool[(problem.site_domains == domain).any(axis=1)]] = True
    return out
