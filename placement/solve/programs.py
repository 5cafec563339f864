"""Services as mixed-integer programs of their own: rows of placement.assignment without the pools, services apart.

Rows and columns are numbered service by service, so that one program is a slice of the arrays.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from placement.columns import Floats, Ints
from placement.solve.covers import covers, links
from placement.solve.layout import ROUNDING, Layout
from placement.solve.rows import Columns, Rows, columns_of


class Programs(NamedTuple):
    """Programs of some services in one block-diagonal matrix."""

    cost: Floats
    """(V,) with replicas at 0: they are priced when a program is taken"""
    matrix: csr_matrix
    row_lower: Floats
    row_upper: Floats
    upper: Floats
    lower: Floats
    column0: Ints
    """(len(services) + 1,)"""
    row0: Ints
    site_column: Ints
    """(H',) of the sites of these services, in their order"""
    site: Ints
    """(H',) which sites of the layout"""


def programs(layout: Layout, services: Ints, strong: bool) -> Programs:
    """Programs of `services`; with links and covers if `strong`."""
    c = columns_of(layout, services)
    y0, n0, u0, v0, t0, m0, width = c.starts()
    rows = Rows()
    _plain(layout, c, rows)
    if strong:
        links(layout, c, rows)
        covers(layout, c, rows, len(services))
    owner = np.concatenate(
        [
            c.demand_owner[c.route_demand],
            c.site_owner,
            c.demand_owner,
            c.loss_owner,
            c.guarded,
            c.site_owner[c.started],
        ]
    )
    cost, lower, upper = np.zeros(width), np.zeros(width), np.full(width, np.inf)
    cost[y0:n0], cost[u0:v0], cost[v0:t0] = c.route_cost, layout.shed[c.demand], layout.short[c.loss]
    cost[m0:] = layout.migration[c.site[c.started]]
    lower[n0:u0], upper[n0:u0] = layout.low[c.site], _most(layout, c, len(services))
    return _by_service(rows, owner, (cost, lower, upper), len(services), (n0 + np.arange(len(c.site)), c.site))


def _most(layout: Layout, c: Columns, count: int) -> Floats:
    """Replicas of a site beyond which nothing is gained: it carries all demand and outlives every loss elsewhere."""
    total = np.bincount(c.demand_owner, layout.rps[c.demand], count)[c.site_owner]
    survive = np.zeros(count)
    np.maximum.at(survive, c.loss_owner, layout.survive[c.loss])
    enough = np.maximum(total / layout.lift[c.site], survive[c.site_owner] / layout.raw[c.site])
    most: Floats = np.clip(np.ceil(enough + ROUNDING), layout.low[c.site], layout.high[c.site])
    return most


def _by_service(
    rows: Rows, owner: Ints, columns: tuple[Floats, Floats, Floats], count: int, sites: tuple[Ints, Ints]
) -> Programs:
    column_order = np.argsort(owner, kind="stable")
    row_owner = np.concatenate(rows.owner)
    row_order = np.argsort(row_owner, kind="stable")
    new_column, new_row = np.empty(len(owner), np.int64), np.empty(rows.count, np.int64)
    new_column[column_order], new_row[row_order] = np.arange(len(owner)), np.arange(rows.count)
    row, column, value = (np.concatenate(part) for part in zip(*rows.triplets, strict=True))
    matrix = csr_matrix((value, (new_row[row], new_column[column])), shape=(rows.count, len(owner)))
    every = np.arange(count + 1)
    return Programs(
        columns[0][column_order],
        matrix,
        np.concatenate(rows.lower)[row_order],
        np.concatenate(rows.upper)[row_order],
        columns[2][column_order],
        columns[1][column_order],
        np.searchsorted(owner[column_order], every),
        np.searchsorted(row_owner[row_order], every),
        new_column[sites[0]],
        sites[1],
    )


def _plain(layout: Layout, c: Columns, rows: Rows) -> None:
    """Demand, serve, total, loss and migration."""
    y0, n0, u0, v0, t0, m0, _ = c.starts()
    routes, sites, demands, losses = (np.arange(len(x)) for x in (c.route_site, c.site, c.demand, c.loss))
    one = np.ones
    rps = layout.rps[c.demand]
    rows.group(
        c.demand_owner,
        rps,
        rps,
        (c.route_demand, y0 + routes, one(len(routes))),
        (demands, u0 + demands, one(len(demands))),
    )
    rows.group(
        c.site_owner,
        np.full(len(sites), -np.inf),
        np.zeros(len(sites)),
        (c.route_site, y0 + routes, one(len(routes))),
        (sites, n0 + sites, -layout.lift[c.site]),
    )
    total = np.full(int(c.site_owner.max(initial=0)) + 1, -1)
    total[c.guarded] = np.arange(len(c.guarded))
    inside = total[c.site_owner] >= 0
    rows.group(
        c.guarded,
        np.zeros(len(c.guarded)),
        np.zeros(len(c.guarded)),
        (total[c.site_owner[inside]], n0 + sites[inside], layout.raw[c.site[inside]]),
        (np.arange(len(c.guarded)), t0 + np.arange(len(c.guarded)), -one(len(c.guarded))),
    )
    first = np.searchsorted(c.loss_owner, c.site_owner)
    lost = []
    for i in range(2):
        hit = np.flatnonzero(layout.gone[c.site, i] >= 0)
        lost.append((first[hit] + layout.gone[c.site[hit], i], n0 + hit, -layout.raw[c.site[hit]]))
    rows.group(
        c.loss_owner,
        layout.survive[c.loss],
        np.full(len(losses), np.inf),
        (losses, t0 + total[c.loss_owner], one(len(losses))),
        (losses, v0 + losses, one(len(losses))),
        *lost,
    )
    started = np.arange(len(c.started))
    rows.group(
        c.site_owner[c.started],
        np.full(len(started), -np.inf),
        layout.standing[c.site[c.started]].astype(np.float64),
        (started, n0 + c.started, one(len(started))),
        (started, m0 + started, -one(len(started))),
    )
