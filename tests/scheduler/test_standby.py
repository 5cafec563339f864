"""Plans for losses get ready beside everything else, and the latest request wins."""

import os
import threading
from collections.abc import Iterator

import numpy as np

from benchmarks.instances import synthetic
from placement.solve.ascent import ascend
from placement.solve.prices import PriceModel
from placement.solve.sharded import InProcess, partition
from placement.solve.standby import Foreseen, Understudy, prepare
from scheduler.standby import NICE, Standby

PROBLEM = synthetic(40, 8)


def understudy() -> Understudy:
    """Who plays losses."""
    layout = partition(PROBLEM, 1)
    return Understudy(layout, InProcess(layout.parts(PROBLEM)), PROBLEM)


def test_prepare_when_done_holds_what_a_climb_in_the_foreground_finds() -> None:
    _, base, _ = ascend(PriceModel(PROBLEM))
    standby = Standby()

    assert standby.prepare(understudy(), PROBLEM, base, [0, 2]).result() == 2

    for domain, ready in prepare(understudy(), PROBLEM, base, [0, 2], Foreseen({})):
        np.testing.assert_array_equal(standby.ready.by_domain[domain].prices.pool, ready.prices.pool)
        np.testing.assert_array_equal(standby.ready.by_domain[domain].replicas.dense(), ready.replicas.dense())


def test_prepare_runs_at_low_priority_and_leaves_this_thread_alone() -> None:
    niceness = list[int]()

    def domains() -> Iterator[int]:
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        yield 0

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    Standby().prepare(understudy(), PROBLEM, PriceModel(PROBLEM).zero(), domains()).result()

    assert niceness == [max(before, NICE)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_prepare_when_asked_again_leaves_the_older_request() -> None:
    standby, begun, asked = Standby(), threading.Event(), threading.Event()

    def domains() -> Iterator[int]:
        begun.set()
        asked.wait(60)
        yield from range(100)

    old = standby.prepare(understudy(), PROBLEM, PriceModel(PROBLEM).zero(), domains())
    begun.wait(60)
    new = standby.prepare(understudy(), PROBLEM, PriceModel(PROBLEM).zero(), [3])
    asked.set()

    assert new.result() == 1
    assert old.result() <= 1
    assert 3 in standby.ready.by_domain


def test_close_leaves_what_was_begun() -> None:
    standby, begun, asked = Standby(), threading.Event(), threading.Event()

    def domains() -> Iterator[int]:
        begun.set()
        asked.wait(60)
        yield from range(10_000)

    work = standby.prepare(understudy(), PROBLEM, PriceModel(PROBLEM).zero(), domains())
    begun.wait(60)
    threading.Thread(target=asked.set).start()
    standby.close()

    assert work.result() < 10_000
