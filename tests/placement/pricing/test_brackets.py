"""Volume prices: a sum over brackets, so continuous and never falling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from placement.columns import floats
from placement.pricing.brackets import Brackets, flat

AWS = Brackets(floats([100, 10_240, 51_200, 153_600, np.inf]), floats([0, 0.09, 0.085, 0.07, 0.05]))


@st.composite
def brackets(draw: st.DrawFn) -> Brackets:
    widths = draw(st.lists(st.floats(0.1, 1e5), max_size=5))
    prices = draw(st.lists(st.floats(0, 2), min_size=len(widths) + 1, max_size=len(widths) + 1))
    return Brackets(floats([*np.cumsum(widths), np.inf]), floats(prices))


def test_cost_of_sixty_terabytes_is_the_sum_over_its_brackets() -> None:
    assert float(AWS.cost(60_000)) == pytest.approx(10_140 * 0.09 + 40_960 * 0.085 + 8_800 * 0.07)
    assert float(AWS.cost(100)) == 0


@given(brackets(), st.floats(0, 1e6), st.floats(0, 1e5))
def test_cost_when_volume_grows_never_falls_and_never_jumps(some: Brackets, volume: float, more: float) -> None:
    before, after = some.cost(floats([volume, volume + more])).tolist()

    assert after >= before - 1e-9
    assert after - before <= more * some.unit_usd.max() + 1e-6 * (1 + after)


@given(brackets())
def test_cost_at_a_bracket_end_is_the_same_from_both_sides(some: Brackets) -> None:
    for end in some.ends[:-1].tolist():
        below, above = some.cost(floats([end * (1 - 1e-12), end * (1 + 1e-12)])).tolist()
        assert above == pytest.approx(below, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("ends", "usd"), [([10], [1]), ([10, 5, np.inf], [1, 1, 1]), ([np.inf], [-1]), ([np.inf], [np.nan]), ([], [])]
)
def test_brackets_that_are_none_are_refused_with_a_reason(ends: list[float], usd: list[float]) -> None:
    with pytest.raises(ValueError, match=r"bracket|price"):
        Brackets(floats(ends), floats(usd))


def test_flat_price_of_a_volume_is_their_product() -> None:
    assert float(flat(0.09).cost(1_000)) == pytest.approx(90)
