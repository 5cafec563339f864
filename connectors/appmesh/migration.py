"""What takes the place of an App Mesh: Gateway API, Consul or VPC Lattice, as documents to review and apply.

Weights are carried over as they are, names of virtual nodes become names of services. Nothing is applied from here.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from connectors.appmesh.export import Export, Match, Node, Rule, Service
from connectors.fit import to_unit

Document = dict[str, Any]


def short(name: str) -> str:
    """The first label of a host name: what a Service of Kubernetes or Consul is called."""
    return name.partition(".")[0].lower()


def gateway(export: Export, namespace: str) -> list[Document]:
    """Routes on the Service that clients call: HTTPRoute, GRPCRoute, TCPRoute of the Gateway API."""
    found = []
    for name, service in export.services.items():
        for kind, rules in _by_kind(export, service).items():
            listed = [_gateway_rule(export, kind, rule) for rule in rules]
            found.append({
                "apiVersion": f"gateway.networking.k8s.io/{'v1alpha2' if kind == 'TCPRoute' else 'v1'}", "kind": kind,
                "metadata": {"name": short(name), "namespace": namespace},
                "spec": {
                    "parentRefs": [{"group": "", "kind": "Service", "name": short(name), "port": _port(export, rules)}],
                    "rules": listed,
                },
            })  # fmt: skip
    return found


def _by_kind(export: Export, service: Service) -> dict[str, list[Rule]]:
    kinds = {"http": "HTTPRoute", "http2": "HTTPRoute", "grpc": "GRPCRoute", "tcp": "TCPRoute"}
    found: dict[str, list[Rule]] = {}
    for kind, _, rule in export.rules(service):
        found.setdefault(kinds[kind], []).append(rule)
    return found


def _port(export: Export, rules: list[Rule]) -> int:
    return export.nodes[rules[0].action.weightedTargets[0].virtualNode].port


def _gateway_rule(export: Export, kind: str, rule: Rule) -> Document:
    refs = [
        {"name": short(node.host), "port": target.port or node.port, "weight": target.weight}
        for target in rule.action.weightedTargets
        for node in (export.nodes[target.virtualNode],)
    ]
    found: Document = {"backendRefs": refs}
    match = {"HTTPRoute": _http_match, "GRPCRoute": _grpc_match}.get(kind)
    if match is not None:
        found["matches"] = [match(rule.match)]
    request = _duration((rule.timeout or {}).get("perRequest"))
    return {**found, "timeouts": {"request": request}} if request and kind == "HTTPRoute" else found


def _http_match(match: Match) -> Document:
    path = match.path or {}
    kinds = {"exact": "Exact", "regex": "RegularExpression"}
    shown = next(({"type": kinds[k], "value": v} for k, v in path.items() if k in kinds), None)
    found: Document = {"path": shown or {"type": "PathPrefix", "value": match.prefix or "/"}}
    if match.method:
        found["method"] = match.method
    headers = [header for header in map(_header, match.headers) if header]
    return {**found, "headers": headers} if headers else found


def _grpc_match(match: Match) -> Document:
    method = {key: value for key, value in (("service", match.serviceName), ("method", match.methodName)) if value}
    return {"method": method} if method else {}


def _header(header: Mapping[str, Any]) -> Document | None:
    wanted = header.get("match") or {}
    if "exact" in wanted:
        return {"type": "Exact", "name": header["name"], "value": wanted["exact"]}
    return (
        {"type": "RegularExpression", "name": header["name"], "value": wanted["regex"]} if "regex" in wanted else None
    )


def _duration(given: Mapping[str, Any] | None) -> str:
    return f"{given['value']}{given['unit']}" if given and given.get("unit") in {"s", "ms"} else ""


def consul(export: Export, _: str) -> list[Document]:
    """Config entries: a router where requests are told apart, a splitter for the weights of each rule."""
    found: list[Document] = []
    for name, service in export.services.items():
        rules, routes = export.rules(service), []
        for place, (kind, _route, rule) in enumerate(rules):
            whole = len(rules) == 1 and (rule.match.prefix or "/") == "/" and not rule.match.headers
            split = short(name) if whole else f"{short(name)}-{place + 1}"
            found += _consul_split(export, split, kind, rule)
            routes.append({"Match": {"HTTP": _consul_match(rule.match)}, "Destination": {"Service": split}})
            if not whole and place == len(rules) - 1:
                found.append({"Kind": "service-router", "Name": short(name), "Routes": routes})
    return found


def _consul_split(export: Export, name: str, kind: str, rule: Rule) -> Iterator[Document]:
    weights = {t.virtualNode: t.weight for t in rule.action.weightedTargets}
    protocol = {"http2": "http2", "grpc": "grpc", "tcp": "tcp"}.get(kind, "http")
    legs = {node: short(export.nodes[node].host) for node in weights}
    for each in dict.fromkeys([name, *legs.values()]):
        yield {"Kind": "service-defaults", "Name": each, "Protocol": protocol}
    if not (len(legs) == 1 and name in legs.values()):
        splits = [{"Weight": w / 100, "Service": legs[node]} for node, w in to_unit(weights, 10_000).items()]
        yield {"Kind": "service-splitter", "Name": name, "Splits": splits}


def _consul_match(match: Match) -> Document:
    names = {"exact": "PathExact", "regex": "PathRegex"}
    found: Document = {names[key]: value for key, value in (match.path or {}).items() if key in names}
    found = found or {"PathPrefix": match.prefix or "/"}
    if match.method:
        found["Methods"] = [match.method]
    kinds = {"Exact": "Exact", "RegularExpression": "Regex"}
    headers = [{"Name": h["name"], kinds[h["type"]]: h["value"]} for h in map(_header, match.headers) if h]
    return {**found, "Header": headers} if headers else found


def lattice(export: Export, vpc: str) -> list[Document]:
    """A CloudFormation template: a service with a listener and rules, a target group for each virtual node."""
    resources: Document = {
        _id("TargetGroup", node.virtualNodeName): _target_group(node, vpc) for node in export.nodes.values()
    }
    for name, service in export.services.items():
        resources |= _lattice_service(export, name, service)
    return [{"AWSTemplateFormatVersion": "2010-09-09", "Description": "From App Mesh", "Resources": resources}]


def _target_group(node: Node, vpc: str) -> Document:
    config = {"Port": node.port, "Protocol": "HTTP", "VpcIdentifier": vpc}
    return {"Type": "AWS::VpcLattice::TargetGroup", "Properties": {"Type": "IP", "Config": config}}


def _lattice_service(export: Export, name: str, service: Service) -> Document:
    own, listening = _id("Service", name), _id("Listener", name)
    found: Document = {own: {"Type": "AWS::VpcLattice::Service", "Properties": {"Name": short(name)}}}
    *rules, last = [rule for _, _, rule in export.rules(service)]
    found[listening] = {
        "Type": "AWS::VpcLattice::Listener",
        "Properties": {
            "ServiceIdentifier": {"Ref": own}, "Protocol": "HTTP", "Port": 80, "DefaultAction": _forward(last),
        },
    }  # fmt: skip
    for place, rule in enumerate(rules, start=1):
        found[f"{_id('Rule', name)}{place}"] = {
            "Type": "AWS::VpcLattice::Rule",
            "Properties": {
                "ServiceIdentifier": {"Ref": own}, "ListenerIdentifier": {"Ref": listening}, "Priority": place,
                "Match": {"HttpMatch": _lattice_match(rule.match)}, "Action": _forward(rule),
            },
        }  # fmt: skip
    return found


def _forward(rule: Rule) -> Document:
    groups = [
        {"TargetGroupIdentifier": {"Ref": _id("TargetGroup", target.virtualNode)}, "Weight": target.weight}
        for target in rule.action.weightedTargets
    ]
    return {"Forward": {"TargetGroups": groups}}


def _lattice_match(match: Match) -> Document:
    path = {"Exact": (match.path or {})["exact"]} if "exact" in (match.path or {}) else {"Prefix": match.prefix or "/"}
    found: Document = {"PathMatch": {"Match": path}}
    if match.method:
        found["Method"] = match.method
    headers = [{"Name": h["name"], "Match": {"Exact": h["value"]}} for h in map(_header, match.headers) if h]
    return {**found, "HeaderMatches": headers} if headers else found


def _id(kind: str, name: str) -> str:
    return kind + "".join(part.capitalize() for part in "".join(c if c.isalnum() else " " for c in name).split())


TARGETS: Mapping[str, Callable[[Export, str], list[Document]]] = {
    "gateway": gateway, "consul": consul, "lattice": lattice,
}  # fmt: skip
