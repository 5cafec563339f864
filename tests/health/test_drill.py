from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from health.drill import (
    CONDITIONS,
    ENDED,
    LEVELS,
    MEANINGS,
    TRANSITIONS,
    UNDER_WAY,
    Drill,
    Level,
    Phase,
    Sight,
    Step,
    advance,
    conditions_of,
    ladder,
)

OK = Sight(settled=True)


def drill(level: Level = Level.CANARY, **changes: object) -> Drill:
    made = Drill("d-1", level, "cluster a", ladder(level, 10.0, 100.0), lease_s=5.0, began_s=0.0, since_s=0.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def played(found: Drill, sight: Sight, until_s: float, every_s: float = 1.0) -> list[Drill]:
    """Every state, one look after the other."""
    states = [found]
    at_s = found.since_s
    while at_s < until_s and not states[-1].ended:
        at_s += every_s
        states.append(advance(states[-1], sight, at_s))
    return states


def test_canary_when_nothing_is_wrong_goes_one_five_ten_percent_and_back() -> None:
    states = played(drill(), OK, 1_000.0)

    ratios = [s.ratio for s in states]
    steps = [r for i, r in enumerate(ratios) if i == 0 or r != ratios[i - 1]]
    assert steps == [0.0, 0.01, 0.05, 0.1, 0.05, 0.01, 0.0]
    assert states[-1].phase is Phase.SUCCEEDED


def test_full_drill_when_nothing_is_wrong_holds_everything_away_for_its_time() -> None:
    states = played(drill(Level.FULL), OK, 1_000.0)

    assert max(s.ratio for s in states) == 1.0
    assert sum(s.ratio == 1.0 for s in states) == 100
    assert states[-1].phase is Phase.SUCCEEDED


def test_dry_push_when_armed_has_succeeded_without_a_single_request() -> None:
    states = played(drill(Level.DRY_PUSH), OK, 10.0)

    assert [s.phase for s in states] == [Phase.CHECKING, Phase.ARMING, Phase.SUCCEEDED]
    assert not any(s.ratio for s in states)


def test_step_when_a_mesh_has_not_answered_is_not_left_until_the_drill_is_over_its_time() -> None:
    begun = drill(phase=Phase.AWAY, step=0)

    states = played(begun, Sight(settled=False), 10_000.0)

    assert states[-1].phase is Phase.FAILED
    assert "too long" in states[-1].reason
    assert all(s.step == 0 for s in states)


def test_drill_when_the_receivers_are_too_full_does_not_begin() -> None:
    ended = advance(drill(), Sight(overfull="b would be at 90 %"), 1.0)

    assert (ended.phase, ended.reason) == (Phase.CAPACITY_CHECK_FAILED, "b would be at 90 %")


def test_drill_when_a_real_loss_comes_yields_and_proves_nothing() -> None:
    away = drill(phase=Phase.AWAY, step=2)

    yielding = advance(away, Sight(preempted="b went down", harm="errors"), 1.0)
    ended = advance(yielding, OK, 1.5)

    assert (yielding.phase, yielding.ratio) == (Phase.YIELDING, 0.0)
    assert (ended.phase, ended.reason) == (Phase.INTERRUPTED, "b went down")


def test_drill_when_a_mesh_never_says_that_it_let_go_ends_with_the_lease() -> None:
    aborting = drill(phase=Phase.ABORTING, since_s=10.0, reason="errors")

    assert advance(aborting, Sight(), 14.9).phase is Phase.ABORTING
    assert advance(aborting, Sight(), 15.0).phase is Phase.FAILED


def sights() -> list[Sight]:
    words = ("", "because")
    return [Sight(*texts, settled=s) for *texts, s in product(words, words, words, words, (False, True))]


def reachable(found: Drill) -> bool:
    """Whether a drill can be in this phase with this step."""
    match found.phase:
        case Phase.CHECKING | Phase.ARMING | Phase.CAPACITY_CHECK_FAILED:
            return found.step == -1
        case Phase.AWAY:
            return 0 <= found.step <= found.peak
        case Phase.BACK:
            return found.step > found.peak
    return True


def test_every_phase_and_sight_when_advanced_follows_the_table_and_moves_traffic_in_two_phases_alone() -> None:
    arrows = {(source, target) for source, _, target in TRANSITIONS}
    for level, phase, sight in product((Level.DRY_PUSH, Level.CANARY, Level.FULL), Phase, sights()):
        steps = ladder(level, 10.0, 100.0)
        for step, at_s in product(range(-1, len(steps)), (0.0, 5.0, 10.0, 100.0, 1e6)):
            before = drill(level, phase=phase, step=step)
            if not reachable(before):
                continue
            after = advance(before, sight, at_s)
            assert after is before or (phase, after.phase) in arrows
            assert not after.ratio or after.phase in UNDER_WAY
            assert phase not in ENDED or after is before
            if sight.preempted and phase not in ENDED:
                assert not after.ratio, "whatever pre-empts takes everything back in the same step"
            if sight.harm and phase in UNDER_WAY:
                assert not after.ratio


@given(st.lists(st.sampled_from(sights()), max_size=60), st.sampled_from([Level.CANARY, Level.FULL]))
def test_drill_when_anything_went_wrong_on_the_way_never_succeeds(seen: list[Sight], level: Level) -> None:
    state, at_s, bad = drill(level), 0.0, False
    for sight in [*seen, *[OK] * 400]:
        at_s += 2.0
        bad |= bool(sight.preempted or (sight.harm and state.phase is not Phase.CHECKING)) and not state.ended
        before = state.ratio
        state = advance(state, sight, at_s)
        assert state.ratio - before <= max(
            b.ratio - a.ratio for a, b in zip(state.steps, state.steps[1:], strict=False)
        )

    assert state.ended
    assert not (bad and state.phase is Phase.SUCCEEDED)


def test_tables_when_read_say_what_every_word_means() -> None:
    assert set(CONDITIONS) == set(conditions_of(drill(), OK, 0.0)) == {t.when for t in TRANSITIONS}
    assert set(MEANINGS) == set(Phase)
    assert set(LEVELS) == set(Level)
    reached = {Phase.CHECKING} | {t.target for t in TRANSITIONS}
    assert reached == set(Phase)
    assert {t.source for t in TRANSITIONS} == set(Phase) - set(ENDED)


def test_ladders_when_made_end_at_home_and_never_exceed_their_level() -> None:
    assert max(s.ratio for s in ladder(Level.CANARY, 1.0, 9.0)) == 0.1
    assert ladder(Level.FULL, 1.0, 9.0)[3] == Step(1.0, 9.0)
    assert all(ladder(level, 1.0, 9.0)[-1].ratio == 0 for level in (Level.CANARY, Level.FULL))
    assert ladder(Level.PROBE, 1.0, 9.0) == ()
