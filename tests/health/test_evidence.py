import numpy as np

from health.evidence import carried_evidence, no_evidence, record
from placement.columns import bools, ints


def test_record_counts_runs_of_failures_and_successes_per_vantage() -> None:
    evidence = no_evidence(targets=2, vantages=2)

    for at_s, ok in ((1.0, [False, True]), (2.0, [False, True]), (3.0, [True, False])):
        evidence = record(evidence, ints([0, 1]), 1, bools(ok), at_s)

    assert evidence.fails.tolist() == [[0, 0], [0, 1]]
    assert evidence.passes.tolist() == [[0, 1], [0, 0]]
    assert evidence.last_at_s[:, 1].tolist() == [3.0, 3.0]
    assert np.isneginf(evidence.last_at_s[:, 0]).all()


def test_record_of_a_late_or_repeated_result_changes_nothing() -> None:
    evidence = record(no_evidence(1), ints([0]), 0, bools([True]), 5.0)

    for at_s in (4.0, 5.0):
        evidence = record(evidence, ints([0]), 0, bools([False]), at_s)

    assert evidence.fails.tolist() == [[0]]
    assert evidence.passes.tolist() == [[1]]


def test_record_leaves_the_value_before_it_alone() -> None:
    before = no_evidence(3)

    after = record(before, ints([2]), 0, bools([False]), 1.0)

    assert before.fails.sum() == 0
    assert after.fails.tolist() == [[0], [0], [1]]
    assert not after.fails.flags.writeable


def test_carried_evidence_follows_the_rows_of_a_new_fleet() -> None:
    evidence = record(no_evidence(2), ints([0, 1]), 0, bools([False, True]), 1.0)

    after = carried_evidence(evidence, ints([1, -1, 0]))

    assert after.fails.tolist() == [[0], [0], [1]]
    assert after.passes.tolist() == [[1], [0], [0]]
    assert carried_evidence(no_evidence(0), ints([-1])).fails.tolist() == [[0]]
