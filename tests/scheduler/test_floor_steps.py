"""Steps of replica floors: up at once and bounded, down late, never below what serves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from placement.columns import Bools, Floats, Ints, bools, floats, ints
from scheduler.floor_steps import UNKNOWN, StepLimits, Wanted, next_floors

LIMITS = StepLimits(step_ratio=0.2, spare_ratio=0.2, lower_after_s=900.0)
NEVER = floats([np.inf])


def wanted(assigned: int, serving: int = 0, lost: bool = False) -> Wanted:
    return Wanted(ints([assigned]), ints([serving]), bools([lost]))


def step(
    now: int, asked: Wanted, since: Floats = NEVER, at_s: float = 0.0, zero_allowed: bool = False
) -> tuple[int, Floats]:
    after, less = next_floors(ints([now]), asked, bools([zero_allowed]), since, at_s, LIMITS)
    return int(after[0]), less


def test_floor_goes_up_at_once_by_a_fifth_or_by_one() -> None:
    assert [step(now, wanted(100))[0] for now in (0, 1, 4, 10, 99)] == [1, 2, 5, 12, 100]


def test_floor_goes_down_only_after_less_was_wanted_for_long() -> None:
    held, since = step(10, wanted(3), at_s=100.0)
    later, _ = step(10, wanted(3), since, at_s=999.0)
    lowered, _ = step(10, wanted(3), since, at_s=1000.0)

    assert (held, float(since[0]), later, lowered) == (10, 100.0, 10, 8)


def test_floor_that_was_wanted_again_in_between_waits_anew() -> None:
    _, since = step(10, wanted(3), at_s=0.0)
    _, since = step(10, wanted(10), since, at_s=500.0)
    held, since = step(10, wanted(3), since, at_s=950.0)

    assert (held, float(since[0])) == (10, 950.0)


def test_floor_never_goes_below_what_serves_now_with_the_spare() -> None:
    lowered, _ = step(10, wanted(1, serving=9), floats([0.0]), at_s=2000.0)

    assert lowered == 9


def test_last_replica_stays_unless_something_wakes_the_service() -> None:
    long_ago = floats([0.0])

    assert step(1, wanted(0), long_ago, 2000.0)[0] == 1
    assert step(1, wanted(0), long_ago, 2000.0, zero_allowed=True)[0] == 0
    assert step(0, wanted(0), long_ago, 2000.0)[0] == 0


def test_floor_in_a_lost_cluster_or_of_nobody_is_left_alone() -> None:
    assert step(10, wanted(0, lost=True), floats([0.0]), 2000.0)[0] == 10
    assert step(UNKNOWN, wanted(7))[0] == UNKNOWN


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    now=st.lists(st.integers(UNKNOWN, 300), min_size=1, max_size=6),
    data=st.data(),
)
def test_any_step_is_bounded_towards_the_goal_and_above_what_serves(now: list[int], data: st.DataObject) -> None:
    def column(most: int) -> Ints:
        return ints(data.draw(st.lists(st.integers(0, most), min_size=len(now), max_size=len(now))))

    def flags() -> Bools:
        return bools(data.draw(st.lists(st.booleans(), min_size=len(now), max_size=len(now))))

    asked = Wanted(column(300), column(300), flags())
    before, at_s = ints(now), 5000.0
    since = floats(data.draw(st.lists(st.sampled_from([0.0, 4500.0, np.inf]), min_size=len(now), max_size=len(now))))
    after, less_since = next_floors(before, asked, flags(), since, at_s, LIMITS)

    known = before >= 0
    assert (after[~known] == before[~known]).all()
    assert (np.abs(after - before)[known] <= np.maximum(1, 0.2 * before)[known]).all()
    down = after < before
    assert (after[down] >= asked.serving[down]).all()
    assert (at_s - less_since[down] >= LIMITS.lower_after_s).all()
    assert not (asked.left_alone & (after != before)).any()
