from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.diagram import diagram, gray_diagram, page
from health.evidence import Evidence, no_evidence, record
from health.gray import GRAY_CONDITIONS, GRAY_MEANINGS, GRAY_TRANSITIONS, Gray, no_steps
from health.rules import Rules
from health.verdict import (
    CONDITIONS,
    MEANINGS,
    TRANSITIONS,
    State,
    Verdicts,
    all_up,
    carried_verdicts,
    changed,
    hold,
    judge,
    release,
    usable,
    warmth,
)
from placement.columns import bools, floats, ints
from placement.fleet import Backends
from tests.health.oracle import Belief, judge_all

RULES = Rules(fall=3, rise=4, hold_down_s=5, hold_down_max_s=300, forget_s=600, ramp_s=60)
FOUR_CLUSTERS = Backends(service=ints([0, 0, 0, 0]), cluster=ints([0, 1, 2, 3]))


class Story:
    """A fleet that is probed and judged every 250 ms, for tests that tell what happens in order."""

    def __init__(self, backends: Backends = FOUR_CLUSTERS, rules: Rules = RULES, vantages: int = 1) -> None:
        self.backends, self.rules, self.at_s = backends, rules, 1_000.0
        self.evidence = no_evidence(len(backends), vantages)
        self.verdicts = all_up(len(backends), self.at_s)

    def rounds(self, count: int, dead: set[int], blind: dict[int, set[int]] | None = None) -> "Story":
        """`count` rounds in which the rows in `dead` fail everywhere, and `blind[v]` fail at vantage v only."""
        rows = ints(np.arange(len(self.backends)))
        for _ in range(count):
            self.at_s += 0.25
            for vantage in range(self.evidence.vantages):
                failed = dead | (blind or {}).get(vantage, set())
                ok = bools([row not in failed for row in range(len(self.backends))])
                self.evidence = record(self.evidence, rows, vantage, ok, self.at_s)
            self.judge()
        return self

    def judge(self) -> "Story":
        self.verdicts = judge(self.verdicts, self.evidence, self.backends, self.at_s, self.rules)
        return self

    def until_back(self, row: int) -> float:
        """Probes pass until the row is in service; seconds since it fell."""
        while not usable(self.verdicts)[row]:
            self.rounds(1, dead=set())
            assert self.at_s < 10_000
        return self.at_s - self.fell_at_s

    def fall(self, row: int) -> "Story":
        self.rounds(self.rules.fall, dead={row})
        assert self.state(row) == State.DOWN
        self.fell_at_s = self.at_s
        return self

    def wait(self, seconds: float) -> "Story":
        self.at_s += seconds
        return self

    def state(self, row: int) -> State:
        return State(self.verdicts.state[row])


def test_judge_of_targets_never_probed_says_up() -> None:
    story = Story().judge()

    assert usable(story.verdicts).all()
    assert {story.state(row) for row in range(4)} == {State.UP}


def test_judge_after_fall_failures_takes_out_and_not_before() -> None:
    story = Story().rounds(2, dead={1})
    assert story.state(1) == State.SUSPECT
    before = story.verdicts

    story.rounds(1, dead={1})

    assert story.state(1) == State.DOWN
    assert changed(before, story.verdicts)
    assert usable(story.verdicts).tolist() == [True, False, True, True]


def test_judge_after_a_single_miss_clears_the_suspicion() -> None:
    story = Story().rounds(1, dead={1}).rounds(1, dead=set())

    assert story.state(1) == State.UP


def test_judge_with_fewer_vantages_than_the_quorum_condemning_keeps_it_in() -> None:
    rules = Rules(fall=3, rise=4, quorum=2)
    story = Story(rules=rules, vantages=3).rounds(20, dead=set(), blind={0: {1}})

    assert story.state(1) == State.SUSPECT


def test_judge_while_another_vantage_gets_answers_takes_out_after_the_disputed_fall() -> None:
    story = Story(rules=Rules(fall=3, fall_disputed=8, quorum=2), vantages=3)

    story.rounds(7, dead=set(), blind={0: {1}, 2: {1}})
    assert story.state(1) == State.SUSPECT
    story.rounds(1, dead=set(), blind={0: {1}, 2: {1}})

    assert story.state(1) == State.DOWN


