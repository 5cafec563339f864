from pathlib import Path

import numpy as np

from scheduler.translate import loop_configuration
from simulator.fuzz.seen import kept_waiting
from simulator.play import set_up
from simulator.stage import Stage
from tests.simulator.written import loaded


def full(folder: Path, deaf: str = "") -> Stage:
    """The world of a shop that calls its stock, whose stock in cluster `one` has a queue."""
    scenario = loaded(folder)
    stage = set_up(scenario, loop_configuration(scenario.configuration), 0)
    fleet = stage.world.fleet
    names = [fleet.backend_name(b) for b in range(len(fleet.backends))]
    stage.world.backlog[:-1] = np.where(np.array(names) == "stock/one", 40.0, 0.0)
    stage.truth.heard[:-1] = [cluster != deaf for cluster in fleet.clusters.ids]
    return stage


def test_queue_that_every_mesh_tells_of_excuses_nobody(tmp_path: Path) -> None:
    assert not kept_waiting(full(tmp_path)).any()


def test_queue_while_a_mesh_is_not_heard_keeps_its_callers_waiting_too(tmp_path: Path) -> None:
    stage = full(tmp_path, deaf="two")

    waits = {stage.world.fleet.backend_name(b) for b in np.flatnonzero(kept_waiting(stage)).tolist()}

    assert "stock/one" in waits
    assert "shop/one" in waits
    assert "stock/two" not in waits
