"""Failover tables from a process of their own are those of this one."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleets import synthetic
from placement.columns import floats
from placement.failover import FailoverTable
from placement.problem import Prices
from placement.solve.failover import TableOrder, refreshed
from placement.solve.linear import Unsolved
from scheduler.tabulation import Tabulation
from tests.placement.fleets import snapshot_of


def order() -> TableOrder:
    fleet, readings = synthetic(3, 4, 1)
    snapshot = snapshot_of(fleet, readings)
    return TableOrder(fleet, snapshot, snapshot.routing, Prices())


def later(asked: TableOrder, last: FailoverTable, factor: float = 1.0) -> TableOrder:
    """A refresh a minute later, of so much more demand."""
    snapshot, at_s = asked.snapshot, asked.snapshot.at_s + 60.0
    readings = replace(snapshot.readings, at_s=at_s, demand_rps=floats(snapshot.readings.demand_rps * factor))
    return replace(asked, snapshot=replace(snapshot, at_s=at_s, readings=readings), last=last)


def same(one: FailoverTable, other: FailoverTable) -> bool:
    """Whether two tables say the same of every loss."""
    pairs = list(zip(one.rows, other.rows, strict=True))
    assert len(pairs) > 10
    return (one.ranked_at_s, one.by_backends) == (other.ranked_at_s, other.by_backends) and all(
        (str(a.loss), a.solved, a.shed_by_priority, a.made_at_s)
        == (str(b.loss), b.solved, b.shed_by_priority, b.made_at_s)
        and np.array_equal(a.change.share, b.change.share)
        for a, b in pairs
    )


def test_tables_from_a_process_of_their_own_are_the_same_refresh_after_refresh_and_after_it_died() -> None:
    lost: list[str] = []
    asked, apart = order(), Tabulation(lost.append, apart_from_flows=0)
    try:
        here, there = refreshed(asked), apart.refreshed(asked)
        assert same(here, there)
        for factor in (1.0, 1.1):
            here, there = refreshed(later(asked, here, factor)), apart.refreshed(later(asked, there, factor))
            assert same(here, there), f"demand times {factor}"
        assert apart.apart is not None
        assert apart.apart.begun == 1

        os.kill(apart.apart.pid or 0, signal.SIGKILL)
        with pytest.raises(Unsolved):
            apart.refreshed(later(asked, there, 1.2))
        assert same(refreshed(later(asked, here, 1.2)), apart.refreshed(later(asked, there, 1.2)))
        assert len(lost) == 1
    finally:
        apart.close()


def test_tables_of_a_small_fleet_are_made_where_they_are_asked_for() -> None:
    apart = Tabulation()

    assert apart.refreshed(order()).rows
    assert apart.apart is None
