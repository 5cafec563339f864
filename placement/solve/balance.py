"""Rebalancing with as few new copies as can be: items (shards, tenants, models) that holders serve in parts.

Sets        i items; h holders; e copies (i, h) that exist
Data        load_i; `lower` and `upper` load of a holder; `copies_max` on a holder
Variables   f_ih >= 0 load of i that h serves; n_ih = 1 for a pair that is not in e and has f_ih > 0
Minimise    sum n_ih            dropping and keeping a copy cost nothing
Subject to  sum_h f_ih = load_i;  lower <= sum_i f_ih <= upper;  at most copies_max pairs with f_ih > 0 at h

Method. With no new copy this is a flow problem, solved by alternating paths (`transfers`); what stays loose at items
and what holders lack says where copies are needed. Each is made where it settles most, and followed by paths again
(`repairs`); then a few at a time are taken away and repaired, for as long as more copies than the bound were made.

Bound. A set T of items that only the holders N(T) have needs ceil((load(T) - upper |N(T)|) / upper) new copies; a set
U of holders that lacks load even with all of what its copies could bring needs at least one, and at least as many
as the largest items take to fill what is lacking. Both are taken over disjoint sets, the parts that the flow problem
left short, so they add up; the two kinds do not add, for one copy may serve both.

The problem and its benchmark are those of Narayanan et al., Solving Large-Scale Granular Resource Allocation Problems
Efficiently with POP (SOSP 2021), section 4.3; the heuristic and the bound are ours.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from placement.columns import Bools, Floats, Ints, floats, ints
from placement.solve.repairs import made, repair, search, settle
from placement.solve.transfers import NOTHING, State, add_edge

REPAIR_STEPS = 300
"""Tries to do with fewer copies: a work limit, so that a run is the same on any machine."""


class Unbalanceable(Exception):  # noqa: N818  an outcome, like Unsolved
    """No way was found to bring every holder within the window; says what is in the way."""


@dataclass(frozen=True, slots=True)
class Copies:
    """(E,) Which holder has which item, one row per copy."""

    item: Ints
    holder: Ints

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True, slots=True)
class Window:
    """What every holder has to keep to."""

    holders: int
    lower: float
    upper: float
    copies_max: int


@dataclass(frozen=True, slots=True)
class Balance:
    """A rebalancing: the copies that serve load, with how much, and what it took."""

    copies: Copies
    load: Floats
    """(E,) load served along each copy."""
    moves: int
    """Copies made."""
    lower_bound_moves: int
    """No rebalancing makes fewer."""


def rebalance(load: Floats, standing: Copies, window: Window, steps: int = REPAIR_STEPS, seed: int = 0) -> Balance:
    """A rebalancing of `load` (I,), every entry positive, that starts from the `standing` copies.

    Raises Unbalanceable where the total does not fit the window or the repair found no room for copies.
    """
    _refuse_what_cannot_be(load, window)
    state = _state(load, standing, window)
    settle(state)
    bound = _bound(load, standing, window, state)
    rng = np.random.default_rng(seed)
    if not repair(state, 0.0, rng):
        raise Unbalanceable(
            f"{len(load)} items on {window.holders} holders: no room for another copy within copies_max = "
            f"{window.copies_max}; allow more copies or widen the window"
        )
    if made(state) > bound:
        search(state, _state(load, standing, window), steps, bound, rng)
    used = np.flatnonzero(state.flow[: state.edges[0]] > 0)
    copies = Copies(ints(state.item[used]), ints(state.holder[used]))
    return Balance(copies, floats(state.flow[used]), int(state.made[used].sum()), bound)


def _refuse_what_cannot_be(load: Floats, window: Window) -> None:
    if not (np.isfinite(load).all() and (load > 0).all()):
        raise ValueError("every load must be a finite number above 0; leave out the items that have none")
    total, holders = float(load.sum()), window.holders
    if not holders * window.lower <= total <= holders * window.upper:
        raise Unbalanceable(
            f"a total load of {total:g} does not fit {holders} holders with {window.lower:g} to {window.upper:g} each"
        )


def _state(load: Floats, standing: Copies, window: Window) -> State:
    items, holders = len(load), window.holders
    room = 2 * len(standing) + 4 * (items + holders) + holders * window.copies_max
    state = State(
        flow=np.zeros(room),
        item=np.zeros(room, dtype=np.int64),
        holder=np.zeros(room, dtype=np.int64),
        made=np.zeros(room, dtype=np.int64),
        alive=np.zeros(room, dtype=np.int64),
        item_next=np.zeros(room, dtype=np.int64),
        holder_next=np.zeros(room, dtype=np.int64),
        item_first=np.full(items, -1),
        holder_first=np.full(holders, -1),
        edges=np.zeros(1, dtype=np.int64),
        loose=load.copy(),
        load=np.zeros(holders),
        copies=np.zeros(holders, dtype=np.int64),
        lower=window.lower,
        upper=window.upper,
        copies_max=window.copies_max,
        tiny=NOTHING * float(load.sum()) / holders,
    )
    for item, holder in zip(standing.item.tolist(), standing.holder.tolist(), strict=True):
        add_edge(state, item, holder, 0)
    return state


def _bound(load: Floats, standing: Copies, window: Window, settled: State) -> int:
    """The larger of the two kinds of the bound in the module's docstring."""
    loose = np.flatnonzero(settled.loose > 0)
    lacking = len(load) + np.flatnonzero(settled.load < window.lower - 2 * settled.tiny)
    over = sum(_copies_out(load, standing, window, part) for part in _parts(load, standing, settled, loose))
    under = sum(_copies_in(load, standing, window, part) for part in _parts(load, standing, settled, lacking))
    return max(over, under)


