import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

EXAMPLE = str(Path(__file__).parents[2] / "config" / "example")
NOBODY = "http://127.0.0.1:1"


def run(*words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def away_from_ledgers(tmp_path: Path) -> Iterator[None]:
    """The example names a ledger by a relative path: look for it in an empty folder."""
    with contextlib.chdir(tmp_path):
        yield


def test_plan_of_the_example_shows_before_and_after_and_one_line_that_sums_it_up() -> None:
    code, out, _ = run("plan", "-f", EXAMPLE)

    assert code == 0
    assert "assistant@eu-central" in out
    last = out.strip().splitlines()[-1]
    assert last.startswith("Plan: 1 of 7 flows change; ")
    assert "$/h" in last


def test_plan_as_json_is_json_with_a_version_and_a_certified_gap() -> None:
    code, out, _ = run("plan", "-f", EXAMPLE, "-o", "json")

    body = json.loads(out)
    assert code == 0
    assert body["format_version"] == 1
    assert abs(body["certified_gap"]) < 1e-6


def test_plan_as_yaml_says_the_same_as_json() -> None:
    from ruamel.yaml import YAML

    out = run("plan", "-f", EXAMPLE, "-o", "yaml")[1]

    assert YAML(typ="safe", pure=True).load(out) == json.loads(run("plan", "-f", EXAMPLE, "-o", "json")[1])


def test_plan_with_detailed_exitcode_is_two_when_something_would_change() -> None:
    assert run("plan", "-f", EXAMPLE, "--detailed-exitcode")[0] == 2


def test_plan_of_invalid_documents_prints_the_place_and_exits_one(tmp_path: Path) -> None:
    bad = tmp_path / "fleet.yaml"
    bad.write_text(
        "apiVersion: equipoise.dev/v1alpha1\nkind: Servce\nmetadata: {name: a}\nspec: {}\n", encoding="utf-8"
    )

    code, out, err = run("plan", "-f", str(bad))

    assert code == 1
    assert out == ""
    assert "fleet.yaml:2:7: " in err
    assert 'did you mean "Service"?' in err


def test_plan_when_no_controller_runs_says_where_it_looked_and_what_to_do() -> None:
    code, _, err = run("plan", "--server", NOBODY)

    assert code == 1
    assert NOBODY in err
    assert "equipoise serve" in err


def test_explain_of_a_service_accounts_for_every_way_its_flows_could_go() -> None:
    code, out, _ = run("explain", "storefront@eu-central", "-f", EXAMPLE)

    assert code == 0
    assert "prices in $/h per rps" in out
    assert "TOTAL" in out
    assert "runner-up" in out or "binds" in out or "not offered" in out


def test_explain_says_what_more_capacity_is_worth_and_what_all_costs() -> None:
    code, out, _ = run("explain", "assistant", "-f", EXAMPLE)

    assert code == 0
    assert "one more gpu in eu-central/g6.8xlarge is worth" in out
    assert "one more 100 rps of assistant in eu-central is worth" in out
    assert "All flows: " in out

    body = json.loads(run("explain", "assistant", "-f", EXAMPLE, "-o", "json")[1])
    cost = body["objective_usd_per_hour"]
    assert sum(usd for name, usd in cost.items() if name not in {"billed", "total"}) == pytest.approx(cost["total"])
    worth = [pool["usd_per_unit_hour"] for pool in body["worth"]["pools"]]
    assert worth == sorted(worth, reverse=True)


def test_explain_of_an_unknown_flow_names_some_that_there_are() -> None:
    code, _, err = run("explain", "nothing", "-f", EXAMPLE)

    assert code == 1
    assert "assistant@eu-central" in err


def test_freeze_when_no_controller_runs_fails_in_one_line() -> None:
    code, _, err = run("freeze", "--server", NOBODY)

    assert code == 1
    assert len(err.strip().splitlines()) == 1


def test_bootstrap_of_an_origin_connects_its_envoy_to_the_controller() -> None:
    code, out, _ = run("bootstrap", "eu-central", "-f", EXAMPLE)

    body = json.loads(out)
    (controller,) = body["static_resources"]["clusters"]
    assert code == 0
    assert body["node"]["id"].startswith("eu-central")
    assert "equipoise.example.net" in str(controller["load_assignment"])
    assert controller["transport_socket"]["typed_config"]["sni"] == "equipoise.example.net"


def test_bootstrap_of_an_origin_connects_a_grpc_client_by_the_files_that_the_documents_name() -> None:
    code, out, _ = run("bootstrap", "eu-central", "-f", EXAMPLE, "--proxy", "grpc")

    (server,) = json.loads(out)["xds_servers"]
    assert code == 0
    assert server["server_uri"] == "equipoise.example.net:9601"
    assert server["channel_creds"] == [{"type": "tls", "config": {
        "ca_certificate_file": "/etc/envoy/equipoise-ca.pem", "certificate_file": "/etc/envoy/proxy.crt",
        "private_key_file": "/etc/envoy/proxy.key", "refresh_interval": "60s",
    }}]  # fmt: skip


def test_bootstrap_of_an_origin_with_an_haproxy_is_its_configuration() -> None:
    code, out, _ = run("bootstrap", "nordics", "-f", EXAMPLE)

    assert code == 0
    assert "stats socket /run/haproxy/equipoise.sock mode 660 level admin" in out
    assert "server eu-central.1 192.0.2.10:8080 weight 1" in out


def test_bootstrap_of_an_origin_without_a_mesh_names_those_that_have_one() -> None:
    code, _, err = run("bootstrap", "nowhere", "-f", EXAMPLE)

    assert code == 1
    assert "eu-central" in err


def test_version_prints_name_and_number() -> None:
    assert run("version")[1].startswith("equipoise 0.")


def test_place_of_the_example_says_replicas_and_a_certified_gap() -> None:
    code, out, _ = run("place", "-f", EXAMPLE)

    assert code == 0
    assert "Placement: " in out.strip().splitlines()[-1]
    body = json.loads(run("place", "-f", EXAMPLE, "-o", "json")[1])
    assert body["certified_gap"] >= 0
    assert all(isinstance(row["after"], int) for row in body["sites"])
