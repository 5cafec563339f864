import numpy as np
import pytest

from placement.patch import applied, patch, placed, rows_of
from placement.routing import moved_share
from tests.placement.fleets import problem_of, random_routing


@pytest.mark.parametrize("seed", range(5))
def test_patch_applied_to_what_it_was_made_from_gives_the_other_routing(seed: int) -> None:
    problem = problem_of(seed)
    before, after = random_routing(problem, seed), random_routing(problem, seed + 100)

    again = applied(before, patch(before, after))

    assert moved_share(again, after).max() < 1e-9


def test_patch_of_equal_routings_changes_nothing() -> None:
    routing = random_routing(problem_of(1), 1)

    change = patch(routing, routing)

    assert len(change) == 0
    assert applied(routing, change) is routing


def test_patch_applied_to_another_routing_changes_only_the_flows_it_speaks_of() -> None:
    problem = problem_of(2)
    base, other = random_routing(problem, 3), random_routing(problem, 4)
    flows = np.array([1, 4])

    mixed = applied(base, rows_of(other, flows))

    moved = moved_share(base, mixed) > 0
    assert set(np.flatnonzero(moved)) <= {1, 4}
    assert mixed.dense()[flows] == pytest.approx(other.dense()[flows])


def test_placed_rows_of_a_portion_speak_of_the_flows_of_the_whole() -> None:
    routing = random_routing(problem_of(2), 3)

    assert placed(rows_of(routing, np.array([0, 2])), np.array([5, 6, 9])).flow.tolist() == [5, 9]
