import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.passive import ALARM, CERTAIN, GRAY, OUTAGE, Clients, carried_clients, elsewhere, no_clients, observe
from placement.columns import Floats, bools, floats, ints

ONE = ints([0])
NEVER = floats([np.inf])


def seen(clients: Clients, good: float, bad: float, at_s: float, missing_since_s: Floats = NEVER) -> Clients:
    """One report of a single backend over the last 0.2 s."""
    return observe(clients, (floats([good]), floats([bad])), ONE, missing_since_s, floats([at_s - 0.2]), at_s)


def requests_until(design: int, level: float, failing: list[bool]) -> int:
    clients = no_clients(1)
    for number, fails in enumerate(failing, 1):
        clients = seen(clients, not fails, fails, number / 100)
        if clients.score[0, design] >= level:
            return number
    return len(failing) + 1


def test_total_outage_is_no_accident_after_four_requests_and_certain_after_six() -> None:
    assert requests_until(OUTAGE, ALARM, [True] * 10) == 4
    assert requests_until(OUTAGE, CERTAIN, [True] * 10) == 6


def test_gray_failure_of_five_percent_alarms_after_some_hundred_requests() -> None:
    rng = np.random.default_rng(3)
    needed = [requests_until(GRAY, ALARM, (rng.random(2_000) < 0.05).tolist()) for _ in range(40)]

    assert 80 <= np.median(needed) <= 200
    assert max(needed) < 600


def test_usual_errors_raise_no_alarm_in_a_hundred_thousand_requests() -> None:
    rng = np.random.default_rng(5)
    clients = no_clients(1)
    for block, bad in enumerate(rng.binomial(20, 0.001, size=5_000)):
        clients = seen(clients, 20 - bad, bad, 0.2 * block)
        assert clients.score.max() < ALARM


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=20), min_size=1, max_size=10))
def test_score_of_blocks_never_exceeds_that_of_single_requests(blocks: list[list[bool]]) -> None:
    together = one_by_one = no_clients(1)
    for at_s, block in enumerate(blocks):
        together = seen(together, block.count(False), block.count(True), float(at_s))
        for fails in sorted(block):  # failures last: the order in which the score ends highest
            one_by_one = seen(one_by_one, not fails, fails, float(at_s))
        assert (together.score <= one_by_one.score + 1e-9).all()


def test_failures_that_the_others_have_too_are_no_alarm() -> None:
    clients, service, never = no_clients(3), ints([0, 0, 0]), floats([np.inf] * 3)
    alone = no_clients(3)
    for block in range(40):
        at_s, since_s = 0.2 * block, floats([0.2 * block - 0.2] * 3)
        bad = floats([1.0, 1.0, 1.0]) if block else floats([0.0, 0.0, 0.0])
        clients = observe(clients, (floats([19.0] * 3), bad), service, never, since_s, at_s)
        alone = observe(alone, (floats([19.0] * 3), bad * [1, 0, 0]), service, never, since_s, at_s)

    assert clients.score[:, GRAY].max() < ALARM
    assert alone.score[0, GRAY] == ALARM
    assert elsewhere(clients, service, 8.0) == pytest.approx(0.05, rel=0.01)


def test_answers_count_as_testimony_only_when_counted_wholly_after_the_miss() -> None:
    missing_since_s = floats([10.0])

    before = seen(no_clients(1), 20, 0, 10.1, missing_since_s)
    after = seen(before, 20, 0, 10.3, missing_since_s)
    over = seen(after, 20, 0, 10.5)

    assert before.answered_since[0] == 0
    assert after.answered_since[0] == 20
    assert over.answered_since[0] == 0


def test_rate_of_steady_requests_is_that_rate_and_fades_in_silence() -> None:
    clients = no_clients(1)
    for block in range(1, 101):
        clients = seen(clients, 20, 0, 0.2 * block)

    assert clients.rate_rps(20.0)[0] == pytest.approx(100, rel=0.06)
    assert clients.rate_rps(30.0)[0] < 1
    assert not clients.fresh(30.0)[0]


def test_rate_is_right_from_the_first_report_on_and_after_a_silence() -> None:
    first = seen(no_clients(1), 15, 5, 10.0)
    longer = seen(seen(first, 20, 0, 10.2), 20, 0, 10.4)
    again = seen(longer, 20, 0, 25.0)

    assert first.rate_rps(10.0)[0] == pytest.approx(100, rel=0.25)
    assert longer.rate_rps(10.4)[0] == pytest.approx(100, rel=0.06)
    assert again.rate_rps(25.0)[0] == pytest.approx(100, rel=0.25)


def test_rate_of_one_request_in_a_moment_is_no_more_than_a_few() -> None:
    once = observe(no_clients(1), (floats([0.0]), floats([1.0])), ONE, NEVER, floats([9.98]), 10.0)

    assert once.rate_rps(10.0)[0] <= 4


def test_carried_clients_follow_the_rows_of_a_new_fleet() -> None:
    clients = seen(no_clients(1), 0, 5, 1.0)

    after = carried_clients(clients, ints([-1, 0]))

    assert after.failed.tolist() == [0, 5]
    assert after.score[1].tolist() == clients.score[0].tolist()
    assert len(carried_clients(no_clients(0), ints([-1]))) == 1


def test_requests_that_stop_to_end_while_reports_go_on_are_stuck_and_those_of_late_reports_are_not() -> None:
    clients = no_clients(1)
    for block in range(20):
        clients = seen(clients, 10, 0, 0.1 * block)
    assert not clients.stuck().any()

    nothing, told = (floats([0.0]), floats([0.0])), bools([True])
    late = observe(clients, nothing, ONE, NEVER, floats([np.inf]), 2.5, bools([False]))
    silent = observe(clients, nothing, ONE, NEVER, floats([np.inf]), 2.5, told)

    assert not late.stuck().any()
    assert silent.stuck().all()
    assert not no_clients(1).stuck().any()
