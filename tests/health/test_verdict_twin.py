"""The state machine against its naive twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.evidence import Evidence
from health.gray import no_steps
from health.rules import Rules
from health.states import State
from health.verdict import Verdicts, judge, usable, warmth
from placement.columns import bools, floats, ints
from placement.fleet import Backends
from tests.health.oracle import Belief, judge_all

VANTAGES = st.integers(1, 3)
COLUMNS = [name for name in Verdicts.__slots__ if name != "steps"]


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[Belief], Rules]:
    """A few backends in any state with any evidence, and rules with small numbers."""
    vantages = draw(VANTAGES)
    counts = st.integers(-3, 3)  # below 0: that many failures in a row; above: successes

    def belief(pair: tuple[int, int]) -> Belief:
        seen = draw(st.lists(counts, min_size=vantages, max_size=vantages))
        return Belief(
            *pair,
            state=draw(st.sampled_from(State)),
            since_s=draw(st.sampled_from([0.0, 95.0])),
            turned_at_s=draw(st.sampled_from([float("-inf"), 0.0, 97.0])),
            hold_down_s=draw(st.sampled_from([0.0, 2.0, 8.0])),
            draining=draw(st.booleans()),
            penalty=draw(st.sampled_from([0.0, 0.5, 2.0, 4.0])),
            fell_at_s=draw(st.sampled_from([0.0, 97.0])),
            unseen=draw(st.booleans()),
            suppressed=draw(st.booleans()),
            fails=tuple(max(-count, 0) for count in seen),
            passes=tuple(max(count, 0) for count in seen),
        )

    pairs = draw(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=8))
    rules = Rules(
        fall=draw(st.integers(1, 3)),
        rise=draw(st.integers(1, 3)),
        fall_disputed=3,
        quorum=draw(st.integers(1, vantages)),
        hold_down_s=2,
        hold_down_max_s=10,
        forget_s=50,
        ramp_s=5,
        panic_ratio=draw(st.sampled_from([0.3, 0.5, 1.0])),
        ejection_ratio=draw(st.sampled_from([0.2, 0.5, 1.0])),
        ejection_capacity_ratio=draw(st.sampled_from([1 / 3, 1.0])),
        penalty_half_life_s=30.0,
    )
    return [belief(pair) for pair in sorted(pairs)], rules


def columns(fleet: list[Belief]) -> tuple[Verdicts, Evidence, Backends]:
    fails, passes = ints([b.fails for b in fleet]), ints([b.passes for b in fleet])
    verdicts = Verdicts(
        state=ints([b.state for b in fleet]),
        since_s=floats([b.since_s for b in fleet]),
        turned_at_s=floats([b.turned_at_s for b in fleet]),
        hold_down_s=floats([b.hold_down_s for b in fleet]),
        draining=bools([b.draining for b in fleet]),
        doubted=bools([b.doubted for b in fleet]),
        contradicted=bools([False for _ in fleet]),
        penalty=floats([b.penalty for b in fleet]),
        fell_at_s=floats([b.fell_at_s for b in fleet]),
        unseen=bools([b.unseen for b in fleet]),
        suppressed=bools([b.suppressed for b in fleet]),
        overloaded_at_s=floats([-np.inf for _ in fleet]),
        steps=no_steps(len(fleet)),
    )
    backends = Backends(service=ints([b.service for b in fleet]), cluster=ints([b.cluster for b in fleet]))
    heard_s = np.broadcast_to([99.9 if v < 2 else 90.0 for v in range(fails.shape[1])], fails.shape)
    since_s = np.where(fails > 0, 99.0, np.inf)
    return verdicts, Evidence(fails, passes, floats(heard_s), floats(since_s)), backends


@settings(max_examples=300, deadline=None)
@given(fleets())
def test_judge_is_the_naive_twin_on_any_small_fleet(case: tuple[list[Belief], Rules]) -> None:
    fleet, rules = case
    verdicts, evidence, backends = columns(fleet)

    after = judge(verdicts, evidence, backends, 100.0, rules)

    expected, _, _ = columns(judge_all(fleet, 100.0, rules))
    for name in COLUMNS:
        assert getattr(after, name).tolist() == pytest.approx(getattr(expected, name).tolist()), name


@settings(max_examples=100, deadline=None)
@given(fleets())
def test_judge_never_leaves_a_down_backend_usable_and_says_the_same_twice(case: tuple[list[Belief], Rules]) -> None:
    fleet, rules = case
    verdicts, evidence, backends = columns(fleet)

    after = judge(verdicts, evidence, backends, 100.0, rules)

    again = judge(verdicts, evidence, backends, 100.0, rules)
    assert all(getattr(after, name).tolist() == getattr(again, name).tolist() for name in COLUMNS)
    assert not usable(after)[np.isin(after.state, [State.DOWN, State.PROBATION])].any()
    assert (warmth(after, backends, 100.0, rules)[~usable(after)] == 0).all()
    part = warmth(after, backends, 100.0, rules)
    assert ((part >= 0) & (part <= 1)).all()


@settings(max_examples=100, deadline=None)
@given(fleets())
def test_panic_never_takes_out_more_of_a_service_than_its_ratio(case: tuple[list[Belief], Rules]) -> None:
    fleet, rules = case
    verdicts, evidence, backends = columns(fleet)

    after = judge(verdicts, evidence, backends, 100.0, rules)

    fell = usable(verdicts) & ~usable(after)
    for service in np.unique(backends.service[fell]):
        of_service = backends.service == service
        assert (~usable(after))[of_service].sum() <= rules.panic_ratio * of_service.sum()
    assert not (after.doubted & ~usable(after)).any()
