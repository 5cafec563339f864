"""An operator's states: DRAINING and FROZEN."""

import pytest

from health.hold import hold, release
from health.states import State
from health.verdict import all_up, usable, warmth
from placement.columns import ints
from tests.health.story import FOUR_CLUSTERS, RULES, Story


def test_draining_backend_gets_nothing_new_and_still_goes_out_when_it_dies() -> None:
    story = Story()
    story.verdicts = hold(story.verdicts, ints([1]), State.DRAINING, story.at_s)
    story.rounds(1, dead=set())
    assert usable(story.verdicts)[1]
    assert warmth(story.verdicts, FOUR_CLUSTERS, story.at_s, RULES)[1] == 0

    story.fall(1)
    story.until_back(1)

    assert story.state(1) == State.DRAINING
    story.verdicts = release(story.verdicts, ints([1]), story.at_s)
    assert story.state(1) == State.RAMP


def test_draining_set_on_a_dead_backend_does_not_revive_it() -> None:
    story = Story().fall(1)

    story.verdicts = hold(story.verdicts, ints([1]), State.DRAINING, story.at_s)

    assert story.state(1) == State.DOWN
    story.until_back(1)
    assert story.state(1) == State.DRAINING


def test_frozen_backend_stays_in_service_whatever_the_probes_say() -> None:
    story = Story().fall(1)
    story.verdicts = hold(story.verdicts, ints([1]), State.FROZEN, story.at_s)

    story.rounds(10, dead={1})
    assert usable(story.verdicts)[1]
    assert warmth(story.verdicts, FOUR_CLUSTERS, story.at_s, RULES)[1] == 1

    story.verdicts = release(story.verdicts, ints([1]), story.at_s)
    assert story.judge().state(1) == State.DOWN


def test_hold_with_a_state_of_the_probes_is_refused() -> None:
    with pytest.raises(ValueError, match="DOWN is for the probes to say"):
        hold(all_up(1, 0.0), ints([0]), State.DOWN, 0.0)
