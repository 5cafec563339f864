import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from health.drill import Level
from health.drill_coverage import Book, coverage, followed, last_s, renamed, verified
from placement.columns import floats, ints


def book(weights: tuple[float, ...] = (1.0, 2.0, 5.0)) -> Book:
    return followed(Book.empty(), ints(range(10, 10 + len(weights))), floats(weights), 0.0)


def test_coverage_when_nothing_was_verified_is_none_and_ages_from_the_first_sight() -> None:
    found = coverage(book(), Level.PROOF, 100.0)

    assert (found.ratio, found.oldest_age_s) == (0.0, 100.0)


def test_coverage_when_some_paths_were_verified_weighs_them_by_their_traffic() -> None:
    known = verified(book(), Level.CANARY, ints([12, 10]), 50.0)

    found = coverage(known, Level.CANARY, 60.0)

    assert (found.ratio, found.oldest, found.oldest_age_s) == (0.75, 11, 60.0)


def test_full_drill_when_it_succeeded_covers_every_lower_level() -> None:
    known = verified(book(), Level.FULL, ints([10, 11, 12]), 50.0)

    assert all(coverage(known, level, 60.0).ratio == 1.0 for level in Level)
    assert not np.isfinite(last_s(verified(book(), Level.PROBE, ints([10]), 1.0), Level.CANARY)).any()


def test_verification_when_older_than_the_window_does_not_count() -> None:
    known = verified(book(), Level.PROBE, ints([10, 11, 12]), 0.0)

    assert coverage(known, Level.PROBE, 61.0, window_s=60.0).ratio == 0.0


def test_paths_when_they_change_keep_what_is_known_of_those_that_stay() -> None:
    known = verified(book(), Level.PROBE, ints([11]), 5.0)

    after = followed(known, ints([11, 40]), floats([2.0, 2.0]), 9.0)

    assert coverage(after, Level.PROBE, 10.0).ratio == 0.5
    assert after.since_s.tolist() == [0.0, 9.0]


def test_paths_when_the_fleet_is_another_are_found_under_their_new_names() -> None:
    known = verified(book(), Level.PROBE, ints([12]), 5.0)

    after = renamed(known, ints([30, -1, 20]))

    assert after.key.tolist() == [20, 30]
    assert last_s(after, Level.PROBE).tolist() == [5.0, -np.inf]


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(list(Level)), st.floats(0, 1e6)), max_size=30))
def test_coverage_of_any_history_falls_with_the_level_and_is_a_ratio(marks: list[tuple[int, Level, float]]) -> None:
    known = followed(Book.empty(), ints(range(5)), floats([1, 2, 3, 4, 5]), 0.0)
    for key, level, at_s in marks:
        known = verified(known, level, ints([key]), at_s)

    ratios = [coverage(known, level, 1e6).ratio for level in Level]
    assert ratios == sorted(ratios, reverse=True)
    assert all(0 <= ratio <= 1 for ratio in ratios)
