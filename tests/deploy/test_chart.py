"""The chart, rendered by helm itself; the unit and the container file, as far as they can be read here."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from config.load import load
from tests import real
from tests.scheduler.running import EXAMPLE

CHART = real.ROOT / "deploy/helm/equipoise"
Manifests = dict[tuple[str, str], dict[str, Any]]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = real.require("helm")
    return subprocess.run([path, *arguments], capture_output=True, text=True, check=False)


def values(folder: Path, **more: Any) -> list[str]:
    """The example's documents and some more values, as helm takes them."""
    documents = {file.name: file.read_text(encoding="utf-8") for file in EXAMPLE.glob("*.yaml")}
    (folder / "values.json").write_text(json.dumps({"documents": documents, **more}))
    return ["-f", str(folder / "values.json")]


def rendered(folder: Path, **more: Any) -> Manifests:
    done = helm("template", "demo", str(CHART), "--namespace", "steering", *values(folder, **more))
    assert done.returncode == 0, done.stderr
    loaded = [d for d in YAML(typ="safe").load_all(done.stdout) if d]
    return {(d["kind"], d["metadata"]["name"]): d for d in loaded}


def test_chart_when_linted_has_no_fault(tmp_path: Path) -> None:
    done = helm("lint", "--strict", str(CHART), *values(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr


def test_chart_with_the_example_renders_every_part_and_the_documents_come_out_as_they_went_in(tmp_path: Path) -> None:
    found = rendered(tmp_path, serviceMonitor={"enabled": True}, prometheusRule={"enabled": True})

    assert {kind for kind, _ in found} == {
        "ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "PrometheusRule", "Role", "RoleBinding",
        "Service", "ServiceAccount", "ServiceMonitor",
    }  # fmt: skip
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, text in found["ConfigMap", "demo-documents"]["data"].items():
        (folder / name).write_text(text, encoding="utf-8")
    assert load(folder).services == load(EXAMPLE).services
    rules = found["PrometheusRule", "demo"]["spec"]["groups"][0]["rules"]
    assert any(rule.get("alert") == "EquipoiseNoLeader" for rule in rules)


def test_chart_runs_two_without_rights_and_leads_clients_to_the_one_that_leads(tmp_path: Path) -> None:
    found = rendered(tmp_path)
    deployment, service = found["Deployment", "demo"], found["Service", "demo"]
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]

    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert service["spec"]["selector"]["equipoise.dev/leads"] == "true"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert {entry["name"] for entry in container["env"]} == {"EQUIPOISE_POD", "EQUIPOISE_NAMESPACE"}
    rules = found["Role", "demo"]["rules"]
    assert {(r, v) for rule in rules for r in rule["resources"] for v in rule["verbs"]} == {
        ("leases", "get"), ("leases", "create"), ("leases", "patch"), ("pods", "patch"),
    }  # fmt: skip
    assert found["RoleBinding", "demo"]["subjects"][0]["namespace"] == "steering"


def test_secrets_of_the_chart_are_references_and_never_values(tmp_path: Path) -> None:
    reference = {"name": "PGPASSWORD", "secret": "equipoise-db", "key": "password"}
    found = rendered(tmp_path, secretEnvironment=[reference], secretFiles=["mesh-ca"])
    pod = found["Deployment", "demo"]["spec"]["template"]["spec"]

    (variable,) = [entry for entry in pod["containers"][0]["env"] if entry["name"] == "PGPASSWORD"]
    assert variable["valueFrom"]["secretKeyRef"] == {"name": "equipoise-db", "key": "password"}
    assert {"name": "secret-mesh-ca", "secret": {"secretName": "mesh-ca"}} in pod["volumes"]
    assert ("Secret", "demo") not in found


@pytest.mark.parametrize(
    ("more", "words"),
    [({"replicas": 99}, "replicas"), ({"replcas": 1}, "replcas"), ({"documents": {}}, "documents is empty"),
     ({"documents": {"notes.txt": "x"}}, "notes.txt"), ({"ports": {"api": 0, "xds": 1, "agents": 2}}, "api")],
)  # fmt: skip
def test_chart_with_values_that_make_no_sense_is_refused_by_name(
    tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    done = helm("template", "demo", str(CHART), *values(tmp_path, **more))

    assert done.returncode != 0
    assert words in done.stderr


def test_unit_and_container_file_start_what_the_package_installs() -> None:
    unit = (real.ROOT / "deploy/systemd/equipoise.service").read_text(encoding="utf-8")
    container = (real.ROOT / "deploy/container/Containerfile").read_text(encoding="utf-8")
    project = (real.ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert 'equipoise = "cli.main:main"' in project
    assert "ExecStart=/opt/equipoise/bin/equipoise serve -f /etc/equipoise" in unit
    assert 'ENTRYPOINT ["equipoise"]' in container
    for lock in ("runtime.lock", "build.lock"):
        assert f"-r requirements/{lock}" in container
        assert "--hash=sha256:" in (real.ROOT / "requirements" / lock).read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_unit_when_systemd_reads_it_has_no_key_that_it_ignores(tmp_path: Path) -> None:
    unit = (real.ROOT / "deploy/systemd/equipoise.service").read_text(encoding="utf-8")
    here = tmp_path / "equipoise.service"
    here.write_text(unit.replace("/opt/equipoise/bin/equipoise", "/bin/true"), encoding="utf-8")

    done = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True, check=False)

    assert (done.returncode, "equipoise.service:" in done.stderr) == (0, False), done.stderr
