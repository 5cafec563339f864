import calendar
from dataclasses import replace

import pytest

from health.drill import Level
from scheduler.drill_calendar import DrillPolicy, Past, Window, blocked, due

LOSSES = ("cluster a", "cluster b", "region r")
POLICY = DrillPolicy(automatic=True)
NOW_S = float(calendar.timegm((2026, 3, 6, 22, 30, 0)))
"""A Friday."""


def test_calendar_when_nothing_was_ever_drilled_asks_for_the_most_telling_drill_first() -> None:
    assert due(POLICY, LOSSES, {}, NOW_S) == (Level.FULL, "cluster a")


def test_calendar_when_not_automatic_asks_for_dry_pushes_alone() -> None:
    assert due(DrillPolicy(), LOSSES, {}, NOW_S) == (Level.DRY_PUSH, "cluster a")


def test_calendar_when_all_is_fresh_asks_for_nothing_and_later_for_what_is_latest() -> None:
    past = {(level, loss): Past(NOW_S, NOW_S) for level in POLICY.levels for loss in LOSSES}

    assert due(POLICY, LOSSES, past, NOW_S + 60) is None
    assert due(POLICY, LOSSES, past, NOW_S + 901) in {(Level.DRY_PUSH, "cluster a"), (Level.DRY_PUSH, "cluster b")}


def test_path_when_it_was_verified_is_due_before_its_cadence_is_over() -> None:
    for loss in LOSSES[:2]:
        past = {(Level.DRY_PUSH, other): Past(NOW_S, NOW_S) for other in LOSSES if other != loss}
        past[Level.DRY_PUSH, loss] = Past(NOW_S - 900, NOW_S - 900)
        assert due(DrillPolicy(), LOSSES, past, NOW_S) == (Level.DRY_PUSH, loss)


def test_drill_that_proved_nothing_is_not_tried_again_at_once() -> None:
    past = {(Level.DRY_PUSH, loss): Past(NOW_S, NOW_S) for loss in LOSSES}
    past[Level.DRY_PUSH, "cluster a"] = Past(NOW_S - 5_000, NOW_S)

    assert due(DrillPolicy(), LOSSES, past, NOW_S + 59) is None
    assert due(DrillPolicy(), LOSSES, past, NOW_S + 61) == (Level.DRY_PUSH, "cluster a")


def test_kinds_when_named_are_drilled_by_themselves() -> None:
    policy = replace(POLICY, kinds=("region",))

    assert due(policy, LOSSES, {}, NOW_S) == (Level.FULL, "region r")


@pytest.mark.parametrize(("minute", "inside"), [(0, False), (90, True), (150, True), (360, False)])
def test_window_that_goes_past_midnight_holds_into_the_next_morning(minute: int, inside: bool) -> None:
    friday_night = Window(frozenset({4}), 23 * 60, 2 * 60)

    assert blocked((friday_night,), NOW_S + 60 * minute) is inside


def test_window_of_another_day_blocks_nothing() -> None:
    assert not blocked((Window(frozenset({0, 1}), 0, 24 * 60 - 1),), NOW_S)
    assert blocked((Window(frozenset({4}), 22 * 60, 23 * 60),), NOW_S)
