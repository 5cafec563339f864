"""Many what-ifs: variants of a scenario, sweeps here and on Ray, and the atlas of failures."""

from pathlib import Path

import pytest

from simulator.atlas import atlas_runs, domains, ranked
from simulator.sweep import Run, sweep
from simulator.variants import NoSuchKey, grid, with_values
from tests.simulator.written import PAIR, loaded

SHORT = PAIR.replace("3m", "20s")
TRIPLE = """\
  about: three clusters of two providers
  duration: 1m
  fleet:
    clusters: {one: {at: aws/eu-west-1}, two: {at: aws/eu-central-1}, three: {at: gcp/europe-west1}}
    services: {api: {rpsPerReplica: 50, replicas: {one: 10, two: 10, three: 2}}}
  demand: [{service: api, rps: 100}]
"""


def test_value_when_set_changes_the_scenario_and_nothing_else(tmp_path: Path) -> None:
    before = loaded(tmp_path)

    after = with_values(before, {"world.clients.retries": 3, "demand.0.rps": 50})

    assert after.scenario.spec.world.clients.retries == 3
    assert after.scenario.spec.demand[0].rps == 50
    assert after.scenario.spec.duration == before.scenario.spec.duration
    assert before.scenario.spec.world.clients.retries == 1


def test_value_when_the_key_is_unknown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSuchKey, match="retry"):
        with_values(loaded(tmp_path), {"world.clients.retry": 3})


def test_grid_when_given_two_keys_has_every_combination(tmp_path: Path) -> None:
    found = grid(loaded(tmp_path), {"world.clients.retries": [0, 1, 2], "seed": [1, 2]})

    assert len(found) == 6
    assert found[0].words == "world.clients.retries=0, seed=1"


def test_domains_when_listed_are_clusters_and_groups_that_are_not_all(tmp_path: Path) -> None:
    found = domains(loaded(tmp_path, spec=TRIPLE).configuration, 10.0, 20.0)

    assert {d.words for d in found} == {"cluster one", "cluster two", "cluster three", "provider aws"}


def test_atlas_when_pairs_are_wanted_leaves_somebody_alive_and_ranks_by_harm(tmp_path: Path) -> None:
    runs = atlas_runs(loaded(tmp_path, spec=TRIPLE), pairs=True, policy="local")
    words = [run.words for run in runs]

    assert "cluster one + cluster two" in words
    assert "cluster three + provider aws" not in words, "nobody would be left"
    rows = ranked(sweep([run for run in runs if run.words in {"cluster one + cluster two", "cluster three"}]))
    assert rows[0]["loss"] == "cluster one + cluster two", "one tenth of the capacity is left for all"
    assert rows[0]["unanswered"] > rows[1]["unanswered"]


def test_sweep_when_played_on_ray_gives_what_this_process_gives(tmp_path: Path) -> None:
    runs = [Run(str(seed), loaded(tmp_path, spec=SHORT), "local", seed) for seed in (1, 2)]

    here, there = sweep(runs), sweep(runs, jobs=2, ray_from=1)

    assert [r["trace"] for r in there] == [r["trace"] for r in here]
    assert here[0]["variant"] == "1"
