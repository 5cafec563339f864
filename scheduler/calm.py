"""Load kept away from a backend, as the plan sees it: what goes there beyond is dear, and never refused."""

from dataclasses import replace

import numpy as np

from placement.columns import Floats, floats
from placement.problem import Problem
from placement.sitecost import Pieces

PART_OF_SHED = 0.5
"""Price of load above a ceiling, in parts of refusing it: above every lawful route (refusing costs ten and more of
them), so it goes elsewhere where there is room, and stays where there is none."""


def calmed(problem: Problem, ceiling_rps: Floats) -> Problem:
    """The problem in which load above a ceiling (B,) is dear; +inf where there is none."""
    low = ceiling_rps < problem.pieces.served_rps
    if not low.any():
        return problem
    pieces = problem.pieces
    before = np.cumsum(pieces.rps, axis=1) - pieces.rps
    below = np.clip(ceiling_rps[:, None] - before, 0.0, pieces.rps)
    above = pieces.served_rps - below.sum(axis=1)
    usd = np.maximum(_dear_usd(problem), pieces.usd.max(axis=1))
    dearer = Pieces(floats(np.column_stack([below, above])), floats(np.column_stack([pieces.usd, usd])))
    return replace(problem, pieces=dearer, curve=None)


def _dear_usd(problem: Problem) -> Floats:
    """(B,) price of load above a ceiling, in $/h per rps."""
    fleet = problem.fleet
    least = np.full(len(fleet.services), np.inf)
    np.minimum.at(least, fleet.flows.service, problem.shed_usd)
    usd = PART_OF_SHED * least[fleet.backends.service]
    return np.where(np.isfinite(usd), usd, 0.0)
