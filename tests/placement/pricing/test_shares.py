"""Parts that add up to the whole, to the unit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placement.columns import floats, ints
from placement.pricing.shares import UNITS_PER_USD, split, split_groups, units

WEIGHTS = st.lists(st.floats(0, 1e6), min_size=1, max_size=30)


@given(st.integers(0, 10**12), WEIGHTS)
def test_split_of_a_total_adds_up_exactly_and_is_within_a_unit(total: int, weights: list[float]) -> None:
    weight = np.array(weights)
    if weight.sum() <= 0:
        return
    parts = split(total, weight)

    assert parts.sum() == total
    assert (parts >= 0).all()
    assert (parts[weight == 0] == 0).all()
    assert np.abs(parts - total * weight / weight.sum()).max() <= 1 + 1e-9 * total


@given(
    st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1e3)), max_size=40),
    st.lists(st.integers(0, 10**9), min_size=5, max_size=5),
)
def test_split_of_groups_adds_up_in_each_that_somebody_pays(rows: list[tuple[int, float]], totals: list[int]) -> None:
    group, weight = ints([g for g, _ in rows]), floats([w for _, w in rows])

    parts = split_groups(group, ints(totals), weight)

    for g in range(5):
        mine = parts[group == g]
        assert mine.sum() == (totals[g] if weight[group == g].sum() > 0 else 0)
        assert (parts[weight == 0] == 0).all()


def test_split_when_nobody_can_pay_is_refused_with_the_amount() -> None:
    assert split(0, floats([0, 0])).tolist() == [0, 0]
    with pytest.raises(ValueError, match="5 units and nobody"):
        split(5, floats([0, 0]))


def test_units_of_dollars_are_millionths_to_the_nearest() -> None:
    assert int(units(1.0000004)) == UNITS_PER_USD
