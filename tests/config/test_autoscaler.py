"""Autoscalers from documents to columns, on base.yaml with one service more."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config.autoscaler import scaler_of
from config.configuration import Configuration
from config.fleet import declared_readings, declared_replicas, fleet_of
from config.load import load
from placement.fleet import Fleet
from placement.sitecost import Autoscaler

BASE = Path(__file__).parent / "base.yaml"
SCALED = """
apiVersion: equipoise.dev/v1alpha1
kind: Service
metadata: {name: checkout}
spec:
  utilizationTarget: 0.6
  resources: {vcpu: 1}
  throughput: {s1: 10}
  replicas: {home: 2, away: 0}
  autoscaler: %s
"""


def scaled(tmp_path: Path, autoscaler: str) -> tuple[Configuration, Fleet, Autoscaler, list[int]]:
    """The fleet, its autoscaler columns, and the rows of the backends of `checkout`."""
    file = tmp_path / "checkout.yaml"
    file.write_text(SCALED % autoscaler)
    configuration = load(BASE, file)
    fleet = fleet_of(configuration)
    assert fleet.scaler is not None
    names = [fleet.backend_name(b) for b in range(len(fleet.backends))]
    return configuration, fleet, fleet.scaler, [names.index(f"checkout/{c}") for c in ("home", "away")]


def test_scaler_of_documents_without_autoscalers_is_none() -> None:
    configuration = load(BASE)
    fleet = fleet_of(configuration)

    standing = declared_replicas(configuration, fleet)
    assert scaler_of(configuration.services, fleet.pools, fleet.sites, fleet.backends, standing) is None


def test_scaler_of_a_service_follows_only_there_and_where_it_has_replicas(tmp_path: Path) -> None:
    _, fleet, scaler, (home, away) = scaled(tmp_path, "{replicasMin: 2, replicasMax: 5, leadSeconds: 30}")

    assert np.flatnonzero(scaler.follows).tolist() == [home]
    assert (scaler.replicas_min[home], scaler.replicas_max[home]) == (2, 5)
    assert scaler.lead_s[home] == 30
    assert scaler.rps_per_replica[home] == pytest.approx(10)
    assert scaler.usd_per_replica_hour[home] == pytest.approx(0.4 / 4)
    assert scaler.utilization_target[home] == pytest.approx(0.6)
    assert away != home
    assert len(scaler.follows) == len(fleet.backends)


def test_scaler_of_a_service_that_may_go_to_zero_follows_where_it_has_none(tmp_path: Path) -> None:
    _, _, scaler, backends = scaled(tmp_path, "{replicasMin: 0}")

    assert scaler.follows[backends].all()
    assert scaler.replicas_max[backends].tolist() == [16, 16], "4 nodes of 4 vCPU, 1 vCPU each"


def test_scaler_of_a_service_without_a_service_time_takes_it_from_slots_and_throughput(tmp_path: Path) -> None:
    _, _, scaler, (home, _) = scaled(tmp_path, "{slots: 4}")
    assert scaler.service_ms[home] == pytest.approx(400)

    _, _, scaler, (home, _) = scaled(tmp_path, "{slots: 4, serviceMs: 250, variability: 2}")
    assert (scaler.service_ms[home], scaler.variability[home]) == (250, 2)


def test_declared_capacity_of_an_autoscaled_backend_is_what_it_may_grow_to(tmp_path: Path) -> None:
    configuration, fleet, _, (home, away) = scaled(tmp_path, "{replicasMax: 5}")

    capacity = declared_readings(configuration, fleet).capacity_rps

    assert (capacity[home], capacity[away]) == (50, 0)
    still = replace(fleet, scaler=None)
    assert declared_readings(configuration, still).capacity_rps[home] == 20
