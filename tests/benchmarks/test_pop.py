"""The instance against the published check values: five rounds of the generator, digit for digit."""

from itertools import islice

import pytest

from benchmarks.pop import SEED, feasible, java_doubles, loads, play, window

CHECKS = [
    (0.7275636800328681, 35619303, 653481, 14201),
    (0.6832234717598454, 39630197, 663601, 16560),
    (0.30871945533265976, 103132656, 755572, 60640),
    (0.27707849007413665, 112250709, 763903, 67668),
    (0.6655489517945736, 41369905, 667679, 17607),
]


def test_java_doubles_when_seeded_with_42_are_those_of_the_benchmark() -> None:
    assert list(islice(java_doubles(SEED), 5)) == [check[0] for check in CHECKS]


@pytest.mark.parametrize("check", CHECKS)
def test_loads_of_a_round_match_the_check_values(check: tuple[float, int, int, int]) -> None:
    uniform, total, second, last = check

    load = loads(uniform)

    assert (load.sum(), load[0], load[1], load[1023]) == (total, 1_000_000, second, last)


def test_window_of_round_0_when_computed_is_that_of_the_rules() -> None:
    assert window(loads(CHECKS[0][0])).upper == pytest.approx(292189.6, abs=0.05)


def test_play_when_rounds_follow_one_another_keeps_every_rule() -> None:
    played = play(6)

    assert all(feasible(one.load, one.balance) for one in played)
    assert all(one.balance.lower_bound_moves <= one.balance.moves for one in played)
    assert played[0].balance.moves == 84
