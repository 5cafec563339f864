"""The way back: DOWN, PROBATION, RAMP, and what a fall costs."""

from dataclasses import replace

import numpy as np
import pytest

from health.states import State
from health.verdict import warmth
from tests.health.story import FOUR_CLUSTERS, RULES, Story


def test_return_takes_rise_successes_and_the_hold_down_then_ramps() -> None:
    story = Story().fall(1)

    out_s = story.rounds(1, dead=set()).until_back(1)

    assert out_s == pytest.approx(5.0)
    assert story.state(1) == State.RAMP
    given = [warmth(story.verdicts, FOUR_CLUSTERS, story.at_s + late_s, RULES)[1] for late_s in (0, 13, 25, 37, 49)]
    assert given == [0.01, 0.05, 0.1, 0.25, 0.5]
    assert story.wait(60).rounds(1, dead=set()).state(1) == State.UP
    assert warmth(story.verdicts, FOUR_CLUSTERS, story.at_s, RULES)[1] == 1


def test_ramp_of_a_service_with_one_of_its_own_takes_that_long() -> None:
    rules = replace(RULES, service_ramp_s=(600.0,))
    story = Story(rules=rules).fall(1)
    story.until_back(1)

    assert story.wait(61).rounds(1, dead=set()).state(1) == State.RAMP
    assert warmth(story.verdicts, FOUR_CLUSTERS, story.at_s, rules)[1] == 0.01
    assert story.wait(540).rounds(1, dead=set()).state(1) == State.UP


def test_chronic_flapper_is_kept_out_beyond_its_hold_down() -> None:
    story = Story(rules=replace(RULES, hold_down_s=1.0, hold_down_max_s=1.0))
    out_s = []
    for _ in range(4):
        story.fall(1)
        out_s.append(story.until_back(1))

    assert out_s[:2] == [1.0, 1.0]
    assert out_s[2] == pytest.approx(300 * np.log2(3 / 0.75), rel=0.02)


def test_return_with_a_miss_between_starts_the_count_again() -> None:
    story = Story().fall(1).wait(10).rounds(3, dead=set())
    assert story.state(1) == State.PROBATION

    story.rounds(1, dead={1})
    assert story.state(1) == State.DOWN
    story.rounds(3, dead=set())

    assert story.state(1) == State.PROBATION
    assert story.rounds(1, dead=set()).state(1) == State.RAMP


def test_hold_down_of_a_flapping_backend_doubles_to_its_limit() -> None:
    story, held_s = Story(), []

    for _ in range(8):
        story.fall(1)
        held_s.append(story.verdicts.hold_down_s[1])
        story.until_back(1)

    assert held_s == [5, 10, 20, 40, 80, 160, 300, 300]


def test_hold_down_after_a_quiet_time_is_forgotten() -> None:
    story = Story().fall(1)
    story.until_back(1)
    story.fall(1)
    story.until_back(1)

    story.wait(601).rounds(1, dead=set()).fall(1)

    assert story.verdicts.hold_down_s[1] == 5


def test_fall_while_ramping_is_not_damped() -> None:
    story = Story().fall(1)
    story.until_back(1)

    story.rounds(3, dead={1})

    assert story.state(1) == State.DOWN
