"""Which transfer price applies, and what part of a node a replica pays for."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.cluster import Resources
from config.prices import dominant_share, egress_usd_per_gb

LEVELS = [("a", "b"), ("a", "*"), ("*", "b"), ("*", "*")]
"""From the most to the least specific."""


@pytest.mark.parametrize("present", [set(chosen) for size in range(5) for chosen in combinations(LEVELS, size)])
def test_egress_takes_the_most_specific_price(present: set[tuple[str, str]]) -> None:
    prices = {key: float(rank) for rank, key in enumerate(LEVELS) if key in present}

    assert egress_usd_per_gb(prices, "a", "b") == min(prices.values(), default=None)


def test_egress_inside_a_region_is_free_unless_that_pair_is_listed() -> None:
    assert egress_usd_per_gb({("a", "*"): 1, ("*", "*"): 1}, "a", "a") == 0
    assert egress_usd_per_gb({("a", "a"): 0.01}, "a", "a") == 0.01


AMOUNT = st.floats(0.1, 100)


@given(AMOUNT, AMOUNT, AMOUNT, AMOUNT)
def test_dominant_share_is_that_of_the_scarcest_resource(vcpu: float, memory: float, of: float, gib: float) -> None:
    replica, node = Resources(vcpu=vcpu, memoryGib=memory), Resources(vcpu=of, memoryGib=gib, gpu=1)

    assert dominant_share(replica, node) == max(vcpu / of, memory / gib)


def test_dominant_share_of_a_resource_that_the_node_lacks_is_infinite() -> None:
    assert dominant_share(Resources(vcpu=1, gpu=1), Resources(vcpu=8)) == float("inf")
