"""Whole trials on real gateways with the real controller; the figures are the benchmark's affair."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.load import load
from simulator.lab import gateways
from simulator.lab.trial import blackhole
from simulator.lab.trial.documents import Setting, write_all
from simulator.lab.trial.faults import Fault
from simulator.lab.trial.gateways import ANCHORS, ENVOY_OUTLIER, HAPROXY_CHECKS, STEERED
from simulator.lab.trial.ground import FAULTY, choose
from simulator.lab.trial.outcome import behind_a_gateway, verdicts_s
from simulator.lab.trial.trial import Options, running
from tests import real

SHIFT_MAX_S = 3.0
"""Far above what is measured, because the machine that tests may be busy."""


@pytest.mark.parametrize("plane", ["envoy", "haproxy"])
def test_documents_of_a_trial_are_valid(tmp_path: Path, plane: str) -> None:
    setting = Setting(tmp_path, choose([STEERED, *ANCHORS]), plane, 100.0)

    write_all(setting)

    assert len(load(setting.documents).clusters) == 3


def test_ground_has_every_port_once_and_three_ways_to_each_cluster() -> None:
    ground = choose([STEERED, *ANCHORS])

    assert len(ground.ways_to(FAULTY)) == 3
    assert set(ground.clusters().values()) == {"us-east", "eu-west", "ap-southeast"}


def test_rules_of_a_black_hole_drop_both_directions_of_every_port_and_lapse() -> None:
    found = list(blackhole.rules(list(range(20_000, 20_020)), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))

    assert len(found) == 4, "20 ports are two rules of at most 15, each for two directions"
    assert all("2026-01-02T03:04:05" in rule for rule in found)


def test_orphans_are_the_chains_of_processes_that_are_gone() -> None:
    listing = "-P INPUT ACCEPT\n-N EQUIPOISE-12\n-N EQUIPOISE-34\n-N OTHER-56\n-A INPUT -i lo -j EQUIPOISE-12\n"

    assert blackhole.orphans(listing, {"34", "1"}) == ["EQUIPOISE-12"]


@pytest.mark.skipif(gateways.installed() is None, reason="no Envoy wheel for this platform")
async def test_trial_with_an_envoy_leaves_a_killed_cluster_and_so_does_outlier_detection() -> None:
    async with running(Options("envoy", (ENVOY_OUTLIER,), rps=50.0)) as trial:
        span = await trial.suffer(Fault.KILL, 3.0)

        steered, alone = trial.logs[STEERED], trial.logs[ENVOY_OUTLIER]
        ours = behind_a_gateway(steered.attempts, verdicts_s(trial.watch.changes, span[0]), trial.asked, STEERED, span)
        theirs = behind_a_gateway(alone.attempts, alone.detections, trial.asked, ENVOY_OUTLIER, span)
        assert ours.shift_s is not None
        assert ours.detect_s is not None
        assert theirs.detect_s is not None
        assert 0 < ours.shift_s < SHIFT_MAX_S
        assert ours.failed < ours.requests / 10


async def test_trial_with_an_haproxy_leaves_a_cluster_that_answers_5xx_before_its_own_checks_would() -> None:
    real.require("haproxy")
    async with running(Options("haproxy", (HAPROXY_CHECKS,), rps=50.0, vantages=1)) as trial:
        span = await trial.suffer(Fault.ERRORS, 3.0)

        steered, alone = trial.logs[STEERED], trial.logs[HAPROXY_CHECKS]
        ours = behind_a_gateway(steered.attempts, verdicts_s(trial.watch.changes, span[0]), trial.asked, STEERED, span)
        theirs = behind_a_gateway(alone.attempts, alone.detections, trial.asked, HAPROXY_CHECKS, span)
        assert ours.shift_s is not None
        assert 0 < ours.shift_s < SHIFT_MAX_S
        assert theirs.shift_s is None, "three checks of 2 s have not failed within 3 s"
        assert theirs.failed > ours.failed
