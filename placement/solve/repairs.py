"""Compiled search of `placement.solve.balance`: make copies where load cannot get otherwise, then fewer of them."""

import numpy as np
from numba import njit

from placement.solve.transfers import State, add_edge, change, pull, push


@njit(cache=True)
def settle(state: State) -> None:
    """Place all load along the copies that exist, as far as it goes: big items last, so that few items stay loose."""
    for item in range(len(state.loose) - 1, -1, -1):
        push(state, item, state.upper)
    for holder in range(len(state.load)):
        if state.load[holder] < state.lower - state.tiny:
            pull(state, holder, state.lower, state.lower)


@njit(cache=True)
def repair(state: State, noise: float, rng: np.random.Generator) -> bool:
    """Make copies until every holder is within the window; False where that is beyond it."""
    budget = len(state.flow) - 1
    for _ in range(4 * len(state.load)):
        if state.edges[0] >= budget:
            return False
        item, holder = _neediest(state)
        if item < 0 and holder < 0:
            return True
        if item >= 0:
            target = _taker(state, item, noise, rng)
            if target < 0:
                return False
            _copy(state, item, target)
        elif state.copies[holder] >= state.copies_max:
            if not _evict(state, holder):
                return False
        else:
            giver = _giver(state, holder, noise, rng)
            if giver < 0:
                return False
            _copy(state, giver, holder)
    return False


@njit(cache=True)
def _neediest(state: State) -> tuple[int, int]:
    """The item with most loose load, else the holder that lacks most, else nobody."""
    item, holder, most = -1, -1, state.tiny
    for i in range(len(state.loose)):
        if state.loose[i] > most:
            item, most = i, state.loose[i]
    if item >= 0:
        return item, holder
    most = 2 * state.tiny
    for h in range(len(state.load)):
        lack = state.lower - state.load[h]
        if lack > most:
            holder, most = h, lack
    return item, holder


@njit(cache=True)
def _copy(state: State, item: int, holder: int) -> None:
    """A copy of an item at a holder, with as much load as helps."""
    edge = add_edge(state, item, holder, 1)
    amount = min(state.loose[item], state.upper - state.load[holder])
    if amount > 0.0:
        change(state, edge, amount)
        state.loose[item] -= amount
        if state.loose[item] < state.tiny:
            state.loose[item] = 0.0
    pull(state, holder, state.lower, state.lower)


@njit(cache=True)
def _holds(state: State, item: int, holder: int) -> bool:
    edge = state.item_first[item]
    while edge >= 0:
        if state.holder[edge] == holder and state.alive[edge] == 1:
            return True
        edge = state.item_next[edge]
    return False


@njit(cache=True)
def _spare(state: State, item: int) -> float:
    """Load of an item that its holders can do without."""
    total = 0.0
    edge = state.item_first[item]
    while edge >= 0:
        surplus = state.load[state.holder[edge]] - state.lower
        if surplus > 0.0:
            total += min(surplus, state.flow[edge])
        edge = state.item_next[edge]
    return total


@njit(cache=True)
def _taker(state: State, item: int, noise: float, rng: np.random.Generator) -> int:
    """The holder at which a copy of a loose item settles most: the item, the holder, at best both at once."""
    loose, spare = state.loose[item], _spare(state, item)
    best, best_score = -1, -1.0
    scale = state.upper
    for holder in range(len(state.load)):
        if state.copies[holder] >= state.copies_max or _holds(state, item, holder):
            continue
        lack, room = max(0.0, state.lower - state.load[holder]), state.upper - state.load[holder]
        if room <= state.tiny:
            continue
        placed = min(loose, room)
        score = 0.0
        if loose <= room:
            score += 2.0
        if lack > state.tiny and placed + spare >= lack - state.tiny:
            score += 2.0
        score += (placed if loose > room else lack) / scale + noise * rng.random()
        if score > best_score:
            best, best_score = holder, score
    return best


