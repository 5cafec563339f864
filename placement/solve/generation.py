"""Column generation: plans and pool prices, until mixtures of the plans cost what the prices say they must.

A round asks the master for the best prices by the plans known, within a box around the best prices so far, and prices
services at them. Their plans are those of their linear programs, rounded and searched; small services are also searched
from the cheapest plan they have. Nobody is asked whose prices hardly moved since the last time. Prices are best where
the cheapest plans known cost most, so that prices which only looked good for want of plans do not last. The box narrows
when the plans known promised what was not there: without it the first duals are wild, and the first rounds wasted.
"""

from typing import NamedTuple

import numpy as np

from placement.assignment import AssignmentProblem
from placement.columns import Bools, Floats, Ints
from placement.solve.ascent import ascend
from placement.solve.certificate import Certificate, bound
from placement.solve.choice import typical_usd
from placement.solve.layout import Layout
from placement.solve.plans import Master, Plans
from placement.solve.prices import PriceModel
from placement.solve.pricing import Mapper, Priced, price_out, sites_of

SEARCHED = 16.0
"""Replicas up to which a service is searched as well; beyond, its linear program knows more and costs less."""
CLOSE = 1e-3
"""Relative distance of master and Lagrangian value at which generation ends."""
DOUBT = 1e-3
"""Relative part of that value which better plans may take away without another look at everybody."""
STILL = 2e-3
"""Relative change of its sites' prices up to which a service is not priced again."""
WIDTH_MOST, WIDTH_LEAST = 2.0, 0.1
"""Of the box: how much higher a price may be, in parts of itself; as much lower as a factor."""
BESIDE = 0.05
"""of the width, in typical prices, added to either side: what a price that is 0 may become"""
WIDTH_LAST = 30.0
"""Of the box of the last master, whose shares are rounded: without a box it would be solved from nothing."""
WIDER = 1.5
"""A box becomes so many times wider where at least GOOD of what was promised came true, narrower where nothing did."""
GOOD = 0.5
STRIDE = 0.8
"""Of the way from the best prices to the master's, where plans are priced next."""


class Generated(NamedTuple):
    """Where generation ended; its plans are in `Plans`."""

    proof: Certificate
    """at the best prices, without mixed-integer programs"""
    usd: float
    """Lagrangian value of the cheapest plans: what a bound at these prices can reach"""
    share: Floats
    """(plans,) of the master"""
    pool_usd: Floats
    """(P, R) its duals"""
    rounds: int


def relaxed_prices(problem: AssignmentProblem, layout: Layout) -> Floats:
    """(P, R) pool prices of the relaxation, 0 where nothing fits."""
    out: Floats = np.where(layout.capacity > 0, ascend(PriceModel(problem))[1].pool, 0.0)
    return out


def generate(mapper: Mapper, plans: Plans, pool_usd: Floats, rounds: int) -> Generated:
    """Columns until the master and the best Lagrangian value are close, and another look at all finds no better plans.

    At most so many rounds, each of which prices the services whose sites' prices moved.
    """
    layout, top, used, centre, width = plans.layout, Master(plans), 0, pool_usd, WIDTH_MOST
    typical, owner = typical_usd(layout), np.repeat(np.arange(layout.services), np.diff(layout.site0))
    proof, last = certify(mapper, plans, centre), layout.price(centre)
    while True:
        master, known, used = top.relax(_box(centre, typical, width)), value_of(plans, centre), used + 1
        promised = master.usd - known
        if promised < CLOSE * abs(known) and width < WIDTH_MOST and used < rounds:
            width = WIDTH_MOST
            continue
        if promised < CLOSE * abs(known) or used >= rounds:
            proof, last = certify(mapper, plans, centre, proof.bases), layout.price(centre)
            value = value_of(plans, centre)
            if known - value < DOUBT * abs(known) or used >= rounds:
                master = top.relax(_box(centre, typical, WIDTH_LAST))
                return Generated(proof, value, master.share, master.pool_usd, used)
            continue
        at = centre + STRIDE * (master.pool_usd - centre)
        price = layout.price(at)
        some = np.flatnonzero(_moved(layout, last, price))
        proof = _price(mapper, plans, some, at, proof.bases)
        last = np.where(np.isin(owner, some), price, last)
        gain = value_of(plans, at) - value_of(plans, centre)
        centre, width = at if gain > 0 else centre, _width(width, gain / promised)


def _box(centre: Floats, typical: Floats, width: float) -> tuple[Floats, Floats]:
    """Prices around the best ones."""
    beside = BESIDE * width * typical
    return np.maximum(0.0, centre / (1 + width) - beside), centre * (1 + width) + beside


def _width(width: float, kept: float) -> float:
    """Of the next box, where so much of what this one promised came true."""
    if kept > GOOD:
        return min(WIDTH_MOST, width * WIDER)
    return width if kept > 0 else max(WIDTH_LEAST, width / WIDER)


def value_of(plans: Plans, pool_usd: Floats) -> float:
    """$/h of the cheapest plans known at prices (P, R), less the rent of the pools."""
    priced = plans.priced(pool_usd)
    return float(priced[plans.first(priced)].sum()) - plans.layout.rent(pool_usd)


def _price(mapper: Mapper, plans: Plans, some: Ints, pool_usd: Floats, bases: list[bytes]) -> Certificate:
    """New plans of some services at prices (P, R)."""
    priced = _searched(mapper, plans, some, pool_usd)
    proof = bound(plans.layout, mapper, some, priced, pool_usd, bases, again=False)
    plans.add(some, proof.priced.n, plans.layout.price(pool_usd), proof.priced.usd)
    return proof


def certify(mapper: Mapper, plans: Plans, pool_usd: Floats, bases: list[bytes] | None = None) -> Certificate:
    """Bounds of all services at prices (P, R), without mixed-integer programs; their plans become columns."""
    every = np.arange(plans.layout.services)
    proof = bound(plans.layout, mapper, every, _searched(mapper, plans, every, pool_usd), pool_usd, bases)
    keep(plans, proof)
    return proof


def _searched(mapper: Mapper, plans: Plans, some: Ints, pool_usd: Floats) -> Priced:
    """The cheapest plans known at prices (P, R), those of some services after a search where they are small."""
    layout, priced = plans.layout, plans.priced(pool_usd)
    best = plans.first(priced)
    n, usd = plans.replicas_of(best), priced[best]
    few = some[_few(layout)[some]]
    found, sites = price_out(layout, mapper, few, n, pool_usd), sites_of(layout, few)
    n[sites], usd[few] = found.n[sites], found.usd[few]
    return Priced(n, usd, np.zeros(layout.services))


def keep(plans: Plans, proof: Certificate) -> None:
    """Plans of a certificate become columns."""
    plans.add(np.arange(plans.layout.services), proof.priced.n, plans.layout.price(proof.pool_usd), proof.priced.usd)


def _moved(layout: Layout, old: Floats, new: Floats) -> Bools:
    """(S,) services one of whose sites changed its price."""
    out: Bools = layout.sums((np.abs(new - old) > STILL * np.minimum(new, old)).astype(float)) > 0
    return out


def _few(layout: Layout) -> Bools:
    """(S,) services that few replicas carry."""
    sites = np.maximum(np.diff(layout.site0), 1)
    lift = np.maximum(layout.sums(layout.lift) / sites, 1e-12)
    rps = np.concatenate([[0.0], np.cumsum(layout.rps)])
    few: Bools = (rps[layout.demand0[1:]] - rps[layout.demand0[:-1]]) / lift < SEARCHED
    return few
