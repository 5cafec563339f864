"""Whole runs: deterministic, conserving, with the stories that the physics is there for."""

from pathlib import Path

import numpy as np
import pytest

from simulator.physics.demand import NoData
from simulator.play import Played, play
from simulator.rivals import RIVALS
from simulator.score import Window, findings, score
from tests.simulator.written import PAIR, loaded

OUTAGE = "  events:\n  - {at: 1m, fault: cluster-outage, cluster: one, for: 1m}\n"
OUTAGE += "  world: {clients: {dnsTtl: 5s}}\n"
ALONE = """\
  about: one overloaded pair and its impatient clients
  duration: 4m
  fleet:
    clusters: {one: {at: aws/us-east-1}, two: {at: gcp/us-east4}}
    services: {api: {rpsPerReplica: 50, replicas: 10, latencyMs: 20}}
  demand: [{service: api, rps: 410}]
  events: [{at: 1m, fault: demand-surge, factor: 2, for: 1m}]
"""


def metastable(folder: Path, budget: float) -> Played:
    """A minute at 164 % of capacity, with three retries, under weights that nobody changes."""
    world = f"  world: {{clients: {{timeout: 1s, retries: 3, retryBudget: {budget}}}, queue: 5s}}\n"
    return play(loaded(folder, world, ALONE), "local")


def test_run_when_repeated_with_its_seed_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    noisy = PAIR.replace("rps: 300}", "rps: 300, noise: 0.1}").replace("3m", "1m")
    scenario = loaded(tmp_path, "  events: [{at: 20s, fault: gray, cluster: one, errorRatio: 0.2}]\n", noisy)

    first, second, other = play(scenario, seed=1), play(scenario, seed=1), play(scenario, seed=2)

    assert first.trace() == second.trace()
    assert first.trace() != other.trace()


@pytest.mark.parametrize("policy", ["equipoise", "waterfall"])
def test_requests_when_counted_are_answered_refused_or_failed(tmp_path: Path, policy: str) -> None:
    books = play(loaded(tmp_path, OUTAGE), policy).books
    rest = books.asked_rps - books.good_rps - books.shed_rps

    assert (books.good_rps >= 0).all()
    assert (books.shed_rps >= 0).all()
    assert (rest >= -1e-6).all()
    assert books.length_s.sum() == pytest.approx(180)


def test_latency_when_every_request_takes_as_long_is_the_same_at_every_percentile(tmp_path: Path) -> None:
    """One cluster, so that nothing else makes a difference; as many requests take as long on the average either way."""
    one = (
        PAIR.replace("      two: {at: aws/eu-central-1}\n", "")
        .replace("3m", "30s")
        .replace("calls: {stock: 1}, ", "{}")
    )
    even, odd = (play(loaded(tmp_path, spec=one.replace("{}", f"variability: {v}, "))) for v in (0, 1))

    assert score(even, "p99Ms") == score(even, "p50Ms")
    assert score(odd, "p50Ms") < score(even, "p50Ms") < score(odd, "p95Ms")
    assert score(odd, "p99Ms") > 2 * score(odd, "p50Ms")


def test_loss_when_it_happens_is_evacuated_in_seconds_and_comes_back(tmp_path: Path) -> None:
    run = play(loaded(tmp_path, OUTAGE))

    assert score(run, "failovers", Window(60, 65)) >= 1
    assert score(run, "share", Window(75, 118, cluster="one")) < 0.15, "but for names that clients keep"
    assert score(run, "availability", Window(90, 118)) > 0.95
    assert any("DOWN" in words for _, words in run.diary.verdicts)
    assert any(move.reason == "failover" and move.part > 0.3 for move in run.diary.moves)


