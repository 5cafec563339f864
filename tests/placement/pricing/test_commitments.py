"""What nodes cost under commitments, against arithmetic by hand and against what must always hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placement.columns import floats, ints
from placement.pricing.commitments import Reserved, SavingsPlan, node_bill

USD = floats([1.0, 2.0])


def test_bill_of_reserved_nodes_is_discounted_and_the_rest_on_demand() -> None:
    bill = node_bill(floats([5, 1]), USD, [Reserved("base", 0, 3, 0.4)], [])

    assert bill.kind_usd.tolist() == pytest.approx([3 * 0.6 + 2, 2])
    assert bill.unused == ()


def test_bill_of_a_reservation_that_nobody_uses_is_a_cost_of_its_own() -> None:
    bill = node_bill(floats([1, 0]), USD, [Reserved("base", 0, 3, 0.5)], [])

    assert bill.kind_usd.tolist() == pytest.approx([0.5, 0])
    assert bill.unused == (("base", pytest.approx(1.0)),)
    assert bill.usd == pytest.approx(1.5)


def test_bill_of_a_savings_plan_covers_what_reservations_left() -> None:
    bill = node_bill(floats([2, 1]), USD, [Reserved("base", 0, 2, 0.5)], [SavingsPlan("plan", ints([0, 1]), 1.0, 0.25)])

    assert bill.kind_usd.tolist() == pytest.approx([1.0, 1.0 + (1 - 1 / 1.5) * 2])
    assert bill.unused == ()


@given(
    st.floats(0, 50), st.floats(0, 50), st.floats(0, 60), st.floats(0, 0.9), st.floats(0, 40), st.floats(0, 0.9)
)  # fmt: skip
def test_bill_under_commitments_never_beats_the_discount_nor_drops_what_is_committed(
    one: float, two: float, nodes: float, off: float, usd: float, plan_off: float
) -> None:
    plans = [SavingsPlan("plan", ints([0, 1]), usd, plan_off)] if usd else []
    bill = node_bill(floats([one, two]), USD, [Reserved("base", 0, nodes, off)], plans)

    assert bill.usd >= nodes * (1 - off) + usd - 1e-6, "what is committed is paid"
    assert bill.usd >= (one + 2 * two) * (1 - max(off, plan_off)) - 1e-6
    assert bill.kind_usd.sum() <= bill.list_usd.sum() + 1e-6, "what runs costs no more than on demand"