def _parts(load: Floats, standing: Copies, settled: State, start: Ints) -> list[Bools]:
    """What load could come from, or go to, `start` along existing copies, as disjoint sets of (I + H,) nodes."""
    if not len(start):
        return []
    items, edges = len(load), len(standing)
    nodes = items + settled.load.shape[0]
    item, holder = standing.item, items + standing.holder
    carries = settled.flow[:edges] > 0
    from_items = start[0] < items
    there = (item, holder) if from_items else (holder, item)
    tail = np.concatenate([there[0], there[1][carries], np.full(len(start), nodes)])
    head = np.concatenate([there[1], there[0][carries], start])
    graph = csr_array((np.ones(len(tail)), (tail, head)), shape=(nodes + 1, nodes + 1))
    reached = np.zeros(nodes + 1, dtype=bool)
    reached[breadth_first_order(graph, nodes, return_predecessors=False)] = True
    inside = reached[item] & reached[holder]
    shape = (nodes, nodes)
    label = connected_components(csr_array((np.ones(inside.sum()), (item[inside], holder[inside])), shape=shape), False)
    return [reached[:nodes] & (label[1] == part) for part in np.unique(label[1][start])]


def _copies_out(load: Floats, standing: Copies, window: Window, part: Bools) -> int:
    """Least copies that a set of items needs beyond the holders it has."""
    mine = part[: len(load)]
    holders = len(np.unique(standing.holder[mine[standing.item]]))
    over = load[mine].sum() - window.upper * holders
    return max(0, int(np.ceil(over / window.upper - NOTHING * len(load))))


def _copies_in(load: Floats, standing: Copies, window: Window, part: Bools) -> int:
    """Least copies that a set of holders needs beyond the items it has."""
    mine = part[len(load) :]
    at_hand = np.zeros(len(load), dtype=bool)
    at_hand[standing.item[mine[standing.holder]]] = True
    lack = window.lower * mine.sum() - load[at_hand].sum() - NOTHING * load.sum()
    if lack <= 0:
        return 0
    largest = np.cumsum(np.sort(load[~at_hand])[::-1])
    return int(np.searchsorted(largest, lack)) + 1
