"""Every fault does to the truth what it says, and nothing when it is over."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.fleet import fleet_of
from simulator.physics.strikes import Scene, boundaries, strike, truth_at
from simulator.physics.truth import undisturbed
from simulator.scenario.faults import FAULTS, Event
from tests.simulator.written import loaded

EXAMPLES: dict[str, dict[str, Any]] = {
    "cluster-outage": {"cluster": "one"},
    "region-outage": {"region": "eu-west-1"},
    "provider-outage": {"provider": "aws"},
    "az-outage": {"cluster": "one"},
    "gateway-loss": {"cluster": "one"},
    "service-outage": {"service": "shop", "cluster": "one"},
    "gray": {"cluster": "one", "errorRatio": 0.1, "slowdownMs": 50},
    "latency": {"from": "people", "to": "one", "ms": 40},
    "loss": {"from": "people", "to": "one", "ratio": 0.1},
    "partition": {"from": "controller", "to": "one"},
    "capacity-loss": {"cluster": "one", "ratio": 0.5},
    "gpu-preemption": {"ratio": 0.5},
    "price-change": {"cluster": "one", "factor": 2},
    "demand-surge": {"service": "shop", "factor": 3},
    "telemetry-stale": {"cluster": "one"},
    "telemetry-lie": {"cluster": "one", "signal": "capacity_rps", "factor": 9},
    "clock-skew": {"cluster": "one", "seconds": 60},
    "connector-error": {"origin": "one"},
    "push-reject": {"origin": "one"},
    "push-partial": {"origin": "one", "ratio": 0.5},
    "probe-failure": {"ratio": 0.5},
    "solver-outage": {},
    "ledger-outage": {},
    "controller-crash": {},
    "flapping": {"cluster": "one", "period": "40s"},
}
BY_NAME = {model.model_fields["fault"].annotation.__args__[0]: model for model in FAULTS}  # type: ignore[union-attr]


def event(kind: str, **more: Any) -> Event:
    """An example of a fault, from 10 s to 30 s."""
    made: Event = BY_NAME[kind].model_validate({"fault": kind, "at": 10, "for": 20, **EXAMPLES[kind], **more})
    return made


def scene(folder: Path, now_s: float) -> Scene:
    """The pair at an instant."""
    return Scene(fleet_of(loaded(folder).configuration), {"one": 3}, now_s)


def same(one: Any, other: Any) -> bool:
    """Whether two truths are equal in every column."""
    return all(
        np.array_equal(getattr(one, f.name), getattr(other, f.name)) if f.name != "lies" else one.lies == other.lies
        for f in dataclasses.fields(one)
    )


def test_examples_when_listed_are_all_faults_there_are() -> None:
    assert set(EXAMPLES) == set(BY_NAME)
    assert all(strike.dispatch(model) is not strike.dispatch(object) for model in FAULTS)


@pytest.mark.parametrize("kind", sorted(set(EXAMPLES) - {"gpu-preemption"}))
def test_fault_when_it_goes_on_changes_the_truth_and_only_then(tmp_path: Path, kind: str) -> None:
    now, calm = event(kind), undisturbed(scene(tmp_path, 0).fleet)

    assert not same(truth_at([now], scene(tmp_path, 11)), calm)
    assert same(truth_at([now], scene(tmp_path, 9)), calm)
    assert same(truth_at([now], scene(tmp_path, 31)), calm)


def test_gpu_preemption_when_nothing_runs_on_gpus_takes_nothing(tmp_path: Path) -> None:
    assert (truth_at([event("gpu-preemption")], scene(tmp_path, 11)).capacity == 1).all()


def test_partition_when_one_way_loses_only_that_way(tmp_path: Path) -> None:
    both = truth_at([event("partition")], scene(tmp_path, 11))
    deaf = truth_at([event("partition", **{"from": "one", "to": "controller", "twoWay": False})], scene(tmp_path, 11))

    assert not both.control_ok[0]
    assert not both.heard[0]
    assert deaf.control_ok[0]
    assert not deaf.heard[0]


def test_zone_outage_when_the_cluster_noticed_costs_capacity_and_no_more_errors(tmp_path: Path) -> None:
    zone = event("az-outage", eject="5s")
    first, later = (truth_at([zone], scene(tmp_path, t)) for t in (11, 16))

    assert first.error_ratio.max() == pytest.approx(1 / 3)
    assert later.error_ratio.max() == 0
    assert later.capacity.min() == pytest.approx(2 / 3)


def test_faults_when_they_overlap_are_folded_in_any_order(tmp_path: Path) -> None:
    two = [event("capacity-loss"), event("gray"), event("az-outage", eject="1s")]

    assert same(truth_at(two, scene(tmp_path, 15)), truth_at(two[::-1], scene(tmp_path, 15)))


def test_flapping_when_it_begins_is_out_and_then_up_for_its_part_of_the_period(tmp_path: Path) -> None:
    flapping = event("flapping", **{"for": 100, "upRatio": 0.75})
    up = [bool(truth_at([flapping], scene(tmp_path, t)).cluster_up[0]) for t in (11, 19, 21, 49, 51)]

    assert up == [False, False, True, True, False]
    assert boundaries(flapping, 200.0)[:4] == [10.0, 20.0, 50.0, 60.0]