@njit(cache=True)
def _giver(state: State, holder: int, noise: float, rng: np.random.Generator) -> int:
    """The item of which a holder that lacks load gets a copy: just enough to spare, or else the most."""
    lack = state.lower - state.load[holder]
    best, best_score = -1, 0.0
    for item in range(len(state.loose)):
        spare = _spare(state, item)
        if spare <= state.tiny or _holds(state, item, holder):
            continue
        score = spare / lack if spare < lack else 1.0 + lack / spare
        score *= 1.0 + noise * rng.random()
        if score > best_score:
            best, best_score = item, score
    return best


@njit(cache=True)
def withdraw(state: State, edge: int) -> None:
    """Take a copy away; its load is loose."""
    state.loose[state.item[edge]] += state.flow[edge]
    change(state, edge, -state.flow[edge])
    state.alive[edge] = 0


@njit(cache=True)
def _evict(state: State, holder: int) -> bool:
    """Let the smallest copy of a full holder go elsewhere, so that a larger one can come."""
    edge, smallest = -1, np.inf
    candidate = state.holder_first[holder]
    while candidate >= 0:
        if 0.0 < state.flow[candidate] < smallest:
            edge, smallest = candidate, state.flow[candidate]
        candidate = state.holder_next[candidate]
    if edge < 0:
        return False
    withdraw(state, edge)
    push(state, state.item[edge], state.upper)
    return True


@njit(cache=True)
def made(state: State) -> int:
    """Copies made that carry load."""
    total = 0
    for edge in range(state.edges[0]):
        if state.made[edge] == 1 and state.flow[edge] > 0.0:
            total += 1
    return total


@njit(cache=True)
def keep(state: State, saved: State) -> None:
    """Copy every array of a state into another one."""
    saved.flow[:], saved.alive[:], saved.made[:] = state.flow, state.alive, state.made
    saved.item[:], saved.holder[:] = state.item, state.holder
    saved.item_next[:], saved.holder_next[:] = state.item_next, state.holder_next
    saved.item_first[:], saved.holder_first[:] = state.item_first, state.holder_first
    saved.edges[:], saved.loose[:] = state.edges, state.loose
    saved.load[:], saved.copies[:] = state.load, state.copies


@njit(cache=True)
def search(state: State, saved: State, steps: int, goal: int, rng: np.random.Generator) -> int:
    """Take a few made copies away and repair, `steps` times or until `goal`; keep what is not worse. The least made."""
    least = made(state)
    keep(state, saved)
    chosen = np.empty(len(state.flow), np.int64)
    for _ in range(steps):
        if least <= goal:
            break
        found = 0
        for edge in range(state.edges[0]):
            if state.made[edge] == 1 and state.flow[edge] > 0.0:
                chosen[found] = edge
                found += 1
        away = 1 + rng.integers(0, min(found, 12))
        for k in range(away):
            other = k + rng.integers(0, found - k)
            chosen[k], chosen[other] = chosen[other], chosen[k]
            withdraw(state, chosen[k])
        _forget_idle(state)
        settle(state)
        if repair(state, 0.5 * rng.random(), rng) and made(state) <= least:
            least = made(state)
            keep(state, saved)
        else:
            keep(saved, state)
    return least


@njit(cache=True)
def _forget_idle(state: State) -> None:
    """Unmade copies that carry nothing and the room they take are given back: the lists are built anew."""
    kept = 0
    for edge in range(state.edges[0]):
        if state.alive[edge] == 1 and (state.made[edge] == 0 or state.flow[edge] > 0.0):
            state.item[kept], state.holder[kept] = state.item[edge], state.holder[edge]
            state.flow[kept], state.made[kept] = state.flow[edge], state.made[edge]
            state.alive[kept] = 1
            kept += 1
    state.edges[0] = kept
    state.item_first[:] = -1
    state.holder_first[:] = -1
    for edge in range(kept):
        item, holder = state.item[edge], state.holder[edge]
        state.item_next[edge], state.item_first[item] = state.item_first[item], edge
        state.holder_next[edge], state.holder_first[holder] = state.holder_first[holder], edge
