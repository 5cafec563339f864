"""What waits for whom, down the call graph."""

import numpy as np
import pytest

from placement.baseline import nearest
from placement.chains import waiting_ratio
from placement.columns import bools
from placement.routing import from_dense
from simulator.trio import trio

FRONT, BACK = slice(0, 3), slice(3, 6)


def full(*rows: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return bools(np.isin(np.arange(6), rows))


def test_waiting_ratio_is_of_the_callers_whose_calls_are_sent_to_what_is_full() -> None:
    fleet = trio()

    waits = waiting_ratio(fleet, nearest(fleet), full(4))

    assert waits.tolist() == [0, 1, 0, 0, 0, 0]
    assert waiting_ratio(fleet, nearest(fleet), full(0)).tolist() == [0] * 6


def test_waiting_ratio_of_a_caller_is_the_part_of_its_calls_that_wait() -> None:
    fleet = trio()
    shares = nearest(fleet).dense()
    flow = next(f for f in range(len(fleet.flows)) if fleet.flow_name(f) == "back@ams")
    shares[flow] = [0.7, 0.3, 0.0, 0.0]

    waits = waiting_ratio(fleet, from_dense(shares), full(4))

    assert waits[FRONT] == pytest.approx([0.3, 1.0, 0.0])
