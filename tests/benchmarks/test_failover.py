"""What the failover benchmark makes of outcomes; the outcomes themselves are held by tests/simulator/lab/trial."""

import pytest

from benchmarks.failover import figures, parse, table
from simulator.lab.trial.outcome import Outcome


def test_figures_of_faults_that_were_all_left_are_percentiles_and_sums() -> None:
    found = figures([Outcome(0.25, 0.2, 1, 500), Outcome(0.5, 0.4, 2, 510), Outcome(0.75, 0.6, 0, 490)])

    assert (found["times"], found["left"], found["failed_requests"], found["requests"]) == (3, 3, 3, 1_500)
    assert (found["p50_shift_s"], found["p99_shift_s"], found["p50_detect_s"]) == (0.5, 0.75, 0.4)


def test_figures_of_a_cluster_that_was_seldom_left_have_no_percentile_beyond_the_faults() -> None:
    found = figures([Outcome(2.0, None, 9, 10), Outcome(None, None, 10, 10), Outcome(None, None, 10, 10)])

    assert (found["left"], found["p50_shift_s"], found["p50_detect_s"]) == (1, None, None)


def test_table_has_a_line_for_each_data_plane() -> None:
    row = figures([Outcome(0.25, 0.2, 1, 500)])

    shown = table({"plane": "envoy", "fault": "kill", **row, "anchors": {"haproxy_checks": row}})

    assert [line.split()[0] for line in shown.splitlines()] == ["kill", "equipoise", "haproxy_checks"]


def test_parse_takes_a_choice_of_anchors_or_none_and_refuses_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["--anchors", "none"]).anchors == ()
    assert parse(["--anchors", "k8gb_like"]).anchors == ("k8gb_like",)
    with pytest.raises(SystemExit):
        parse(["--anchors", "wishes"])
    assert "no anchor is called 'wishes'" in capsys.readouterr().err