def test_crash_when_the_controller_is_away_leaves_every_weight_alone(tmp_path: Path) -> None:
    run = play(loaded(tmp_path, "  events: [{at: 30s, fault: controller-crash, for: 1m}]\n"))
    away = [at_s for at_s, _, _ in run.diary.reasons if 30.5 < at_s < 89.5]

    assert not away, "nobody ticks"
    assert score(run, "moved", Window(60, 90)) == pytest.approx(0, abs=0.1), "but for names that clients keep"
    assert score(run, "availability", Window(31, 90)) > 0.999
    assert any(at_s >= 90 for at_s, _, _ in run.diary.reasons), "it is back"


def test_retries_when_unbounded_keep_an_overload_alive_and_a_budget_ends_it(tmp_path: Path) -> None:
    endless, bounded = metastable(tmp_path, 10.0), metastable(tmp_path, 0.2)
    before, after = Window(20, 58), Window(210, 240)

    assert score(endless, "availability", before) > 0.99
    assert score(endless, "availability", after) < 0.2, "long after its cause is gone"
    assert score(bounded, "availability", after) > 0.99


def test_quiet_when_it_lasts_a_quarter_of_an_hour_is_survived_by_the_loop(tmp_path: Path) -> None:
    run = play(loaded(tmp_path, spec=PAIR.replace("3m", "14m").replace("rps: 300}", "rps: 300, noise: 0.1}")))

    assert score(run, "availability") > 0.999
    assert len(run.diary.reasons) >= 14 * 12


def test_prices_when_they_rise_move_what_does_not_mind(tmp_path: Path) -> None:
    cheap = PAIR.replace("valueUsdPerMillionRequestMs: 0.2", "valueUsdPerMillionRequestMs: 0.0001").replace("3m", "8m")
    spike = "  events: [{at: 1m, fault: price-change, cluster: one, factor: 10, for: 7m}]\n"

    run = play(loaded(tmp_path, spike, cheap))

    before, after = (score(run, "share", Window(*w, service="shop", cluster="one")) for w in ((30, 58), (440, 480)))
    assert after < before - 0.1
    assert score(run, "availability") > 0.999


@pytest.mark.parametrize("policy", sorted(RIVALS))
def test_rival_when_all_is_well_serves_everybody(tmp_path: Path, policy: str) -> None:
    run = play(loaded(tmp_path, spec=PAIR.replace("3m", "40s")), policy)

    assert score(run, "availability") > 0.99


def test_autoscaler_when_demand_doubles_is_late_by_its_startup(tmp_path: Path) -> None:
    more = "  events: [{at: 1m, fault: demand-surge, factor: 2}]\n"
    more += "  world: {autoscaling: {startup: 40s, downAfter: 10s, minRatio: 0.3, maxRatio: 1.0}}\n"
    run = play(loaded(tmp_path, more))
    usd = run.books.compute_usd
    at_s = run.books.starts_s

    assert usd[(at_s > 150)].mean() > 1.1 * usd[(at_s > 20) & (at_s < 58)].mean()


def test_expectations_when_unmet_are_said_with_their_value(tmp_path: Path) -> None:
    more = '  expect: [{metric: availability, is: "> 1"}]\n  thresholds: {p95Ms: "< 500"}\n'
    found = findings(play(loaded(tmp_path, more, PAIR.replace("3m", "30s"))))

    assert [f.met for f in found] == [False, True]
    assert found[0].value == pytest.approx(1.0)


def test_trace_when_missing_says_where_to_get_it(tmp_path: Path) -> None:
    replay = PAIR.replace("rps: 300}", "rps: 300, replay: {file: 'data:nowhere.csv', value: rps}}")

    with pytest.raises(NoData, match="EQUIPOISE_DATA"):
        play(loaded(tmp_path, spec=replay))


def test_replay_when_played_follows_its_series(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("t_offset_s,rps\n0,1\n30,1\n31,3\n60,3\n", encoding="utf-8")
    replay = PAIR.replace("rps: 300}", "rps: 300, replay: {file: trace.csv, value: rps}}").replace("3m", "1m")

    asked = play(loaded(tmp_path, spec=replay)).books.asked_rps.sum(axis=1)

    assert asked[-5] / asked[5] == pytest.approx(3.0, rel=0.01)
    assert np.isfinite(asked).all()
