"""`equipoise rbac`: the least rights, as kubectl takes them."""

import io
import json
from pathlib import Path

from ruamel.yaml import YAML
from typer.testing import CliRunner

from cli.main import app

CONFIG = Path(__file__).parents[2] / "config"
NAMES = ("clusters", "services", "prices", "latency", "policy")
FILES = [part for name in NAMES for part in ("-f", str(CONFIG / "example" / f"{name}.yaml"))]
FILES += ["-f", str(CONFIG / "meshes" / "kubernetes.yaml")]


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_rbac_of_an_origin_prints_the_same_manifests_as_yaml_and_json() -> None:
    code, text = run("rbac", "us-east", *FILES)
    _, listed = run("rbac", "us-east", *FILES, "-o", "json")

    manifests = list(YAML(typ="safe", pure=True).load_all(io.StringIO(text)))
    assert code == 0
    assert manifests == json.loads(listed)["items"]
    assert [m["kind"] for m in manifests] == [
        "ServiceAccount", "Role", "RoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
    ]  # fmt: skip
    granted = {resource for rule in manifests[1]["rules"] for resource in rule["resources"]}
    assert granted == {"configmaps", "httproutes", "serviceprofiles"}
    assert "*" not in json.dumps(manifests[1])


def test_rbac_of_what_is_no_such_origin_names_those_that_are() -> None:
    code, said = run("rbac", "nowhere", *FILES)

    assert code == 1
    assert "there are eu-central, eu-west, nordics, nordics-zone, us-east" in said


def test_rbac_of_floors_grants_reading_and_patching_of_the_named_objects_alone() -> None:
    names = ("services", "prices", "latency", "origins")
    files = [part for name in names for part in ("-f", str(CONFIG / "example" / f"{name}.yaml"))]
    files += ["-f", str(CONFIG / "meshes" / "floors.yaml")]

    code, listed = run("rbac", "karmada", "--floors", *files, "-o", "json")
    wrong, said = run("rbac", "eu-west", "--floors", *files)

    role = json.loads(listed)["items"][1]
    assert code == 0
    assert role["rules"][1] == {
        "apiGroups": ["policy.karmada.io"], "resources": ["propagationpolicies"], "verbs": ["get", "patch"],
        "resourceNames": ["storefront-policy"],
    }  # fmt: skip
    assert wrong == 1
    assert "there are eu-central, karmada, us-east" in said
