from pathlib import Path

import pytest

from scheduler.jobs import Question
from simulator.apart import simulator
from tests.scheduler.api.front import WORLD


async def test_child_that_dies_without_an_answer_says_of_what(tmp_path: Path) -> None:
    scenario = tmp_path / "small.yaml"
    scenario.write_text(WORLD, encoding="utf-8")
    played = simulator((), scenario, ledger="no address of a database").play

    with pytest.raises(RuntimeError, match=r"without an answer, with code 1: .*Could not parse SQLAlchemy URL"):
        await played(Question((), 1.0, ("equipoise",)), lambda _: None)
