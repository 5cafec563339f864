import math

import pytest

from health.patience import QUICK_MIN, SETTLED_S, START_S, Patience

TIMEOUT_S, MOST_S = 0.25, 0.125


def patience(targets: int = 1) -> Patience:
    made = Patience(0.0)
    made.replace([-1] * targets)
    return made


def answered(made: Patience, took_s: float = 0.1, times: int = QUICK_MIN, row: int = 0) -> Patience:
    for _ in range(times):
        made.heard(row, took_s, TIMEOUT_S)
    return made


def waits_s(made: Patience, at_s: float) -> float:
    return made.timeout_s(0, at_s, TIMEOUT_S)


def test_prober_that_was_late_waits_longer_for_answers_until_it_was_calm() -> None:
    made = answered(patience())
    for now_s in (21.0, 22.0, 23.0, 24.0):
        made.mind_lateness(0.2, now_s, MOST_S)
    assert made.strain == 3
    assert waits_s(made, 24.0) == 8 * TIMEOUT_S

    for now_s in (25.0, 35.0, 50.0, 65.0):
        made.mind_lateness(0.0, now_s, MOST_S)

    assert made.strain == 0


def test_start_is_over_once_we_are_calm_and_the_target_has_answered() -> None:
    assert waits_s(answered(patience()), SETTLED_S - 0.1) == 4 * TIMEOUT_S
    assert waits_s(answered(patience()), SETTLED_S) == TIMEOUT_S
    assert waits_s(answered(patience(), times=QUICK_MIN - 1), SETTLED_S) == 4 * TIMEOUT_S


def test_start_of_a_prober_that_is_late_or_unanswered_lasts_its_time_and_not_longer() -> None:
    made = answered(patience())
    made.mind_lateness(0.03, 4.0, MOST_S)

    assert waits_s(made, 4.0 + SETTLED_S - 0.1) == 4 * TIMEOUT_S
    assert waits_s(made, 4.0 + SETTLED_S) == TIMEOUT_S
    assert waits_s(answered(patience(), took_s=2 * TIMEOUT_S), START_S - 0.1) == 4 * TIMEOUT_S
    assert waits_s(patience(), START_S) == TIMEOUT_S


def test_stall_of_a_start_discards_and_does_not_strain_what_comes_after() -> None:
    made = answered(patience())
    made.mind_lateness(0.3, 5.0, MOST_S)

    assert (made.stalled_until_s, made.strain) == (5.0, 0)


def test_answer_is_overdue_when_it_is_later_than_usual_and_never_before_there_was_one() -> None:
    assert patience().overdue_s(0, 0.05) == math.inf

    steady = answered(patience(), 0.1, times=40)
    assert steady.overdue_s(0, 0.05) == pytest.approx(0.15, abs=0.001)

    uneven = patience()
    for number in range(40):
        answered(uneven, 0.1 if number % 2 else 0.2, times=1)
    assert 0.3 < uneven.overdue_s(0, 0.05) < 0.45


def test_other_targets_keep_what_is_known_of_those_that_stay() -> None:
    made = answered(patience(2), row=1)

    made.replace([1, -1])

    assert made.quick == [QUICK_MIN, 0]
    assert made.overdue_s(0, 0.05) < math.inf
