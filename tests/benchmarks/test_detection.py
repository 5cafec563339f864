import numpy as np

from benchmarks.detection import alarm_rate, condemned, detection_s, false_rate, fewer_bursts
from benchmarks.lossy import Kind, false_verdicts
from benchmarks.probing import measure
from health.rules import Rules


def test_detection_of_a_kill_by_two_of_three_is_known_within_a_second() -> None:
    seconds = detection_s(np.random.default_rng(2), "kill", 2, 3)

    assert np.isfinite(seconds).all()
    assert 0.2 < np.percentile(seconds, 50) < 0.5
    assert seconds.max() < 0.8


def test_false_verdicts_of_one_vantage_are_many_and_of_a_disputed_quorum_next_to_none() -> None:
    rng = np.random.default_rng(2)

    alone = false_verdicts(rng, Rules(), vantages=1, bursts=1, episodes=500)
    together = false_verdicts(rng, Rules(quorum=2), vantages=3, bursts=2, episodes=2_000)
    undisputed = false_verdicts(rng, Rules(quorum=2, fall_disputed=3), vantages=3, bursts=2, episodes=2_000)

    assert alone > 50
    assert together <= 1
    assert undisputed > together


def test_bursts_that_come_together_condemn_by_cluster_and_not_by_vantage_and_never_against_clients() -> None:
    rng, rules = np.random.default_rng(3), Rules(quorum=2)

    uplink = false_verdicts(rng, rules, 3, 1, 200, Kind.UPLINK)
    common = false_verdicts(rng, rules, 3, 3, 200, Kind.TOGETHER)
    served = false_verdicts(rng, rules, 3, 3, 200, Kind.TOGETHER, clients=True)

    assert uplink == served == 0
    assert common > 5


def test_false_rate_without_a_hit_is_its_bound_and_its_interval_holds_it() -> None:
    found = {2: (0, 30_000), 3: (0, 6_000)}

    rate = false_rate(found, 2, 3, every_s=1_800.0)

    assert rate["low95"] == 0
    assert rate["per_cluster_year"] <= rate["high95"] < 0.1
    assert fewer_bursts(2, 3, 1_800.0) < fewer_bursts(1, 1, 1_800.0)


def test_alarm_rate_is_below_what_lorden_promises() -> None:
    assert 0 < alarm_rate(0.001, 0.05, steps=5_000) < 1e-9


def test_episodes_with_more_bursts_than_the_quorum_are_looked_at_less() -> None:
    found = condemned(np.random.default_rng(2), 2, 3, episodes=100)

    assert {bursts: looked for bursts, (_, looked) in found.items()} == {2: 500, 3: 20}


async def test_probing_of_forty_targets_says_how_late_and_how_dear_it_was() -> None:
    values = await measure(targets=40, interval_ms=250.0, seconds=1.0, protocol="http", alone=False)

    assert values["targets"] == 40
    assert values["lag_p50_ms"] >= 0
    assert 0 < values["cpu_cores"] < 1
