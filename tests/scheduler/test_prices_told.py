import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.prices_told import AGE_MAX_S, DECLARED_MAX_RATIO, TELLINGS, Belief, aged, heard

DECLARED = Belief(0.5)


def test_price_near_the_one_in_force_is_taken_at_once() -> None:
    assert heard(DECLARED, 0.4, 10.0) == Belief(0.5, 0.4, 10.0)


def test_price_that_hardly_differs_changes_nothing_and_counts_as_heard() -> None:
    known = heard(DECLARED, 0.4, 10.0)

    assert heard(known, 0.401, 20.0) == Belief(0.5, 0.4, 20.0)


def test_price_ten_times_off_is_taken_when_it_is_told_three_times_in_a_row() -> None:
    known = DECLARED
    for number in range(1, TELLINGS):
        known = heard(known, 5.0, float(number))
        assert known.in_force == 0.5
        assert f"10.0 times off: told {number} of 3 times" in known.why

    assert heard(known, 5.1, 3.0) == Belief(0.5, 5.1, 3.0)


def test_price_far_off_that_is_told_once_between_others_is_forgotten() -> None:
    known = heard(heard(heard(DECLARED, 5.0, 1.0), 0.5, 2.0), 5.0, 3.0)

    assert (known.in_force, known.times) == (0.5, 1)


@pytest.mark.parametrize("told", [0.5 * 730, 50.0, 0.5 / 24])
def test_price_of_another_unit_is_never_taken(told: float) -> None:
    known = DECLARED
    for number in range(10):
        known = heard(known, told, float(number))

    assert known.in_force == 0.5
    assert "another unit?" in known.why


@pytest.mark.parametrize("told", [0.0, -1.0, math.nan, math.inf])
def test_price_that_is_none_is_refused(told: float) -> None:
    known = heard(DECLARED, told, 1.0)

    assert known.in_force == 0.5
    assert "is no price" in known.why


def test_price_that_is_told_no_longer_gives_way_to_the_declared_one() -> None:
    known = heard(DECLARED, 0.4, 10.0)

    assert aged(known, 10.0 + AGE_MAX_S) == known
    assert aged(known, 11.0 + AGE_MAX_S).in_force == 0.5


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30))
def test_prices_of_any_kind_leave_one_within_reach_of_the_declared(told: list[float]) -> None:
    known = DECLARED
    for at_s, usd in enumerate(told):
        known = aged(heard(known, usd, float(at_s)), float(at_s))

        assert 0.5 / DECLARED_MAX_RATIO <= known.in_force <= 0.5 * DECLARED_MAX_RATIO
