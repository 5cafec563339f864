"""What meshes do with what is refused, and when probes say so."""

from pathlib import Path

import numpy as np
import pytest

from health.rules import Rules
from placement.columns import bools
from simulator.physics.layout import entries_of, layout_of
from simulator.physics.probing import Probing, watch_of
from simulator.physics.standbys import BACK_OFF_MS, NOWHERE, nobody, with_second_attempts
from simulator.physics.truth import undisturbed
from simulator.play import Played, play
from simulator.score import Window, score
from simulator.trio import trio
from tests.simulator.written import loaded

CHEAP_AWAY = """\
  about: everybody is served where it is cheap, and that breaks
  duration: 80s
  fleet:
    clusters:
      one: {at: aws/us-east-1, usdPerHour: {general: 0.05}}
      two: {at: gcp/us-east4, usdPerHour: {general: 5.00}}
    services:
      api: {rpsPerReplica: 50, replicas: 10, latencyMs: 20, responseBytes: 100, valueUsdPerMillionRequestMs: 0.00001}
  demand: [{service: api, origin: two, rps: 200}]
"""
BROKEN_S = 60.0


def broken(folder: Path, fault: str, world: str = "") -> Played:
    events = f"  events: [{{at: {BROKEN_S:g}s, cluster: one, for: 20s, {fault}}}]\n"
    return play(loaded(folder, events + f"  world: {{clients: {{retries: 0}}, step: 0.25s{world}}}\n", CHEAP_AWAY))


def after(run: Played, metric: str, seconds: float) -> float:
    return score(run, metric, Window(BROKEN_S, BROKEN_S + seconds, cluster="one"))


def test_second_attempts_go_to_the_next_of_the_table_that_is_open_and_take_the_way_of_the_first() -> None:
    fleet = trio()
    layout = layout_of(fleet, np.zeros(2), np.ones(2))
    share = np.zeros((len(fleet.flows), 4))
    share[:, 0] = 1.0
    first = entries_of(layout, share)
    rank = nobody(fleet)
    rank[:, :] = [0, 1, 2]
    open_ = np.ones((len(fleet.flows), 3), dtype=bool)
    open_[1, 1] = False

    made = with_second_attempts(layout, first, rank, bools(first.row < 3), open_)

    second = slice(len(first.row), None)
    assert made.entries.row[second].tolist() == [0, 1, 2]
    assert made.entries.cluster[second].tolist() == [1, 2, 1]
    assert made.entries.share[second].tolist() == [1, 1, 1]
    assert made.tried_ms[second] == pytest.approx(first.rtt_ms[:3] + BACK_OFF_MS)
    assert not made.tried_ms[: len(first.row)].any()


def test_second_attempts_without_another_cluster_in_the_table_are_none() -> None:
    fleet = trio()
    layout = layout_of(fleet, np.zeros(2), np.ones(2))
    share = np.zeros((len(fleet.flows), 4))
    share[:, 0] = 1.0
    first = entries_of(layout, share)
    rank = np.where(np.arange(3) == 0, 0, NOWHERE) * np.ones((len(fleet.flows), 1), dtype=np.int64)

    made = with_second_attempts(layout, first, rank, bools(np.ones(len(first.row))), rank >= 0)

    assert len(made.entries.row) == len(first.row)


def test_dead_cluster_costs_no_request_where_meshes_try_a_standby(tmp_path: Path) -> None:
    fails = broken(tmp_path, "fault: service-outage, service: api")
    tries = broken(tmp_path, "fault: service-outage, service: api", ", meshes: {standbyRetry: true}")

    assert score(fails, "share", Window(BROKEN_S - 20, BROKEN_S, cluster="one")) > 0.9
    assert after(fails, "failed", 2.0) > 0.05
    assert after(tries, "failed", 2.0) == pytest.approx(0.0, abs=1e-6)
    assert after(tries, "failovers", 5.0) >= 1


def test_cluster_that_answers_too_late_is_left_when_somebody_has_waited_for_it_and_no_sooner(tmp_path: Path) -> None:
    slow = broken(tmp_path, "fault: gray, slowdownMs: 3000, probed: true", ", meshes: {apply: 0.01s}")
    errs = broken(tmp_path, "fault: gray, errorRatio: 1.0, probed: true", ", meshes: {apply: 0.01s}")

    left_s = [next(at for at, words in run.diary.verdicts if words.endswith("DOWN")) for run in (errs, slow)]

    assert left_s[0] < BROKEN_S + 0.5 <= left_s[1] < BROKEN_S + 2.0
    assert after(slow, "failed", 0.5) > 0.9


def test_probe_of_a_slow_back_end_is_missed_when_its_time_is_over_and_no_sooner() -> None:
    fleet = trio()
    watch = watch_of(fleet, Rules(), 1)
    probing = Probing(fleet, watch, ("controller",), 0.25, 500.0, 4, np.random.default_rng(0))
    truth = undisturbed(fleet)
    truth.slow_ms = np.where(np.arange(len(fleet.backends)) == 0, 900.0, 0.0)
    probing.alter(truth)

    missed = []
    for number in range(1, 6):
        probing.round(0.25 * number)
        missed.append(int(watch.seen.fails[0, 0]))

    assert missed == [0, 0, 1, 2, 3]
    assert watch.seen.passes[1:, 0].tolist() == [5] * 5
    assert not probing.quiet, "what is late has to be heard of first"
