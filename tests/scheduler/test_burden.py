from dataclasses import replace

import numpy as np

from health.passive import no_clients
from placement.columns import floats
from scheduler.burden import burden_of
from scheduler.loop import tick
from tests.scheduler.ports import bench


async def test_burden_before_the_first_turn_is_unknown() -> None:
    assert burden_of(bench().state, no_clients(6), 0.0) is None


async def test_burden_is_what_the_weights_in_force_ask_and_who_waits_for_what_is_full() -> None:
    lab = bench()
    lab.measure()
    state, turn = await tick(lab.state, lab.ports, lab.policy)

    calm = burden_of(state, no_clients(6), turn.at_s)
    tight = replace(state.readings, capacity_rps=floats(np.where(np.arange(6) == 3, 1.0, 1e6)))
    crowded = burden_of(replace(state, readings=tight), no_clients(6), turn.at_s)

    assert calm is not None
    assert crowded is not None
    assert calm.planned_rps.sum() > 400
    assert calm.waiting_ratio.tolist() == [0] * 6
    assert crowded.waiting_ratio[0] > 0.5


async def test_burden_when_clients_tell_of_more_than_was_planned_is_full_by_what_they_tell() -> None:
    """Demand that came since the last turn fills what is called before anybody has planned with it."""
    lab = bench()
    lab.measure()
    state, turn = await tick(lab.state, lab.ports, lab.policy)
    room = replace(state, readings=replace(state.readings, capacity_rps=floats(np.full(6, 1e6))))
    told = replace(
        no_clients(6),
        answered=floats(np.where(np.arange(6) == 3, 4e6, 0.0)),
        heard_at_s=floats(np.full(6, turn.at_s)),
        counted_s=floats(np.full(6, 2.0)),
    )

    now, later = burden_of(room, told, turn.at_s), burden_of(room, told, turn.at_s + 60)

    assert now is not None
    assert later is not None
    assert now.waiting_ratio[0] > 0.5
    assert later.waiting_ratio.tolist() == [0] * 6, "what was told a minute ago says nothing of now"
