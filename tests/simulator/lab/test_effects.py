"""What is read off the records, on small records made by hand."""

import math

import pytest

from simulator.lab import effects
from simulator.lab.attempts import Attempt
from simulator.lab.load import Served
from simulator.lab.watch import Change, Flow, Push, View


def attempt(at_s: float, origin: str = "a", cluster: str = "b", code: int = 200) -> Attempt:
    return Attempt(at_s, origin, cluster, "frontend", code)


def served(at_s: float, region: str = "a", cluster: str = "a", status: int = 200) -> Served:
    return Served(at_s, region, region, cluster, cluster, status, 10.0, False)


def view(seen_s: float, **weights: int) -> View:
    return View(seen_s, 1, "solved", {"compute": 2.0, "egress": 1.0, "total": 9.0},
                (Flow("frontend", "a", 10.0, weights),), (), (), ())  # fmt: skip


def test_detect_takes_the_first_verdict_down_after_the_kill() -> None:
    changes = [Change(1.0, "frontend", "b", "DOWN"), Change(10.2, "frontend", "b", "SUSPECT"),
               Change(10.6, "backend", "b", "DOWN"), Change(10.5, "frontend", "b", "DOWN"),
               Change(10.1, "frontend", "c", "DOWN")]  # fmt: skip

    assert effects.detect_s(changes, "b", 10.0) == pytest.approx(0.5)
    assert effects.detect_s(changes, "b", 11.0) is None


def test_shift_is_the_last_attempt_of_another_gateway_while_the_cluster_is_dead() -> None:
    attempts = [attempt(9.9), attempt(10.7), attempt(10.4), attempt(10.9, origin="b"), attempt(11.0, cluster="c"),
                attempt(20.5)]  # fmt: skip

    assert effects.shift_s(attempts, "b", (10.0, 20.0)) == pytest.approx(0.7)


def test_shift_without_any_attempt_is_zero() -> None:
    assert effects.shift_s([attempt(9.0)], "b", (10.0, 20.0)) == 0.0


def test_tick_to_request_counts_from_the_last_push_before_the_first_request() -> None:
    pushes = [Push(10.0, "a", 1, True), Push(11.0, "a", 2, True), Push(11.1, "b", 2, True), Push(12.0, "a", 3, True)]
    attempts = [attempt(11.5), attempt(11.02), attempt(11.01, origin="b"), attempt(8.0)]

    assert effects.tick_to_request_s(attempts, pushes, "a", "b", 9.5) == pytest.approx(0.02)
    assert effects.tick_to_request_s(attempts, pushes, "a", "c", 9.5) is None


def test_away_ratio_counts_good_answers_from_other_clusters() -> None:
    rows = [served(1.0), served(1.5, cluster="b"), served(1.6, cluster="", status=0), served(1.7, region="b"),
            served(3.0, cluster="b")]  # fmt: skip

    assert effects.away_ratio(rows, "a", (1.0, 2.0)) == 0.5
    assert effects.away_ratio(rows, "z", (1.0, 2.0)) == 0.0


def test_home_again_is_the_first_second_with_nearly_all_users_served_at_home() -> None:
    mixed = [served(10 + i / 10, cluster="ab"[i % 2]) for i in range(10)]
    home = [served(11 + i / 20, cluster="b" if i == 3 else "a") for i in range(20)]

    assert effects.home_again_s(mixed + home, "a", (10.0, 14.0)) == 2.0
    assert effects.home_again_s(mixed, "a", (10.0, 14.0)) is None
    assert effects.home_again_s([], "a", (10.0, 14.0)) is None


def test_first_served_leaves_out_what_failed() -> None:
    rows = [served(10.2, status=502), served(9.0), served(10.5)]

    assert effects.first_served_s(rows, "a", 10.0) == 0.5
    assert effects.first_served_s(rows, "b", 10.0) is None


def test_weights_moves_are_the_first_and_the_last_within_the_span() -> None:
    history = [view(9, a=2), view(10, a=1), view(11, a=1), view(12, b=1), view(13, b=2), view(14, b=2), view(15, c=1)]

    assert effects.weights_moves_s(history, "frontend@a", (10.0, 15.0)) == (2.0, 3.0)
    assert effects.weights_moves_s(history, "frontend@a", (13.0, 15.0)) is None


def test_percentile_is_one_of_the_values() -> None:
    assert effects.percentile([3, 1, 2], 0.5) == 2
    assert effects.percentile([3, 1, 2], 0.99) == 3
    assert math.isnan(effects.percentile([], 0.5))


def test_tick_to_request_of_a_cluster_that_was_in_use_before_is_unknown() -> None:
    pushes, attempts = [Push(10.0, "a", 1, True)], [attempt(9.4), attempt(10.1)]

    assert effects.tick_to_request_s(attempts, pushes, "a", "b", 9.5) is None


def test_splits_add_up_windows_of_still_weights_without_broken_attempts() -> None:
    history = [view(t, a=1, b=1) for t in range(5)] + [view(t, a=3, b=1) for t in range(5, 10)]
    history += [view(t, a=9, b=1) for t in range(10, 13)] + [view(t, a=1) for t in range(13, 20)]
    even = [attempt(1 + i / 100, cluster="ab"[i % 2]) for i in range(100)]
    broken = [attempt(6.0, code=0), attempt(6.1, cluster="a")]
    uneven = [attempt(11 + i / 200, cluster="b" if i < 19 else "a") for i in range(100)]

    found = {split.cluster: split for split in effects.splits(history, even + broken + uneven)}

    assert (found["b"].attempts, found["b"].got) == (200, 69)
    assert found["b"].expected == pytest.approx(60)
    assert found["a"].deviation == found["b"].deviation == pytest.approx(9 / math.sqrt(25 + 9))


def test_splits_with_requests_to_a_cluster_without_a_weight_deviate_without_end() -> None:
    history = [view(t, a=1, b=1) for t in range(5)]

    found = effects.splits(history, [attempt(1.0, cluster="a"), attempt(1.1, cluster="b"), attempt(1.2, cluster="c")])

    assert [split.deviation == math.inf for split in found] == [False, False, True]
