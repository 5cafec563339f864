"""Columns and rows of the programs of single services, before they are put together.

Columns: y rps per route, n replicas per site, u refused per demand, v short per loss, T raw rps of a service that has
losses, m replicas started per site that charges for it.
"""

from typing import NamedTuple

import numpy as np

from placement.columns import Floats, Ints
from placement.solve.layout import Layout
from placement.solve.replicas import FAR


def spread(counts: Ints) -> tuple[Ints, Ints]:
    """(which, within) of every member when group i has counts[i] members."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)


class Rows:
    """Triplets of a matrix that grows by groups of rows."""

    def __init__(self) -> None:
        self.triplets: list[tuple[Ints, Ints, Floats]] = []
        self.lower: list[Floats] = []
        self.upper: list[Floats] = []
        self.owner: list[Ints] = []
        self.count = 0

    def group(self, owner: Ints, lower: Floats, upper: Floats, *terms: tuple[Ints, Ints, Floats]) -> None:
        """Rows of the services `owner`; terms are (row in the group, column, coefficient)."""
        for row, column, value in terms:
            self.triplets.append((row + self.count, column, value))
        self.lower.append(lower)
        self.upper.append(upper)
        self.owner.append(owner)
        self.count += len(owner)


class Columns(NamedTuple):
    """What the columns stand for, before they are renumbered by service; all owners are places in `services`."""

    site: Ints
    site_owner: Ints
    demand: Ints
    demand_owner: Ints
    loss: Ints
    loss_owner: Ints
    route_site: Ints
    """places in `site`"""
    route_demand: Ints
    """places in `demand`"""
    route_cost: Floats
    guarded: Ints
    """owners that have losses"""
    started: Ints
    """places in `site` that charge for a start"""

    def starts(self) -> list[int]:
        """First column of y, n, u, v, T, m, and how many there are."""
        sizes = [len(x) for x in (self.route_site, self.site, self.demand, self.loss, self.guarded, self.started)]
        return [sum(sizes[:i]) for i in range(len(sizes) + 1)]


def columns_of(layout: Layout, services: Ints) -> Columns:
    """What the columns of `services` stand for."""

    def members(edge: Ints) -> tuple[Ints, Ints, Ints]:
        counts = edge[services + 1] - edge[services]
        owner, within = spread(counts)
        return edge[services[owner]] + within, owner, np.cumsum(counts) - counts

    site, site_owner, site_first = members(layout.site0)
    demand, demand_owner, _ = members(layout.demand0)
    loss, loss_owner, _ = members(layout.loss0)
    width = np.diff(layout.site0)[services][demand_owner]
    route_demand, within = spread(width)
    owner = demand_owner[route_demand]
    s = services[owner]
    at = layout.cost0[s] + (demand[route_demand] - layout.demand0[s]) * np.diff(layout.site0)[s] + within
    offered = layout.cost[at] < FAR
    return Columns(
        site,
        site_owner,
        demand,
        demand_owner,
        loss,
        loss_owner,
        (site_first[owner] + within)[offered],
        route_demand[offered],
        layout.cost[at][offered],
        np.unique(loss_owner),
        np.flatnonzero(layout.migration[site] > 0),
    )
