from pathlib import Path

import pytest
from pydantic import ValidationError

from config.drills import Drills
from config.load import load
from health.drill_harm import Envelope
from scheduler.drill_calendar import DrillPolicy
from scheduler.drill_policy import drill_policy

EXAMPLE = Path(__file__).parents[2] / "config" / "example"


def test_drills_when_nothing_is_said_are_as_the_code_has_them_and_move_nothing_by_themselves() -> None:
    assert drill_policy(Drills()) == DrillPolicy(envelope=Envelope())
    assert not drill_policy(Drills()).automatic


def test_blocked_window_of_the_example_is_read_as_minutes_of_a_friday() -> None:
    (window,) = drill_policy(load(EXAMPLE).policy.drills).blocked

    assert (window.days, window.from_minute, window.until_minute) == (frozenset({4}), 960, 1439)


@pytest.mark.parametrize(
    "bad",
    [
        {"leaseSeconds": 61},
        {"limits": {"utilizationMax": 0.5}},
        {"blocked": [{"fromUtc": "24:00", "untilUtc": "1:00"}]},
        {"losses": ["planet"]},
    ],
)
def test_drills_that_contradict_themselves_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Drills.model_validate(bad)
