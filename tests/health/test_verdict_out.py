"""The way out of service: UP, SUSPECT, DOWN."""

import pytest

from health.rules import Rules
from health.states import State
from health.verdict import changed, usable
from tests.health.story import Story


def test_judge_of_targets_never_probed_says_up() -> None:
    story = Story().judge()

    assert usable(story.verdicts).all()
    assert {story.state(row) for row in range(4)} == {State.UP}


def test_judge_after_fall_failures_takes_out_and_not_before() -> None:
    story = Story().rounds(2, dead={1})
    assert story.state(1) == State.SUSPECT
    before = story.verdicts

    story.rounds(1, dead={1})

    assert story.state(1) == State.DOWN
    assert changed(before, story.verdicts)
    assert usable(story.verdicts).tolist() == [True, False, True, True]


def test_judge_after_a_single_miss_clears_the_suspicion() -> None:
    story = Story().rounds(1, dead={1}).rounds(1, dead=set())

    assert story.state(1) == State.UP


def test_judge_with_fewer_vantages_than_the_quorum_condemning_keeps_it_in() -> None:
    rules = Rules(fall=3, rise=4, quorum=2)
    story = Story(rules=rules, vantages=3).rounds(20, dead=set(), blind={0: {1}})

    assert story.state(1) == State.SUSPECT


def test_judge_while_another_vantage_gets_answers_takes_out_after_the_disputed_fall() -> None:
    story = Story(rules=Rules(fall=3, fall_disputed=8, quorum=2), vantages=3)

    story.rounds(7, dead=set(), blind={0: {1}, 2: {1}})
    assert story.state(1) == State.SUSPECT
    story.rounds(1, dead=set(), blind={0: {1}, 2: {1}})

    assert story.state(1) == State.DOWN


def test_judge_when_every_vantage_misses_takes_out_after_fall_failures() -> None:
    story = Story(rules=Rules(fall=3, quorum=2), vantages=3).rounds(20, dead=set())

    story.rounds(3, dead={1})

    assert story.state(1) == State.DOWN


def test_judge_with_a_quorum_above_the_vantages_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="quorum 2 of 1 vantages"):
        Story(rules=Rules(quorum=2)).judge()
