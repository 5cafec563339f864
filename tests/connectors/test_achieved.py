"""Whether a measured split is what the weights ask for, as far as the number of requests can tell."""

import numpy as np
import pytest

from connectors.achieved import achieved, split_error
from placement.fleet import ClusterId
from placement.weights import Target

ROW = (Target(ClusterId("east"), 7_000, 0), Target(ClusterId("west"), 3_000, 0), Target(ClusterId("north"), 0, 1))


def test_achieved_when_counts_are_a_fair_draw_says_yes_ten_thousand_times() -> None:
    draws = np.random.default_rng(1).multinomial(400, [0.7, 0.3], size=10_000)

    assert all(achieved(ROW, {"east": float(east), "west": float(west)}) for east, west in draws)


@pytest.mark.parametrize(
    "counts", [{"east": 500.0, "west": 500.0}, {"west": 1_000.0}, {"east": 640.0, "west": 280.0, "north": 80.0}]
)
def test_achieved_when_requests_go_elsewhere_says_no(counts: dict[str, float]) -> None:
    assert achieved(ROW, counts) is False


@pytest.mark.parametrize("counts", [{}, {"west": 99.0}])
def test_achieved_when_there_are_too_few_requests_says_nothing(counts: dict[str, float]) -> None:
    assert achieved(ROW, counts) is None


def test_achieved_when_all_is_refused_says_nothing() -> None:
    assert achieved((), {"east": 1_000.0}) is None


def test_split_error_when_shares_differ_is_the_largest_difference() -> None:
    assert split_error(ROW, {"east": 50.0, "west": 50.0}) == pytest.approx(0.2)
    assert np.isnan(split_error(ROW, {}))
