"""The failover paths of a fleet: which flows a loss hits, what they carry, and which legs they would take instead."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints, bools, floats, ints
from placement.cost import loads
from placement.evacuation import shed_share
from placement.failover import FailoverTable, Row
from placement.fleet import Fleet
from placement.patch import applied
from placement.problem import Problem
from placement.routing import Routing
from scheduler.drill_plan import entering, heirs, hit_share, inner, with_heirs

TINY = 1e-4
KINDS = ("cluster", "region", "provider", "gateway", "tier")
"""Single losses; of pairs nobody asks for coverage."""
ROWS_MAX = 2_000
"""Above this many rows the tiers, of which there are as many as backends, are left to the failover table alone."""


@dataclass(frozen=True, slots=True)
class Paths:
    """(N,) every flow that a loss hits, by key."""

    flows: int
    """F of the fleet: key = loss x F + flow, losses numbered as they first came."""
    key: Ints
    weight: Floats
    """Requests/s at stake, times the priority of the service."""
    proved: Bools
    """Whether the failover table has room for all of it."""
    proved_at_s: Floats
    """When that was proved, on the clock of the loop."""
    leg_path: Ints
    """(M,) row of the path of each leg ..."""
    leg: Ints
    """... and the leg: flow x C + cluster, a way from an origin to a backend."""


def paths_of(problem: Problem, base: Routing, table: FailoverTable, losses: Mapping[str, int]) -> Paths:
    """All of them, for what stands; `losses` numbers every loss of the table."""
    fleet, flows = problem.fleet, len(problem.fleet.flows)
    demand = loads(problem, base).demand_rps
    worth = demand * fleet.services.priority[fleet.flows.service]
    refused = shed_share(base)
    few = len(table.rows) <= ROWS_MAX
    rows = [row for row in table.rows if row.loss.kind in KINDS and (few or row.loss.kind != "tier")]
    found = [
        _of_row(fleet, base, table, row, worth, refused) for row in sorted(rows, key=lambda r: losses[str(r.loss)])
    ]
    number = [losses[str(row.loss)] for row in sorted(rows, key=lambda r: losses[str(r.loss)])]
    first = np.concatenate([[0], np.cumsum([len(part[0]) for part in found])]).astype(np.int64)
    nothing: list[np.ndarray] = [np.zeros(0)]
    return Paths(
        flows=flows,
        key=ints(np.concatenate([*nothing, *(n * flows + part[0] for n, part in zip(number, found, strict=True))])),
        weight=floats(np.concatenate([*nothing, *(part[1] for part in found)])),
        proved=bools(np.concatenate([*nothing, *(part[2] for part in found)])),
        proved_at_s=floats(
            np.concatenate([*nothing, *(np.full(len(part[0]), part[3]) for part in found)])
        ),
        leg_path=ints(np.concatenate([*nothing, *(at + part[4] for at, part in zip(first, found, strict=False))])),
        leg=ints(np.concatenate([*nothing, *(part[5] for part in found)])),
    )  # fmt: skip


def _of_row(
    fleet: Fleet, base: Routing, table: FailoverTable, row: Row, worth: Floats, refused: Floats
) -> tuple[Ints, Floats, Bools, float, Ints, Ints]:
    """(flow, weight, proved, when, leg's path, leg) of one loss."""
    stake = np.maximum(hit_share(fleet, base, row.loss), entering(fleet, row.loss)) * ~inner(fleet, row.loss)
    flow = np.flatnonzero(stake > TINY)
    target = with_heirs(fleet, applied(table.standing, row.change), row.loss)
    proved = shed_share(target)[flow] <= refused[flow] + TINY
    mine = np.zeros(len(target), dtype=bool)
    mine[flow] = True
    entry = np.flatnonzero(mine[target.row] & (target.column != fleet.shed) & (target.share > TINY))
    comes_in = _heir_flow(fleet, row)[target.row[entry]]
    leg = comes_in * len(fleet.clusters) + target.column[entry]
    return flow, worth[flow] * stake[flow], proved, row.made_at_s, np.searchsorted(flow, target.row[entry]), leg


def _heir_flow(fleet: Fleet, row: Row) -> Ints:
    """(F,) the flow as which the requests of each flow come in after a loss."""
    origins = len(fleet.origins)
    keys = fleet.flows.service * origins + fleet.flows.origin
    wanted = fleet.flows.service * origins + heirs(fleet, row.loss.clusters)[fleet.flows.origin]
    found = np.searchsorted(keys, wanted)
    found = np.minimum(found, len(keys) - 1)
    return np.where(keys[found] == wanted, found, np.arange(len(keys)))


def proved_at_s(paths: Paths) -> tuple[Ints, Floats]:
    """(keys, when) of the paths that the failover table has room for."""
    return paths.key[paths.proved], paths.proved_at_s[paths.proved]


def probed_at_s(paths: Paths, leg_at_s: Floats) -> Floats:
    """(N,) since when every leg of each path is known to be good, from (M,) the same of its legs; inf without legs."""
    when = np.full(len(paths.key), np.inf)
    np.minimum.at(when, paths.leg_path, leg_at_s)
    return when


def of_loss(paths: Paths, loss: int) -> Bools:
    """(N,) the paths of one loss."""
    return np.asarray(paths.key // max(paths.flows, 1) == loss, dtype=np.bool_)