def test_judge_when_every_vantage_misses_takes_out_after_fall_failures() -> None:
    story = Story(rules=Rules(fall=3, quorum=2), vantages=3).rounds(20, dead=set())

    story.rounds(3, dead={1})

    assert story.state(1) == State.DOWN


def test_judge_with_a_quorum_above_the_vantages_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="quorum 2 of 1 vantages"):
        Story(rules=Rules(quorum=2)).judge()


def test_return_takes_rise_successes_and_the_hold_down_then_ramps() -> None:
    story = Story().fall(1)

    out_s = story.rounds(1, dead=set()).until_back(1)

    assert out_s == pytest.approx(5.0)
    assert story.state(1) == State.RAMP
    given = [warmth(story.verdicts, FOUR_CLUSTERS, story.at_s + late_s, RULES)[1] for late_s in (0, 13, 25, 37, 49)]
    assert given == [0.01, 0.05, 0.1, 0.25, 0.5]
    assert story.wait(60).rounds(1, dead=set()).state(1) == State.UP
    assert warmth(story.verdicts, FOUR_CLUSTERS, story.at_s, RULES)[1] == 1


def test_ramp_of_a_service_with_one_of_its_own_takes_that_long() -> None:
    rules = replace(RULES, service_ramp_s=(600.0,))
    story = Story(rules=rules).fall(1)
    story.until_back(1)

    assert story.wait(61).rounds(1, dead=set()).state(1) == State.RAMP
    assert warmth(story.verdicts, FOUR_CLUSTERS, story.at_s, rules)[1] == 0.01
    assert story.wait(540).rounds(1, dead=set()).state(1) == State.UP


def test_chronic_flapper_is_kept_out_beyond_its_hold_down() -> None:
    story = Story(rules=replace(RULES, hold_down_s=1.0, hold_down_max_s=1.0))
    out_s = []
    for _ in range(4):
        story.fall(1)
        out_s.append(story.until_back(1))

    assert out_s[:2] == [1.0, 1.0]
    assert out_s[2] == pytest.approx(300 * np.log2(3 / 0.75), rel=0.02)


def test_return_with_a_miss_between_starts_the_count_again() -> None:
    story = Story().fall(1).wait(10).rounds(3, dead=set())
    assert story.state(1) == State.PROBATION

    story.rounds(1, dead={1})
    assert story.state(1) == State.DOWN
    story.rounds(3, dead=set())

    assert story.state(1) == State.PROBATION
    assert story.rounds(1, dead=set()).state(1) == State.RAMP


def test_hold_down_of_a_flapping_backend_doubles_to_its_limit() -> None:
    story, held_s = Story(), []

    for _ in range(8):
        story.fall(1)
        held_s.append(story.verdicts.hold_down_s[1])
        story.until_back(1)

    assert held_s == [5, 10, 20, 40, 80, 160, 300, 300]


def test_hold_down_after_a_quiet_time_is_forgotten() -> None:
    story = Story().fall(1)
    story.until_back(1)
    story.fall(1)
    story.until_back(1)

    story.wait(601).rounds(1, dead=set()).fall(1)

    assert story.verdicts.hold_down_s[1] == 5


def test_fall_while_ramping_is_not_damped() -> None:
    story = Story().fall(1)
    story.until_back(1)

    story.rounds(3, dead={1})

    assert story.state(1) == State.DOWN


def test_panic_when_most_backends_of_a_service_fail_takes_out_nobody_new() -> None:
    story = Story().fall(1)

    story.rounds(10, dead={0, 1, 2})

    assert usable(story.verdicts).tolist() == [True, False, True, True]
    assert story.verdicts.panic
    assert story.verdicts.doubted.tolist() == [True, False, True, False]
    assert story.state(0) == State.SUSPECT


def test_panic_when_it_is_over_condemns_who_still_fails() -> None:
    story = Story().rounds(10, dead={0, 1, 2})
    assert usable(story.verdicts).all()

    story.rounds(1, dead={0})

    assert usable(story.verdicts).tolist() == [False, True, True, True]
    assert not story.verdicts.panic


