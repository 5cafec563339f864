"""Failover tables of a large fleet, refreshed in a process of their own; those of a small one where they are asked for.

The fleet and the last table stay there. What travels is a snapshot and a routing one way, and the rows that are new the
other way.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from placement.columns import Bools
from placement.failover import FailoverTable, Row, table_of
from placement.fleet import Fleet
from placement.problem import Prices
from placement.readings import Snapshot
from placement.routing import Routing
from placement.solve.failover import TableOrder, refreshed
from placement.solve.linear import Unsolved
from scheduler.apart import Apart, Gone

APART_FROM_FLOWS = 5_000
"""Smaller fleets are refreshed in well under a second, and another process would cost them memory for nothing."""
ANSWER_MAX_S = 300.0
"""The first refresh of a thousand clusters takes ten seconds of a processor; on a busy machine a minute."""
WORK_RATIO = 2.0
"""A process of its own may work so much longer on a refresh: nobody waits for it."""
PIECE_ROWS = 100
"""Read at once: rows are small arrays, and nobody else works while some are read."""


@dataclass(slots=True)
class Tabulation:
    """`placement.solve.failover.refreshed`, wherever that is best done. Asked by one thread at a time."""

    lost: Callable[[str], None] = lambda _: None
    """Told of each process that is gone."""
    apart_from_flows: int = APART_FROM_FLOWS
    apart: Apart | None = None
    told: FailoverTable | None = None
    """What the process has."""
    fleet: Fleet | None = None

    def refreshed(self, order: TableOrder) -> FailoverTable:
        """The table for a plan, as far as the work goes. Raises Unsolved where the process is gone."""
        if len(order.fleet.flows) < self.apart_from_flows:
            return refreshed(order)
        apart = self.apart = self.apart or Apart("scheduler.tabulation:Elsewhere", ANSWER_MAX_S, self.lost)
        try:
            return self._asked(apart, order)
        except Gone as gone:
            self.told = self.fleet = None
            raise Unsolved(str(gone)) from None

    def close(self) -> None:
        """End the process."""
        if self.apart is not None:
            self.apart.close()

    def _asked(self, apart: Apart, order: TableOrder) -> FailoverTable:
        last = order.last
        if self.fleet is not order.fleet:
            apart.ask("fleet", replace(order.fleet))  # without what was worked out of it here
            self.fleet, self.told = order.fleet, None
        if last is not self.told:
            apart.ask("last", last)
        work = order.work * (1.0 if last is None else WORK_RATIO)  # the first rows are wanted soon
        pieces, ranked_at_s = apart.ask(
            "refresh", order.snapshot, order.routing, order.prices, order.near, order.trust, work
        )
        known: list[Row | int] = []
        for piece in range(pieces):
            known += apart.ask("rows", piece)
        rows = _merged(known, last)
        snapshot, priorities = order.snapshot, np.unique(order.fleet.services.priority)
        made = table_of(rows, order.routing, snapshot.usable, priorities, snapshot.at_s, snapshot.cut)
        self.told = replace(made, ranked_at_s=ranked_at_s)
        return self.told


def _merged(sent: list[Row | int], last: FailoverTable | None) -> Iterator[Row]:
    """Rows in their order, those that did not change from where they were in the last table."""
    for row in sent:
        if isinstance(row, int):
            assert last is not None, "a row that stands was there before"
            yield last.rows[row]
        else:
            yield row


class Elsewhere:
    """The other end."""

    def __init__(self) -> None:
        self.fleet: Fleet | None = None
        self.last: FailoverTable | None = None
        self.news: list[Row | int] = []

    def __call__(self, verb: str, *words: object) -> object:
        """What is asked."""
        return getattr(self, f"_{verb}")(*words)

    def _fleet(self, fleet: Fleet) -> None:
        self.fleet, self.last = fleet, None

    def _last(self, table: FailoverTable | None) -> None:
        self.last = table

    def _refresh(
        self, snapshot: Snapshot, routing: Routing, prices: Prices, near: Bools | None, trust: float, work: float
    ) -> tuple[int, float]:
        assert self.fleet is not None, "a fleet comes first"
        stood = {id(row): at for at, row in enumerate(self.last.rows)} if self.last is not None else {}
        made = refreshed(TableOrder(self.fleet, snapshot, routing, prices, self.last, near, trust, work))
        self.news = [stood.get(id(row), row) for row in made.rows]
        self.last = made
        return -(-len(self.news) // PIECE_ROWS), made.ranked_at_s

    def _rows(self, piece: int) -> list[Row | int]:
        return self.news[piece * PIECE_ROWS : (piece + 1) * PIECE_ROWS]
