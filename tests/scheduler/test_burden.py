from dataclasses import replace

import numpy as np

from placement.columns import floats
from scheduler.burden import burden_of
from scheduler.loop import tick
from tests.scheduler.ports import bench


async def test_burden_before_the_first_turn_is_unknown() -> None:
    assert burden_of(bench().state, 0.0) is None


async def test_burden_is_what_the_weights_in_force_ask_and_who_waits_for_what_is_full() -> None:
    lab = bench()
    lab.measure()
    state, turn = await tick(lab.state, lab.ports, lab.policy)

    calm = burden_of(state, turn.at_s)
    tight = replace(state.readings, capacity_rps=floats(np.where(np.arange(6) == 3, 1.0, 1e6)))
    crowded = burden_of(replace(state, readings=tight), turn.at_s)

    assert calm is not None
    assert crowded is not None
    assert calm.planned_rps.sum() > 400
    assert calm.waiting_ratio.tolist() == [0] * 6
    assert crowded.waiting_ratio[0] > 0.5
