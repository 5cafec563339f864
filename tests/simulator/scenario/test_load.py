"""Scenario files: what is taken, and what is refused with its place."""

import json
from pathlib import Path

import pytest

from config.problem import Invalid
from simulator.scenario.load import load_scenario
from simulator.scenario.schema import json_schema
from tests.simulator.written import PAIR, loaded, written

SCENARIOS = Path(__file__).parents[3] / "scenarios"


@pytest.mark.parametrize("file", sorted(SCENARIOS.glob("*.yaml")), ids=lambda file: file.stem)
def test_published_scenario_when_loaded_is_valid_and_named_like_its_file(file: Path) -> None:
    scenario = load_scenario(file).scenario

    assert scenario.name == file.stem
    assert scenario.spec.expect or scenario.spec.thresholds, "a scenario without an expectation proves nothing"


def test_schema_when_published_is_that_of_the_models() -> None:
    assert json.loads((SCENARIOS / "schema.json").read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize(
    ("more", "place", "words"),
    [
        ("  events:\n  - {at: 1m, fault: cluster-outag, cluster: one}\n", "19:21", 'did you mean "cluster-outage"?'),
        ("  events:\n  - {at: 1m, fault: gateway-loss, cluster: on}\n", "19:44", 'no cluster "on"'),
        ("  events:\n  - {at: 1m, fault: gateway-loss, clster: one}\n", "19:35", 'unknown key "clster"'),
        ("  events:\n  - {at: soon, fault: ledger-outage}\n", "19:10", "must be a duration"),
        ("  expect:\n  - {metric: availability, is: about right}\n", "19:32", "must be a comparison"),
        ("  expect:\n  - {metric: share, is: '< 1'}\n", "19:5", "share needs a cluster"),
        ("  thresholds: {latency: '< 3'}\n", "18:16", "must be availability or failed"),
        ("  world: {vantages: [three]}\n", "18:22", 'no cluster "three"'),
        ("  world: {quorum: 2}\n", "18:10", "quorum 2 of 1 vantages"),
    ],
)
def test_scenario_when_wrong_is_refused_with_file_line_and_column(
    tmp_path: Path, more: str, place: str, words: str
) -> None:
    file = written(tmp_path, more)

    with pytest.raises(Invalid) as refused:
        load_scenario(file)

    said = str(refused.value)
    assert words in said
    assert f"{file}:{place}:" in said, said


def test_fleet_when_given_in_two_ways_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="needs one of documents, clusters with services, or drawn"):
        loaded(tmp_path, spec=PAIR.replace("  fleet:\n", "  fleet:\n    drawn: {clusters: 3, services: 2}\n"))


def test_region_when_unknown_or_without_the_node_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match='did you mean "aws/eu-west-1"'):
        loaded(tmp_path, spec=PAIR.replace("{at: aws/eu-west-1}", "{at: aws/eu-west-11}"))
    with pytest.raises(Invalid, match="no price of h100 nodes in one"):
        loaded(tmp_path, spec=PAIR.replace("{rpsPerReplica: 50,", "{rpsPerReplica: 50, node: h100,"))


def test_fleet_by_file_when_loaded_is_that_of_the_documents(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "config" / "example"
    spec = f"  about: as in production\n  fleet: {{documents: ['{example.as_posix()}']}}\n"

    documents = loaded(tmp_path, spec=spec).configuration

    assert [cluster.name for cluster in documents.clusters] == ["eu-central", "eu-west", "us-east"]


def test_drawn_fleet_when_drawn_again_is_the_same(tmp_path: Path) -> None:
    spec = "  about: drawn\n  seed: 7\n  fleet: {drawn: {clusters: 5, services: 9}}\n"

    first, second = (loaded(tmp_path, spec=spec).built for _ in range(2))

    assert first.configuration == second.configuration
    assert first.drawn_rps == second.drawn_rps
    assert len(first.configuration.clusters) == 5
