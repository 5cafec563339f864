"""The study's check values, matched before anything of ours is measured on its instances."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmarks.policy_fleets import baselines, controller, placing
from benchmarks.policy_fleets.demand import blocks, expected, slots
from benchmarks.policy_fleets.fleets import model
from benchmarks.policy_fleets.instances import SITUATIONS, DataAbsentError, Instance, load
from benchmarks.policy_fleets.physics import Outcome, play, together
from placement.policies.loaded import proportional, waterfall
from placement.policies.proximity import local
from placement.problem import Problem
from placement.routing import Routing

CHECK = {
    ("cpu", 0): (53476.80, 1008.8, (20333.7, 1.922), (21014.7, 6806.8, 121.46), (34242.6, 33473.3)),
    ("cpu", 1): (52805.67, 1125.8, (25349.2, 1.205), (25967.8, 6079.6, 134.91), (40499.4, 23812.4)),
    ("cpu", 2): (56050.18, 879.9, (18594.4, 2.091), (19410.2, 11644.4, 110.27), (31009.6, 45217.8)),
    ("gpu", 0): (10791.15, 23417.0, (375754.0, 11.715), (425939.5, 9806.6, 300.81), (463203.2, 12694.5)),
    ("gpu", 1): (10946.21, 17192.3, (281904.7, 8.044), (307401.7, 13253.3, 222.70), (329606.8, 19436.5)),
    ("gpu", 2): (11308.27, 11444.1, (184361.6, 10.209), (210021.0, 5842.5, 219.47), (227475.9, 8173.7)),
}
SERVICES, CLUSTERS = slice(11, 16), 6
"""The part of an instance where whole replicas are asked for: an application on CPUs and one with GPUs."""


def instance_of(key: tuple[str, int]) -> Instance:
    try:
        return load(*key)
    except DataAbsentError as absent:
        pytest.skip(str(absent))


def part_of(instance: Instance, services: slice, clusters: int) -> Instance:
    """Some applications, whole, and its first clusters, with all that runs there."""
    parent = instance.parent[services]
    cut: dict[str, Any] = {"parent": np.where(parent < 0, -1, parent - services.start)}
    assert (cut["parent"] >= -1).all(), "applications stay whole"
    for name in ("app", "kind", "calls", "servers", "scv", "bytes", "latency_usd", "shed_usd"):
        cut[name] = getattr(instance, name)[services]
    for name in ("replica_usd", "service_ms", "replicas_max"):
        cut[name] = getattr(instance, name)[services, :clusters]
    sources = np.r_[: len(instance.origin) + clusters]
    return replace(
        instance,
        cluster=instance.cluster[:clusters],
        pool=tuple(row[:clusters] for row in instance.pool[services]),
        origin_rtt_ms=instance.origin_rtt_ms[:, :clusters],
        cluster_rtt_ms=instance.cluster_rtt_ms[:clusters, :clusters],
        origin_egress_usd_per_gb=instance.origin_egress_usd_per_gb[:, :, :clusters],
        cluster_egress_usd_per_gb=instance.cluster_egress_usd_per_gb[:, :clusters, :clusters],
        same_continent=instance.same_continent[sources, :clusters],
        mean_rps=instance.mean_rps * clusters / len(instance.cluster),
        **cut,
    )


def a_day(instance: Instance, policy: Callable[[Problem], Routing]) -> Outcome:
    made, day = model(instance), slots(instance, "normal")
    return play(instance, day.weight, day.demand_rps, made.shares(controller.at_once(made, day, policy)))


@pytest.mark.parametrize("key", CHECK, ids=str)
def test_instance_and_baselines_match_the_check_values_of_the_study_to_a_thousandth(key: tuple[str, int]) -> None:
    instance = instance_of(key)
    demand, full, near, fall, world = CHECK[key]

    assert slots(instance, "normal").demand_rps[0].sum() == pytest.approx(demand, abs=0.01)
    assert (instance.replica_usd * instance.replicas_max).sum() == pytest.approx(full, abs=0.06)
    out = a_day(instance, local)
    assert (out.dollars, 100 * out.shed) == pytest.approx(near, rel=1e-3)
    out = a_day(instance, partial(waterfall, limit=0.8))
    assert (out.dollars, out.latency_usd, out.mean_ms) == pytest.approx(fall, rel=1e-3)
    out = a_day(instance, proportional)
    assert (out.dollars, out.latency_usd) == pytest.approx(world, rel=1e-3)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_ours_in_every_situation_is_above_the_bound_and_below_the_waterfall(situation: str) -> None:
    instance = instance_of(("cpu", 1)).in_situation(situation)
    made, time = model(instance), slots(instance, situation, steps=2)
    if situation in ("loss", "flash"):
        time = type(time)(np.array([0.1, 0.9]), time.demand_rps[:2], time.seen_rps[:2])

    weights = controller.plan(made, time, 0.05, 0)
    ours = play(instance, time.weight, time.demand_rps, made.shares(controller.spilled(made, time, weights)))

    fall = controller.at_once(made, time, partial(waterfall, limit=0.8))
    theirs = play(instance, time.weight, time.demand_rps, made.shares(fall))
    assert baselines.bound(made, time) <= ours.objective < theirs.objective


def test_lost_cluster_in_a_loss_gets_nothing() -> None:
    instance = instance_of(("gpu", 0)).in_situation("loss")
    made, time = model(instance), slots(instance, "loss", steps=1)
    where = instance.cluster.index(instance.situation["lost_cluster"])

    routings = controller.at_once(made, time, local)

    assert all((share[:, :, where] == 0).all() for share in made.shares(routings))


def test_placement_within_the_stock_promises_no_more_cost_than_the_places_given() -> None:
    instance = part_of(instance_of(("gpu", 1)), SERVICES, CLUSTERS)
    ahead = expected(instance, np.arange(6))

    there = placing.placed(instance, ahead.max(axis=0))

    for kind in {name for row in instance.pool for name in row if name}:
        held, given_to = (
            np.where(np.array(i.pool) == kind, i.replicas_max, 0.0).sum(axis=0) for i in (there, instance)
        )
        assert (held <= given_to + 1e-6).all(), kind
    assert (there.raw_rps.sum(axis=1) > 0).all(), "every service stands somewhere"
    mean = ahead.mean(axis=0)
    assert placing.promised_usd(there, mean) < 1.02 * placing.promised_usd(instance, mean)


def test_outcomes_of_the_parts_of_a_day_together_are_the_outcome_of_the_day() -> None:
    instance = instance_of(("cpu", 0))
    made, time = model(instance), slots(instance, "normal", steps=4)
    routings = controller.at_once(made, time, local)
    whole = play(instance, time.weight, time.demand_rps, made.shares(routings))

    parts = [
        play(instance, part.weight, part.demand_rps, made.shares([routings[i] for i in rows]))
        for rows, part in blocks(time, 2)
    ]

    both = together(parts)
    assert (both.objective, both.shed, both.mean_ms) == pytest.approx((whole.objective, whole.shed, whole.mean_ms))
    assert both.worst_utilization == whole.worst_utilization
    assert both.percentile_ms(0.95) == whole.percentile_ms(0.95)
