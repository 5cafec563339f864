"""Compiled steps of `placement.solve.balance`: load in transit between holders along copies that exist.

The state is a bipartite graph of items (shards) and holders (servers). An edge is a copy; its flow is the load of the
item that the holder serves. Load moves along an alternating path: a holder gives up some of an item, another holder of
that item takes it and gives up some of a second item, and so on until somebody has room.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from placement.columns import Floats, Ints

NOTHING = 1e-9
"""Part of the average load below which a number is rounding."""


class State(NamedTuple):
    """Arrays that the steps change in place. I items, H holders, E room for edges."""

    flow: Floats
    """(E,) load served along each edge."""
    item: Ints
    holder: Ints
    made: Ints
    """(E,) 1 for a copy that was not there before."""
    alive: Ints
    """(E,) 0 once an edge is taken away."""
    item_next: Ints
    """(E,) next edge of the same item, -1 at the end."""
    holder_next: Ints
    item_first: Ints
    """(I,) first edge of each item, -1 for none."""
    holder_first: Ints
    edges: Ints
    """(1,) how many edges are in use."""
    loose: Floats
    """(I,) load of each item that nobody serves yet."""
    load: Floats
    """(H,) load of each holder."""
    copies: Ints
    """(H,) edges with flow."""
    lower: float
    upper: float
    copies_max: int
    tiny: float


@njit(cache=True)
def add_edge(state: State, item: int, holder: int, made: int) -> int:
    """A new edge without flow; its number."""
    edge = int(state.edges[0])
    state.edges[0] = edge + 1
    state.item[edge], state.holder[edge] = item, holder
    state.made[edge], state.alive[edge], state.flow[edge] = made, 1, 0.0
    state.item_next[edge], state.item_first[item] = state.item_first[item], edge
    state.holder_next[edge], state.holder_first[holder] = state.holder_first[holder], edge
    return edge


@njit(cache=True)
def change(state: State, edge: int, amount: float) -> None:
    """Let an edge carry more or less, and count the copies that this opens or closes."""
    before, holder = state.flow[edge], state.holder[edge]
    after = before + amount
    if after < state.tiny:
        after = 0.0
    if before == 0.0 and after > 0.0:
        state.copies[holder] += 1
    if before > 0.0 and after == 0.0:
        state.copies[holder] -= 1
    state.flow[edge] = after
    state.load[holder] += after - before


@njit(cache=True)
def open_to_load(state: State, edge: int) -> bool:
    """Whether an edge may carry more."""
    return bool(state.alive[edge]) and bool(
        state.flow[edge] > 0.0 or state.copies[state.holder[edge]] < state.copies_max
    )


@njit(cache=True)
def push(state: State, item: int, limit: float) -> float:
    """Place loose load of an item on holders below `limit`, by shortest alternating paths; what stays loose."""
    items, holders = len(state.item_first), len(state.holder_first)
    came_item, came_holder = np.empty(items, np.int64), np.empty(holders, np.int64)
    queue = np.empty(items, np.int64)
    while state.loose[item] > state.tiny:
        came_item[:] = -1
        came_holder[:] = -1
        came_item[item] = -2
        queue[0] = item
        head, tail, end = 0, 1, -1
        while head < tail and end < 0:
            edge = state.item_first[queue[head]]
            head += 1
            while edge >= 0 and end < 0:
                holder = state.holder[edge]
                if came_holder[holder] == -1 and open_to_load(state, edge):
                    came_holder[holder] = edge
                    if state.load[holder] < limit - state.tiny:
                        end = holder
                    else:
                        tail = _items_of(state, holder, came_item, queue, tail)
                edge = state.item_next[edge]
        if end < 0:
            break
        amount = min(state.loose[item], limit - state.load[end])
        _shift(state, came_item, came_holder, end, amount, item)
    return float(state.loose[item])


@njit(cache=True)
def _items_of(state: State, holder: int, came_item: Ints, queue: Ints, tail: int) -> int:
    edge = state.holder_first[holder]
    while edge >= 0:
        other = state.item[edge]
        if state.flow[edge] > 0.0 and came_item[other] == -1:
            came_item[other] = edge
            queue[tail] = other
            tail += 1
        edge = state.holder_next[edge]
    return tail


@njit(cache=True)
def _shift(state: State, came_item: Ints, came_holder: Ints, end: int, amount: float, item: int) -> None:
    """Move load along a path that `push` found, from its loose start to `end`."""
    at = end
    while True:
        middle = state.item[came_holder[at]]
        if came_item[middle] < 0:
            break
        amount = min(amount, state.flow[came_item[middle]])
        at = state.holder[came_item[middle]]
    at = end
    while True:
        middle = state.item[came_holder[at]]
        change(state, came_holder[at], amount)
        if came_item[middle] < 0:
            break
        change(state, came_item[middle], -amount)
        at = state.holder[came_item[middle]]
    left = state.loose[item] - amount
    state.loose[item] = left if left > state.tiny else 0.0


@njit(cache=True)
def pull(state: State, holder: int, limit: float, floor: float) -> float:
    """Bring a holder up to `limit` with loose load or from holders above `floor`; what it lacks still."""
    items, holders = len(state.item_first), len(state.holder_first)
    came_item, came_holder = np.empty(items, np.int64), np.empty(holders, np.int64)
    queue = np.empty(holders, np.int64)
    while state.load[holder] < limit - state.tiny:
        came_item[:] = -1
        came_holder[:] = -1
        came_holder[holder] = -2
        queue[0] = holder
        head, tail, end_item, end_holder = 0, 1, -1, -1
        while head < tail and end_item < 0 and end_holder < 0:
            edge = state.holder_first[queue[head]]
            head += 1
            while edge >= 0:
                item = state.item[edge]
                if came_item[item] == -1 and open_to_load(state, edge):
                    came_item[item] = edge
                    if state.loose[item] > state.tiny:
                        end_item = item
                        break
                    tail, end_holder = _holders_of(state, item, came_holder, queue, tail, floor)
                    if end_holder >= 0:
                        break
                edge = state.holder_next[edge]
        if end_item < 0 and end_holder < 0:
            break
        _draw(state, came_item, came_holder, end_item, end_holder, limit - state.load[holder], floor)
    return max(0.0, limit - float(state.load[holder]))


@njit(cache=True)
def _holders_of(state: State, item: int, came_holder: Ints, queue: Ints, tail: int, floor: float) -> tuple[int, int]:
    edge = state.item_first[item]
    while edge >= 0:
        other = state.holder[edge]
        if state.flow[edge] > 0.0 and came_holder[other] == -1:
            came_holder[other] = edge
            if state.load[other] > floor + state.tiny:
                return tail, other
            queue[tail] = other
            tail += 1
        edge = state.item_next[edge]
    return tail, -1


@njit(cache=True)
def _draw(
    state: State, came_item: Ints, came_holder: Ints, end_item: int, end_holder: int, amount: float, floor: float
) -> None:
    """Move load along a path that `pull` found."""
    amount = min(amount, state.loose[end_item] if end_item >= 0 else state.load[end_holder] - floor)
    item, giver = end_item, end_holder
    while True:
        if giver >= 0:
            edge = came_holder[giver]
            if edge < 0:
                break
            amount = min(amount, state.flow[edge])
            item = state.item[edge]
        giver = state.holder[came_item[item]]
    item, giver = end_item, end_holder
    if end_item >= 0:
        left = state.loose[end_item] - amount
        state.loose[end_item] = left if left > state.tiny else 0.0
    while True:
        if giver >= 0:
            edge = came_holder[giver]
            if edge < 0:
                break
            change(state, edge, -amount)
            item = state.item[edge]
        change(state, came_item[item], amount)
        giver = state.holder[came_item[item]]
