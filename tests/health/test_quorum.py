import numpy as np

from health.evidence import Evidence, no_evidence, record
from health.quorum import beyond_one_cluster, missing_since_s, sighted_vantages, votes
from health.rules import Rules
from placement.columns import bools, ints

RULES = Rules(fall=3, quorum=2)
CLUSTER = ints([0, 0, 1, 1, 2, 2])
ALL = ints(np.arange(6))


def looked(misses: dict[int, set[int]], vantages: int = 3, rounds: int = 3, silent: int | None = None) -> Evidence:
    """Some rounds in which vantage v misses the targets `misses[v]`; a silent one says nothing."""
    evidence = no_evidence(6, vantages)
    for number in range(rounds):
        for vantage in set(range(vantages)) - {silent}:
            ok = bools([target not in misses.get(vantage, set()) for target in range(6)])
            evidence = record(evidence, ALL, vantage, ok, 10.0 + number / 4)
    return evidence


def test_vantage_that_misses_much_alone_is_blind_and_the_others_decide() -> None:
    evidence = looked({0: {0, 1, 2, 3, 4, 5}, 1: {2}, 2: {2}})

    said = votes(evidence, CLUSTER, 10.5, RULES)

    assert said.sighted.tolist() == [False, True, True]
    assert np.flatnonzero(said.failing).tolist() == [2]


def test_vantage_that_misses_one_cluster_with_the_others_is_not_blind() -> None:
    evidence = looked({v: {2, 3} for v in range(3)})

    assert sighted_vantages(evidence, CLUSTER, 10.5, RULES).all()


def test_vantage_that_fell_silent_is_absent_and_two_remain_to_decide() -> None:
    evidence = looked({0: {4}, 1: {4}}, silent=2)

    said = votes(evidence, CLUSTER, 10.5, RULES)

    assert said.sighted.tolist() == [True, True, False]
    assert np.flatnonzero(said.failing).tolist() == [4]


def test_one_vantage_left_of_several_condemns_nobody() -> None:
    evidence = record(looked({0: {4}}, rounds=5), ALL, 0, bools([True] * 4 + [False, True]), 20.0)

    said = votes(evidence, CLUSTER, 20.0, RULES)

    assert said.sighted.tolist() == [True, False, False]
    assert not said.failing.any()
    assert said.accused[4]


def test_single_vantage_that_was_planned_as_the_only_one_condemns() -> None:
    said = votes(looked({0: {4}}, vantages=1), CLUSTER, 10.5, Rules(fall=3))

    assert np.flatnonzero(said.failing).tolist() == [4]


def test_quorum_of_more_than_are_left_becomes_all_that_are_left() -> None:
    evidence = looked({0: {4}, 1: {4}}, vantages=4, silent=3)
    evidence = record(evidence, ALL, 2, bools([True] * 4 + [False, True]), 10.5)

    assert not votes(evidence, CLUSTER, 10.5, Rules(fall=3, quorum=3)).failing.any()
    assert votes(looked({v: {4} for v in range(3)}, 4, silent=3), CLUSTER, 10.5, Rules(fall=3, quorum=4)).failing[4]


def test_beyond_one_cluster_counts_what_the_worst_cluster_does_not_explain() -> None:
    assert beyond_one_cluster(bools([1, 1, 0, 0, 0, 0]), CLUSTER) == 0
    assert beyond_one_cluster(bools([1, 1, 1, 0, 1, 0]), CLUSTER) == 2 / 6
    assert beyond_one_cluster(bools([0] * 6), CLUSTER) == 0


def test_missing_since_is_when_the_last_of_the_accusers_began() -> None:
    evidence = looked({0: {1}}, rounds=2)
    evidence = record(evidence, ints([1]), 1, bools([False]), 11.0)

    assert missing_since_s(evidence).tolist() == [np.inf, 11.0, *[np.inf] * 4]
