"""Dashboards and alerts ask for what the controller really exports, in PromQL that Prometheus reads."""

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests import real

DEPLOY = real.ROOT / "deploy"
NAME = re.compile(r"equipoise_[a-z0-9_]+")
DERIVED = ("_bucket", "_count", "_sum", "_total")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", DEPLOY / "grafana/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exported() -> set[str]:
    """Every metric that the source names."""
    names: set[str] = set()
    for path in (real.ROOT / "scheduler").rglob("*.py"):
        names |= set(re.findall(r'"(equipoise_[a-z0-9_]+)"', path.read_text(encoding="utf-8")))
    return names


def base(name: str) -> str:
    return next((name.removesuffix(end) for end in DERIVED if name.endswith(end)), name)


def promtool(*arguments: str | Path, folder: Path) -> str:
    real.require("prometheus")
    path = shutil.which("promtool")
    assert path is not None, "it comes with Prometheus"
    done = subprocess.run([path, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def queries() -> list[tuple[str, str]]:
    found = []
    for file in sorted((DEPLOY / "grafana").glob("*.json")):
        body: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found += [(file.stem, target["expr"]) for panel in body["panels"] for target in panel["targets"]]
    return found


@pytest.mark.parametrize("name", ["overview", "service", "solver", "drills"])
def test_dashboard_in_the_repository_is_what_its_table_of_panels_says(name: str) -> None:
    assert (DEPLOY / f"grafana/{name}.json").read_text(encoding="utf-8") == generator().text(name)


def test_dashboards_and_rules_name_only_metrics_that_exist() -> None:
    known = exported() | {base(name) for name in exported()}
    rules = (DEPLOY / "prometheus/equipoise-rules.yaml").read_text(encoding="utf-8")
    asked = {name for _, query in queries() for name in NAME.findall(query)} | set(NAME.findall(rules))

    assert {name for name in asked if name not in known and base(name) not in known} == set()


def test_rules_when_played_by_promtool_fire_when_they_should(tmp_path: Path) -> None:
    promtool("check", "rules", "equipoise-rules.yaml", folder=DEPLOY / "prometheus")

    assert "SUCCESS" in promtool("test", "rules", "equipoise-rules-test.yaml", folder=DEPLOY / "prometheus")


def test_queries_of_all_dashboards_are_read_by_prometheus(tmp_path: Path) -> None:
    variables = {"$__rate_interval": "5m", "$service": "web"}
    rules = []
    for number, (name, query) in enumerate(queries()):
        for variable, value in variables.items():
            query = query.replace(variable, value)  # noqa: PLW2901  the query as Grafana sends it
        rules.append({"record": f"{name}:panel{number}", "expr": query})
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))

    assert f"{len(rules)} rules found" in promtool("check", "rules", "rules.json", folder=tmp_path)
