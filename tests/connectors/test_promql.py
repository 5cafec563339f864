"""Presets evaluated by Prometheus's own engine, over series with the names and labels that each mesh documents."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.expressions import Scope
from connectors.promql import PRESETS, queries
from connectors.telemetry import KEYS, Signal
from tests import real

SCOPE = Scope(
    clusters=("eu", "us"),
    endpoints={("shop", "eu"): ("10.0.0.1:80",), ("shop", "us"): ("10.0.1.1:80", "10.0.1.2:80")},
    replica_rps={("shop", "eu"): 60.0, ("llama", "eu"): 12.0},
    replica_gpus={("llama", "eu"): 2.0},
)
EXPORTED: dict[str, dict[str, str]] = YAML(typ="safe").load(Path(__file__).with_name("exported.yaml"))
"""By mesh, then by series: its values in promtool's notation."""
Expected = dict[Signal, dict[tuple[str, ...], float]]


ERRORS = Signal.ERROR_RATIO
SAID: dict[str, Expected] = {
    "istio": {
        Signal.DEMAND_RPS: {("shop", "eu"): 13}, Signal.SENT_RPS: {("shop", "eu", "eu"): 9, ("shop", "eu", "us"): 4},
        ERRORS: {("shop", "eu"): 0, ("shop", "us"): 0.25}, Signal.LATENCY_MS: {("shop", "us"): 20},
        Signal.LATENCY_P95_MS: {("shop", "us"): 28},
    },
    "linkerd": {
        Signal.DEMAND_RPS: {("shop", ""): 8}, Signal.SENT_RPS: {("shop", "", ""): 6, ("shop", "", "us"): 2},
        ERRORS: {("shop", "us"): 0.5}, Signal.LATENCY_MS: {("shop", ""): 10},
    },
    "envoy": {
        Signal.DEMAND_RPS: {("shop", ""): 9}, Signal.SENT_RPS: {("shop", "", "eu"): 7, ("shop", "", "us"): 2},
        ERRORS: {("shop", "eu"): 0, ("shop", "us"): 0.5},
    },
    "consul": {
        Signal.DEMAND_RPS: {("shop", "eu"): 4}, Signal.SENT_RPS: {("shop", "eu", "us"): 4},
        ERRORS: {("shop", "us"): 0.25},
    },
    "kuma": {
        Signal.DEMAND_RPS: {("shop", "eu"): 5}, ERRORS: {("shop", "us"): 0.2}, Signal.LATENCY_MS: {("shop", "us"): 20},
    },
    "haproxy": {
        Signal.DEMAND_RPS: {("shop", ""): 12}, Signal.SENT_RPS: {("shop", "", "eu"): 8, ("shop", "", "us"): 4},
        ERRORS: {("shop", "eu"): 0, ("shop", "us"): 0.25},
    },
    "nginx": {
        Signal.DEMAND_RPS: {("shop", ""): 10}, Signal.SENT_RPS: {("shop", "", "eu"): 8, ("shop", "", "us"): 2},
        ERRORS: {("shop", "eu"): 0, ("shop", "us"): 0.5},
    },
    "vllm": {Signal.CAPACITY_RPS: {("llama", ""): 5}, Signal.LATENCY_MS: {("llama", ""): 200},
             Signal.LATENCY_P95_MS: {("llama", ""): 290}},
    "kube": {Signal.CAPACITY_RPS: {("shop", ""): 180}},
    "dcgm": {Signal.CAPACITY_RPS: {("llama", ""): 18}},
    "inference": {
        Signal.DEMAND_RPS: {("llama", ""): 3, ("shop", ""): 2}, ERRORS: {("llama", ""): 0.25, ("shop", ""): 0},
        Signal.LATENCY_MS: {("llama", ""): 200}, Signal.LATENCY_P95_MS: {("llama", ""): 290},
        Signal.CAPACITY_RPS: {("llama", ""): 24, ("shop", ""): 2},
    },
}  # fmt: skip


def sample(signal: Signal, key: tuple[str, ...], value: float) -> dict[str, object]:
    labels = ",".join(f'{name}="{part}"' for name, part in zip(KEYS[signal], key, strict=True) if part)
    return {"labels": f"{{{labels}}}", "value": value}


def unit_test(mesh: str, expected: Expected) -> dict[str, Any]:
    """What promtool is to play, and what must come out."""
    found = queries([mesh], SCOPE)
    assert set(found) == set(expected)
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in EXPORTED[mesh].items()],
        "promql_expr_test": [
            {
                "expr": f"round({query}, 1e-6)",
                "eval_time": "5m",
                "exp_samples": [sample(signal, key, value) for key, value in expected[signal].items()],
            }
            for signal, query in found.items()
        ],
    }


@pytest.mark.parametrize("mesh", sorted(PRESETS))
def test_preset_over_documented_series_gives_the_signals_with_our_labels(mesh: str, tmp_path: Path) -> None:
    real.require("prometheus")
    promtool = shutil.which("promtool")
    assert promtool is not None
    (tmp_path / "test.json").write_text(json.dumps({"tests": [unit_test(mesh, SAID[mesh])]}))

    done = subprocess.run(
        [promtool, "test", "rules", "test.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_presets_when_nothing_is_known_of_the_fleet_ask_nothing_that_needs_it() -> None:
    assert queries(["kube"], Scope()) == {}
    assert queries(["nginx"], Scope()) == {}
    with pytest.raises(KeyError):
        queries(["carrier-pigeon"], Scope())


def test_presets_that_know_the_same_signal_give_the_first_ones_word() -> None:
    both = queries(["kube", "vllm"], SCOPE)

    assert both[Signal.CAPACITY_RPS] == queries(["kube"], SCOPE)[Signal.CAPACITY_RPS]
    assert both[Signal.LATENCY_MS] == queries(["vllm"], SCOPE)[Signal.LATENCY_MS]
