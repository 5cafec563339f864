"""Pricing over slices of services: what shards, threads or actors do with prices and nothing else.

Every function is pure: it gets the layout, which stays where the work is done, and a small task, and returns plans.
Compiled work lets other threads run.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import njit

from placement.columns import Floats, Ints
from placement.solve.exhaustive import exhaust
from placement.solve.layout import THOUSANDTHS, Layout, service_of
from placement.solve.replicas import FAR, expense, route, workspace
from placement.solve.rows import spread
from placement.solve.search import Yard, search


class Mapper(Protocol):
    """What fans work out over tasks: the built-in `map`, a thread pool's, or one over actors. Keeps the order."""

    def __call__(self, work: Callable[[Any], Any], tasks: Iterable[Any], /) -> Iterable[Any]:
        """Results in the order of the tasks."""
        ...


SLICES = 16
"""Parts that services are dealt into: more than cores, so that uneven parts even out."""


class Priced(NamedTuple):
    """Plans of some services."""

    n: Ints
    """(H,) replicas; 0 at the sites of other services"""
    usd: Floats
    """(S,) $/h at the prices asked for; 0 for other services"""
    exact: Floats
    """(S,) 1 where the plan is proven to be the cheapest"""


class Task(NamedTuple):
    """What to price out."""

    services: Ints
    n: Ints
    """replicas to start from, of these services' sites in order"""
    pool_usd: Floats
    nodes: int
    """of an exhaustive walk; 0 for a local search"""


def sites_of(layout: Layout, services: Ints) -> Ints:
    """Their sites in order."""
    which, within = spread(np.diff(layout.site0)[services])
    return layout.site0[services[which]] + within


def site_prices(layout: Layout, sites: Ints, pool_usd: Floats) -> Floats:
    """Layout.price at some sites only."""
    out: Floats = layout.usd[sites] + (layout.use[sites] * pool_usd[layout.pool[sites]]).sum(1) / THOUSANDTHS
    return out


def dealt(services: Ints) -> list[Ints]:
    """Services in slices of about the same work."""
    return [services[i::SLICES] for i in range(min(SLICES, len(services)))]


def price_out(layout: Layout, mapper: Mapper, services: Ints, n: Ints, pool_usd: Floats, nodes: int = 0) -> Priced:
    """Cheap plans of `services` at pool prices (P, R), started from n (H,)."""
    out = Priced(np.zeros(len(layout.usd), np.int64), np.zeros(layout.services), np.zeros(layout.services))
    tasks = [Task(part, n[sites_of(layout, part)], pool_usd, nodes) for part in dealt(services)]
    for task, (replicas, usd, exact) in zip(tasks, mapper(partial(price_slice, layout), tasks), strict=True):
        out.n[sites_of(layout, task.services)] = replicas
        out.usd[task.services] = usd
        out.exact[task.services] = exact
    return out


def price_slice(layout: Layout, task: Task) -> tuple[Ints, Floats, Floats]:
    """Replicas, $/h and 1 where exact, of the services of a task."""
    sites = sites_of(layout, task.services)
    price, n = np.zeros(len(layout.usd)), np.zeros(len(layout.usd), np.int64)
    usd, exact = np.zeros(layout.services), np.zeros(layout.services)
    price[sites], n[sites] = site_prices(layout, sites, task.pool_usd), task.n
    if task.nodes:
        _expenses(layout, price, task.services, n, usd)
        _exhaust_each(layout, price, task.services, task.nodes, n, usd, exact)
    else:
        _search_each(layout, price, task.services, n, nowhere(layout), usd)
    return n[sites], usd[task.services], exact[task.services]


def polish(layout: Layout, services: Ints, n: Ints, over: Floats | None = None) -> tuple[Ints, Floats]:
    """(n, (S,) $/h) after a local search of `services` in turn at real prices.

    `over` (P, R) is what a unit too much in a pool costs; unless it is told, more than anything is worth.
    """
    n, usd = n.copy(), expenses(layout, n)
    price = np.full(layout.capacity.shape, FAR) if over is None else over / THOUSANDTHS
    _search_each(layout, layout.usd, services, n, Yard(layout.capacity - layout.used(n), price), usd)
    return n, usd


def expenses(layout: Layout, n: Ints, price: Floats | None = None) -> Floats:
    """(S,) $/h of replicas n (H,), routed at their cheapest; real prices unless told otherwise."""
    usd = np.zeros(layout.services)
    _expenses(layout, layout.usd if price is None else price, np.arange(layout.services), n, usd)
    return usd


def nowhere(layout: Layout) -> Yard:
    """Pools that nobody asks about."""
    resources = layout.use.shape[1]
    return Yard(np.empty((0, resources), np.int64), np.empty((0, resources)))


def nearest_plans(layout: Layout) -> Ints:
    """(H,) replicas that carry every demand where it is cheapest: somewhere to start from."""
    n = layout.low.copy()
    _nearest(layout, n)
    return n


def flows(layout: Layout, n: Ints) -> Floats:
    """Load of every pair (demand, site) at replicas n, as Layout.cost is laid out."""
    out = np.zeros(len(layout.cost))
    _flows(layout, n, out)
    return out


@njit(cache=True, nogil=True)
def _search_each(layout: Layout, price: Floats, services: Ints, n: Ints, yard: Yard, usd: Floats) -> None:
    for s in services:
        usd[s] = search(service_of(layout, price, s), n[layout.site0[s] : layout.site0[s + 1]], yard)


@njit(cache=True, nogil=True)
def _exhaust_each(
    layout: Layout, price: Floats, services: Ints, nodes: int, n: Ints, usd: Floats, exact: Floats
) -> None:
    for s in services:
        part = n[layout.site0[s] : layout.site0[s + 1]]
        usd[s], left = exhaust(service_of(layout, price, s), part, usd[s], nodes)
        exact[s] = 1.0 if left > 0 else 0.0


@njit(cache=True, nogil=True)
def _expenses(layout: Layout, price: Floats, services: Ints, n: Ints, usd: Floats) -> None:
    for s in services:
        v = service_of(layout, price, s)
        w = workspace(len(v.rps), len(v.price), len(v.survive))
        usd[s] = expense(v, w, n[layout.site0[s] : layout.site0[s + 1]])


@njit(cache=True, nogil=True)
def _nearest(layout: Layout, n: Ints) -> None:
    for s in range(len(layout.site0) - 1):
        v = service_of(layout, layout.usd, s)
        load = np.zeros(len(v.price))
        for d in range(len(v.rps)):
            best, at = v.shed[d], -1
            for h in range(len(v.price)):
                if v.cost[d, h] + v.price[h] / v.lift[h] < best:
                    best, at = v.cost[d, h] + v.price[h] / v.lift[h], h
            if at >= 0:
                load[at] += v.rps[d]
        for h in range(len(v.price)):
            need = min(np.ceil(load[h] / v.lift[h]), 1e9)
            n[layout.site0[s] + h] = max(v.low[h], min(v.high[h], np.int64(need)))


@njit(cache=True, nogil=True)
def _flows(layout: Layout, n: Ints, out: Floats) -> None:
    for s in range(len(layout.site0) - 1):
        v = service_of(layout, layout.usd, s)
        w = workspace(len(v.rps), len(v.price), len(v.survive))
        k, _ = route(v, w, n[layout.site0[s] : layout.site0[s + 1]])
        for d in range(len(v.rps)):
            for j in range(k):
                out[layout.cost0[s] + d * len(v.price) + w.site[j]] = w.flow[d, j]
