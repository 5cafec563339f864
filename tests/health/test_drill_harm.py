import math

import numpy as np

from health.drill_harm import FALSE_ABORT, Counts, Envelope, Since, error_harm, expected_errors, log_evidence

SEED = 20
LIMITS = Envelope()


def first_alarm(failures: np.ndarray, regular: Counts) -> int:
    """How many requests until the test stops the drill; 0 where it never does."""
    failed = np.cumsum(failures)
    for n in range(10, len(failures) + 1, 10):
        if error_harm(Counts(n, int(failed[n - 1])), regular, LIMITS):
            return n
    return 0


def test_good_path_when_watched_for_long_is_stopped_less_often_than_promised() -> None:
    rng = np.random.default_rng(SEED)
    regular = Counts(20_000, 40)

    stopped = sum(first_alarm(rng.random(3_000) < 0.002, regular) > 0 for _ in range(200))

    print(f"seed {SEED}: {stopped} of 200")
    assert stopped <= 200 * FALSE_ABORT


def test_path_that_is_one_point_worse_is_stopped_within_ten_seconds_of_a_hundred_requests_each() -> None:
    rng = np.random.default_rng(SEED)
    regular = Counts(5_000, 5)

    alarms = sorted(first_alarm(rng.random(3_000) < 0.011, regular) or 3_000 for _ in range(200))

    print(f"seed {SEED}: p50 {alarms[100]}, p90 {alarms[180]} requests")
    assert alarms[100] <= 1_000


def test_path_that_fails_altogether_is_stopped_after_a_handful_of_requests() -> None:
    assert error_harm(Counts(4, 4), Counts(100, 0), LIMITS)
    assert not error_harm(Counts(1, 0), Counts(100, 0), LIMITS)


def test_single_failure_among_few_requests_is_no_harm() -> None:
    assert not error_harm(Counts(50, 1), Counts(5_000, 5), LIMITS)


def test_path_when_the_regular_one_fails_as_often_is_not_to_blame() -> None:
    assert not error_harm(Counts(1_000, 50), Counts(10_000, 500), LIMITS)
    assert error_harm(Counts(1_000, 50), Counts(10_000, 10), LIMITS)


def test_evidence_when_nothing_was_seen_is_none() -> None:
    assert math.isclose(log_evidence(Counts(0, 0), expected_errors(Counts(0, 0))), 0.0, abs_tol=1e-12)


def test_since_counts_only_what_held_without_a_break() -> None:
    seen = Since().seen(True, 1.0).seen(True, 4.0)

    assert seen.held_s(6.0) == 5.0
    assert seen.seen(False, 6.0).held_s(9.0) == 0.0
