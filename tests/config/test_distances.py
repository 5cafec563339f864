"""Which round trip applies."""

from pathlib import Path

import pytest

from config.distances import rtt_ms
from config.load import load

CONFIGURATION = load(Path(__file__).parent / "base.yaml")
CLUSTERS = CONFIGURATION.cluster_by_name()
HOME, USERS = CONFIGURATION.origins

STEPS = [
    (("users", "home"), 1.0),
    (("users", "north"), 2.0),
    (("west", "home"), 3.0),
    (("west", "north"), 4.0),
    (("home", "users"), 5.0),
    (("north", "west"), 6.0),
]
"""From the most to the least specific, then the other way round."""


@pytest.mark.parametrize("first", range(len(STEPS)))
def test_rtt_takes_the_most_specific_entry(first: int) -> None:
    assert rtt_ms(dict(STEPS[first:]), USERS, CLUSTERS["home"], CLUSTERS) == first + 1


def test_rtt_of_an_unknown_pair_is_none() -> None:
    assert rtt_ms({("west", "south"): 1}, USERS, CLUSTERS["home"], CLUSTERS) is None


def test_rtt_inside_a_cluster_is_half_a_millisecond_unless_listed_by_name() -> None:
    assert rtt_ms({("north", "north"): 2}, HOME, CLUSTERS["home"], CLUSTERS) == 0.5
    assert rtt_ms({("home", "home"): 2}, HOME, CLUSTERS["home"], CLUSTERS) == 2
