"""Test the tests: every bug that is planted breaks a rule, and without it the same worlds break none."""

from functools import cache

import pytest

from simulator.fuzz.program import program
from simulator.fuzz.watch import Verdict, watch
from tests.simulator.fuzz.planted import BUGS, Bug


@cache
def sound(seed: int) -> Verdict:
    """What comes of a world without a planted bug, played once for all tests."""
    return watch(program(seed))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.title)
def test_bug_when_planted_breaks_a_rule(bug: Bug) -> None:
    with bug.planted():
        verdict = watch(program(bug.seed))

    assert not verdict.clean, f"seed {bug.seed}"


@pytest.mark.parametrize("seed", sorted({bug.seed for bug in BUGS}))
def test_world_without_a_planted_bug_breaks_no_rule(seed: int) -> None:
    assert sound(seed).violations == (), f"seed {seed}"


def test_watch_when_run_twice_leaves_the_same_trace() -> None:
    assert watch(program(0)).trace == sound(0).trace


def test_world_where_only_a_part_of_what_is_refused_finds_room_elsewhere_breaks_no_rule() -> None:
    """An evacuation that tries to place all of it again would refuse more, and left all of it refused."""
    assert sound(3937).violations == ()
