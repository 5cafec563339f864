"""An exported App Mesh, and what takes its place."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

from cli.main import app
from connectors.appmesh.export import BadExport, export_of
from connectors.appmesh.migration import TARGETS


def node(name: str, port: int = 8080) -> dict[str, Any]:
    found = {"dns": {"hostname": f"{name}.shop.svc.cluster.local"}}
    listeners = [{"portMapping": {"port": port, "protocol": "http"}}]
    return {"virtualNode": {"virtualNodeName": name, "spec": {"listeners": listeners, "serviceDiscovery": found}}}


def route(name: str, priority: int, match: dict[str, Any], **weights: int) -> dict[str, Any]:
    targets = [{"virtualNode": key.replace("_", "-"), "weight": weight} for key, weight in weights.items()]
    rule = {"match": match, "action": {"weightedTargets": targets}, "retryPolicy": {"maxRetries": 2}}
    spec = {"priority": priority, "httpRoute": rule}
    return {"route": {"routeName": name, "virtualRouterName": "shop-router", "spec": spec}}


EXPORT = [
    {"virtualService": {"virtualServiceName": "shop.shop.svc.cluster.local",
                        "spec": {"provider": {"virtualRouter": {"virtualRouterName": "shop-router"}}}}},
    node("shop-v1"), node("shop-v2"),
    route("rest", 20, {"prefix": "/"}, shop_v1=90, shop_v2=10),
    route("beta", 10, {"prefix": "/", "headers": [{"name": "x-beta", "match": {"exact": "yes"}}]}, shop_v2=100),
    {"virtualGateway": {"virtualGatewayName": "door"}},
]  # fmt: skip


def test_gateway_routes_carry_weights_matches_and_ports_in_the_order_of_priorities() -> None:
    [found] = TARGETS["gateway"](export_of(EXPORT, "f"), "shop")

    first, second = found["spec"]["rules"]
    assert (found["kind"], found["metadata"]) == ("HTTPRoute", {"name": "shop", "namespace": "shop"})
    assert first["matches"][0]["headers"] == [{"type": "Exact", "name": "x-beta", "value": "yes"}]
    assert second["backendRefs"] == [
        {"name": "shop-v1", "port": 8080, "weight": 90}, {"name": "shop-v2", "port": 8080, "weight": 10},
    ]  # fmt: skip


def test_consul_entries_split_each_rule_and_route_between_them() -> None:
    found = TARGETS["consul"](export_of(EXPORT, "f"), "")

    splitters = {e["Name"]: e["Splits"] for e in found if e["Kind"] == "service-splitter"}
    assert splitters["shop-2"] == [{"Weight": 90.0, "Service": "shop-v1"}, {"Weight": 10.0, "Service": "shop-v2"}]
    [router] = [e for e in found if e["Kind"] == "service-router"]
    assert [r["Destination"]["Service"] for r in router["Routes"]] == ["shop-1", "shop-2"]
    assert found.index(router) == len(found) - 1


def test_lattice_template_has_a_rule_for_each_and_the_last_as_default() -> None:
    [template] = TARGETS["lattice"](export_of(EXPORT, "f"), "vpc-1")

    listener = template["Resources"]["ListenerShopShopSvcClusterLocal"]["Properties"]
    weights = [group["Weight"] for group in listener["DefaultAction"]["Forward"]["TargetGroups"]]
    assert weights == [90, 10]
    assert template["Resources"]["TargetGroupShopV1"]["Properties"]["Config"]["VpcIdentifier"] == "vpc-1"
    assert "RuleShopShopSvcClusterLocal1" in template["Resources"]


def test_export_without_a_node_that_is_a_target_says_which() -> None:
    with pytest.raises(BadExport, match=r"f: virtual node 'shop-v2' is a target and not in the file"):
        export_of([part for part in EXPORT if part != node("shop-v2")], "f")


def test_export_with_a_weight_beyond_100_says_where() -> None:
    with pytest.raises(BadExport, match=r"f: Route: spec.httpRoute.action.weightedTargets.0.weight: .*100"):
        export_of([*EXPORT[:3], route("rest", 1, {}, shop_v1=101)], "f")


def test_import_verb_prints_yaml_and_names_what_is_not_carried_over(tmp_path: Path) -> None:
    (tmp_path / "mesh.json").write_text(json.dumps(EXPORT))

    result = CliRunner().invoke(app, ["import", "appmesh", str(tmp_path / "mesh.json"), "--namespace", "shop"])

    assert result.exit_code == 0
    [found] = YAML(typ="safe", pure=True).load_all(result.stdout)
    assert found["kind"] == "HTTPRoute"
    assert "not carried over: virtualGateway door: entrances are set up anew" in result.stderr
    assert "not carried over: route rest: retryPolicy" in result.stderr


def test_import_verb_of_what_is_no_export_fails_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mesh.json").write_text("{}")

    result = CliRunner().invoke(app, ["import", "appmesh", str(tmp_path / "mesh.json")])

    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "there is no virtual service in it" in result.stderr


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["virtualService", "virtualServices", "routes", "route", "spec", "provider", "virtualNode"]),
        inner, max_size=3,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True)
@given(ANYTHING)
def test_export_of_anything_is_an_export_or_bad(data: Any) -> None:
    with contextlib.suppress(BadExport):
        assert export_of(data, "f").services