def test_panic_of_one_service_leaves_the_others_their_failover() -> None:
    two_services = Backends(service=ints([0, 0, 1, 1, 1]), cluster=ints([0, 1, 0, 1, 2]))
    story = Story(two_services).rounds(10, dead={0, 1, 2})

    assert usable(story.verdicts).tolist() == [True, True, False, True, True]
    assert story.verdicts.doubted.tolist() == [True, True, False, False, False]


def test_panic_when_most_clusters_go_dark_holds_every_service() -> None:
    """Each service loses half of its backends, which alone would be believed; but two of three clusters are dark."""
    backends = Backends(service=ints([0, 0, 1, 1]), cluster=ints([0, 2, 1, 2]))
    story = Story(backends).rounds(10, dead={0, 2})

    assert usable(story.verdicts).all()
    assert story.verdicts.doubted.tolist() == [True, False, True, False]


def test_panic_when_our_uplink_breaks_comes_before_the_first_is_taken_out() -> None:
    """Probes are spread over the interval: rows fail one after the other, and all have missed before one is counted."""
    story = Story()
    for miss in range(12):
        story.at_s += 0.02
        story.evidence = record(story.evidence, ints([miss % 4]), 0, bools([False]), story.at_s)
        story.judge()

    assert usable(story.verdicts).all()
    assert story.verdicts.doubted.all()


def test_draining_backend_gets_nothing_new_and_still_goes_out_when_it_dies() -> None:
    story = Story()
    story.verdicts = hold(story.verdicts, ints([1]), State.DRAINING, story.at_s)
    story.rounds(1, dead=set())
    assert usable(story.verdicts)[1]
    assert warmth(story.verdicts, FOUR_CLUSTERS, story.at_s, RULES)[1] == 0

    story.fall(1)
    story.until_back(1)

    assert story.state(1) == State.DRAINING
    story.verdicts = release(story.verdicts, ints([1]), story.at_s)
    assert story.state(1) == State.RAMP


def test_draining_set_on_a_dead_backend_does_not_revive_it() -> None:
    story = Story().fall(1)

    story.verdicts = hold(story.verdicts, ints([1]), State.DRAINING, story.at_s)

    assert story.state(1) == State.DOWN
    story.until_back(1)
    assert story.state(1) == State.DRAINING


def test_frozen_backend_stays_in_service_whatever_the_probes_say() -> None:
    story = Story().fall(1)
    story.verdicts = hold(story.verdicts, ints([1]), State.FROZEN, story.at_s)

    story.rounds(10, dead={1})
    assert usable(story.verdicts)[1]
    assert warmth(story.verdicts, FOUR_CLUSTERS, story.at_s, RULES)[1] == 1

    story.verdicts = release(story.verdicts, ints([1]), story.at_s)
    assert story.judge().state(1) == State.DOWN


def test_hold_with_a_state_of_the_probes_is_refused() -> None:
    with pytest.raises(ValueError, match="DOWN is for the probes to say"):
        hold(all_up(1, 0.0), ints([0]), State.DOWN, 0.0)


def test_carried_verdicts_keep_the_known_rows_and_start_new_ones_up() -> None:
    story = Story().fall(1)

    after = carried_verdicts(story.verdicts, ints([1, -1, 0]), story.at_s)

    assert after.state.tolist() == [State.DOWN, State.UP, State.UP]
    assert after.hold_down_s.tolist() == [5, 0, 0]
    assert len(carried_verdicts(all_up(0, 0.0), ints([-1]), 1.0)) == 1


def test_docs_page_is_what_the_table_says() -> None:
    """Write it again with: python -m health.diagram > docs/verdicts.md"""
    assert (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text() == page()


def test_diagram_has_an_arrow_for_every_transition_and_words_for_every_name() -> None:
    assert diagram().count("-->") == len(TRANSITIONS) + 1
    assert {when for _, when, _ in TRANSITIONS} == set(CONDITIONS)
    assert set(State) == set(MEANINGS)
    assert gray_diagram().count("-->") == len(GRAY_TRANSITIONS) + 1
    assert {arrow.when for arrow in GRAY_TRANSITIONS} == set(GRAY_CONDITIONS)
    assert set(Gray) == set(GRAY_MEANINGS)


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
        suppressed=bools([b.suppressed for b in fleet]),
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
