"""Rows that hold for whole replicas and not for fractions: what strengthens the program of a small service.

    link     y_x <= demand_g n_h                                              where one replica carries the demand
    cover    sum_h a_h n_h + s / (unit f) >= ceil(b)                          mixed-integer rounding, per replica size

of total demand (b = demand / (u unit), s = refused) and of every loss (b = survive / unit over the sites that stay, s =
short); f = frac(b), a_h = floor(mu_h / unit) + min(1, frac(mu_h / unit) / f).
"""

import numpy as np

from placement.columns import Bools, Floats
from placement.solve.layout import Layout
from placement.solve.rows import Columns, Rows, spread

COVERED = 60.0
"""Replicas above which rounding up says little and a service gets no covers of its losses."""


def links(layout: Layout, c: Columns, rows: Rows) -> None:
    """A route needs a replica: where one replica carries the whole demand."""
    y0, n0 = c.starts()[:2]
    rps = layout.rps[c.demand][c.route_demand]
    x = np.flatnonzero(rps < layout.lift[c.site[c.route_site]])
    i = np.arange(len(x))
    rows.group(
        c.site_owner[c.route_site[x]],
        np.full(len(x), -np.inf),
        np.zeros(len(x)),
        (i, y0 + x, np.ones(len(x))),
        (i, n0 + c.route_site[x], -rps[x]),
    )


def covers(layout: Layout, c: Columns, rows: Rows, count: int) -> None:
    """One rounding per different size of replica, of total demand and of the losses of services that are not large."""
    _, n0, u0, v0, *_ = c.starts()
    raw, lift = layout.raw[c.site], layout.lift[c.site]
    pair = np.unique(np.stack([c.site_owner, raw]), axis=1)
    owner, unit = pair[0].astype(np.int64), pair[1]
    site_first, demand_first, loss_first = (
        np.searchsorted(x, np.arange(count + 1)) for x in (c.site_owner, c.demand_owner, c.loss_owner)
    )
    part = (lift / raw)[site_first[owner]]
    total = np.bincount(c.demand_owner, layout.rps[c.demand], count)
    b = total[owner] / (part * unit)
    use = _rounds(b)
    o, un, b, part = owner[use], unit[use], b[use], part[use]
    row, within = spread(site_first[o + 1] - site_first[o])
    at = site_first[o[row]] + within
    refused, which = spread(demand_first[o + 1] - demand_first[o])
    fraction = b - np.floor(b)
    rows.group(
        o,
        np.ceil(b),
        np.full(len(o), np.inf),
        (row, n0 + at, _rounded(raw[at] / un[row], fraction[row])),
        (refused, u0 + demand_first[o[refused]] + which, (1 / (fraction * part * un))[refused]),
    )
    pairs, loss = spread((loss_first[owner + 1] - loss_first[owner]) * (total[owner] / unit <= COVERED))
    loss = loss_first[owner[pairs]] + loss
    b = layout.survive[c.loss[loss]] / unit[pairs]
    use = _rounds(b)
    o, un, b, loss = owner[pairs][use], unit[pairs][use], b[use], loss[use]
    row, within = spread(site_first[o + 1] - site_first[o])
    at = site_first[o[row]] + within
    local = (loss - loss_first[o])[row]
    stays = (layout.gone[c.site[at]] != local[:, None]).all(axis=1)
    row, at, fraction = row[stays], at[stays], b - np.floor(b)
    rows.group(
        o,
        np.ceil(b),
        np.full(len(o), np.inf),
        (row, n0 + at, _rounded(raw[at] / un[row], fraction[row])),
        (np.arange(len(o)), v0 + loss, 1 / (fraction * un)),
    )


def _rounds(b: Floats) -> Bools:
    """Where rounding b up gains something, and dividing by its fraction is sound."""
    fraction = b - np.floor(b)
    wide: Bools = (fraction > 1e-4) & (fraction < 1 - 1e-9)
    return wide


def _rounded(a: Floats, fraction: Floats) -> Floats:
    whole = np.floor(a + 1e-12)
    return whole + np.minimum(1.0, np.maximum(0.0, a - whole) / fraction)
