"""Which commitments to make: a two-stage program. Commit now, see the demand, buy the rest at the price of the hour.

For one kind of node, scenarios s of probability p_s with (T,) hours of demand n_st, offers o with their discount d_o,
and a price c on demand, f on spot of which at most a part q of each hour's nodes may be:

    min  sum_o (1 - d_o) c x_o + sum_s p_s / T sum_t (c y_st + f z_st)
    with sum_o x_o + y_st + z_st >= n_st,   0 <= z_st <= q n_st,   x, y >= 0          each s, t

The regret of a plan in a scenario is what it costs more there than the plan that would have known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, eye_array, hstack, vstack

from placement.columns import Floats, floats
from placement.solve.linear import LinearProgram, solve


@dataclass(frozen=True, slots=True)
class Market:
    """Prices of one kind of node, $/h."""

    on_demand_usd: float
    spot_usd: float | None
    spot_share_max: float
    """Part of an hour's nodes that may be interruptible."""
    discounts: Floats
    """(offers,) off the price on demand."""


@dataclass(frozen=True, slots=True)
class Mix:
    """What to commit to, and what that costs."""

    committed: Floats
    """(offers,) nodes."""
    on_demand: float
    """Nodes on demand, mean over hours and scenarios."""
    spot: float
    """Interruptible nodes, the same."""
    usd_per_hour: float
    """Expected."""
    all_on_demand_usd_per_hour: float
    """Without commitments and spot."""
    scenario_usd: Floats
    """(scenarios,) what the plan costs in each."""
    regret_usd: Floats
    """(scenarios,) over the best plan for that scenario alone."""


def best_mix(market: Market, demand: Sequence[Floats], probability: Floats) -> Mix:
    """The cheapest commitments for (scenarios) of (T,) hourly nodes. Raises Unsolved."""
    found = _solved(market, demand, probability)
    offers = len(market.discounts)
    committed = found[:offers]
    costs = floats([_cost(market, committed, hours) for hours in demand])
    known = [_solved(market, [hours], floats([1.0]))[:offers] for hours in demand]
    best = floats([_cost(market, x, hours) for x, hours in zip(known, demand, strict=True)])
    rest = [_recourse(market, committed, hours) for hours in demand]
    return Mix(
        committed=floats(np.round(committed, 6)),
        on_demand=float(probability @ [y.mean() for y, _ in rest]),
        spot=float(probability @ [z.mean() for _, z in rest]),
        usd_per_hour=float(probability @ costs),
        all_on_demand_usd_per_hour=float(probability @ [hours.mean() * market.on_demand_usd for hours in demand]),
        scenario_usd=costs,
        regret_usd=floats(np.maximum(costs - best, 0.0)),
    )


def _recourse(market: Market, committed: Floats, hours: Floats) -> tuple[Floats, Floats]:
    """(T,) nodes on demand and on spot once the demand is known."""
    left = np.maximum(hours - committed.sum(), 0.0)
    cheaper = market.spot_usd is not None and market.spot_usd < market.on_demand_usd
    spot = np.minimum(left, market.spot_share_max * hours) if cheaper else np.zeros(len(hours))
    return floats(left - spot), floats(spot)


def _cost(market: Market, committed: Floats, hours: Floats) -> float:
    """$/h of a scenario under commitments."""
    own, spot = _recourse(market, committed, hours)
    paid = float((committed * (1 - market.discounts)).sum()) * market.on_demand_usd
    return paid + float(own.mean()) * market.on_demand_usd + float(spot.mean()) * (market.spot_usd or 0.0)


def _solved(market: Market, demand: Sequence[Floats], probability: Floats) -> Floats:
    """The optimum of the program: offers, then on demand and spot of every scenario's hours."""
    offers, hours = len(market.discounts), np.concatenate(demand)
    weight = np.concatenate([np.full(len(d), p / len(d)) for d, p in zip(demand, probability, strict=True)])
    spot = market.on_demand_usd if market.spot_usd is None else market.spot_usd
    share = 0.0 if market.spot_usd is None else market.spot_share_max
    cost = np.concatenate([(1 - market.discounts) * market.on_demand_usd, weight * market.on_demand_usd, weight * spot])
    each = eye_array(len(hours), format="csr")
    cover = hstack([csr_matrix(np.ones((len(hours), offers))), each, each])
    matrix = csr_matrix(vstack([cover]))
    size = offers + 2 * len(hours)
    upper = np.full(size, np.inf)
    upper[offers + len(hours) :] = share * hours
    unlimited = np.full(len(hours), np.inf)
    return solve(LinearProgram(cost, matrix, hours, unlimited, np.zeros(size), upper)).x
