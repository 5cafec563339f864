"""Golden transcripts. To renew: understand why one changed, then `python -m simulator.run tests/simulator/golden`."""

from functools import cache
from pathlib import Path

import pytest

from health.verdict import usable
from placement.losses import lost_clusters
from placement.plan import Reason
from scheduler.turn import Turn
from simulator.run import play
from simulator.story import STORIES, Story
from simulator.trio import trio

GOLDEN = Path(__file__).with_name("golden")
BY_NAME = {story.name: story for story in STORIES}
played = cache(play)
"""A story as played once for all tests: turns are values, nobody changes them."""


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_story_when_played_matches_its_golden_transcript_twice(story: Story) -> None:
    first, second = played(story)[0], play(story)[0]

    assert first == second, "the same story must give the same bytes"
    assert first == (GOLDEN / f"{story.name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_no_turn_ever_leaves_load_on_a_lost_cluster(story: Story) -> None:
    fleet = trio()
    for turn in played(story)[1]:
        lost = lost_clusters(fleet, usable(turn.verdicts))
        on_lost = [c for c in turn.pushed.column.tolist() if c < fleet.shed and lost[c]]
        assert not on_lost, f"{story.name} at {turn.at_s} s"


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_no_written_row_is_ever_empty_or_all_zero(story: Story) -> None:
    for turn in played(story)[1]:
        for outcome in turn.outcomes.values():
            table = outcome.table
            for service, targets, shed in table.items():
                assert sum(t.weight for t in targets) + shed == table.unit, f"{service} in turn {turn.number}"


def test_all_probes_failing_moves_no_weight_and_says_panic() -> None:
    turns = played(BY_NAME["all-probes-failing"])[1]

    blind = [t for t in turns if 30.5 < t.at_s <= 80]
    assert all(t.verdicts.panic for t in blind)
    assert not any(t.outcomes for t in blind)


def test_loss_is_acted_on_within_three_probes_and_between_two_ticks() -> None:
    turns = played(BY_NAME["loss-at-normal-load"])[1]

    reaction = next(t for t in turns if t.plan.reason is Reason.FAILOVER)
    assert 30.0 < reaction.at_s <= 31.0
    assert reaction.plan.detail == "cluster fra"


def test_stale_telemetry_holds_until_the_loss_and_then_uses_the_table() -> None:
    turns = played(BY_NAME["stale-telemetry-plus-loss"])[1]

    reasons = {t.plan.reason for t in turns if 52 < t.at_s <= 70}
    assert reasons == {Reason.HELD}
    assert next(t for t in turns if t.at_s > 70.25).plan.reason is Reason.FAILOVER


def test_loss_at_full_load_sheds_only_what_does_not_fit() -> None:
    turns = played(BY_NAME["loss-at-full-load"])[1]

    assert shed_share(turns, 40, 60) == pytest.approx((1.6 * 240 - 320) / (1.6 * 240), abs=0.01)
    assert shed_share(turns, 105, 120) < 1e-6, "nothing is refused once fra is back"


def shed_share(turns: list[Turn], from_s: float, to_s: float) -> float:
    """Requests refused where they enter, over all, in the turns of a time."""
    refused = total = 0.0
    fleet = trio()
    for turn in turns:
        if from_s < turn.at_s <= to_s:
            demand = turn.snapshot.readings.demand_rps
            front = fleet.flows.service == 0
            routing = turn.pushed.dense()
            refused += float((demand * routing[:, fleet.shed])[front].sum())
            total += float(demand[front].sum())
    return refused / total
