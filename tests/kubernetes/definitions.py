"""The CustomResourceDefinitions that tests install: those of the projects themselves, read from beside the repository.

Consul's, KEDA's and the InferencePool are written here from the fields that their documentation names, for their own
are not at hand. A server that has the projects' own keeps them.
"""

import functools
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

FILES = {
    "gateway.networking.k8s.io": ("gateway-api/standard", ("httproutes", "grpcroutes", "_gateways")),
    "networking.istio.io": ("istio", ("customresourcedefinitions",)),
    "kuma.io": ("kuma", ("meshhttproutes",)),
    "linkerd.io": ("linkerd", ("serviceprofile",)),
    "policy.karmada.io": ("karmada", ("propagationpolicies",)),
}
KINDS = {
    "VirtualService",
    "DestinationRule",
    "Gateway",
    "HTTPRoute",
    "GRPCRoute",
    "MeshHTTPRoute",
    "ServiceProfile",
    "PropagationPolicy",
}


def folder() -> Path:
    """EQUIPOISE_DATA, else the data folder shared beside the repository."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    found = [place for place in (Path(os.environ.get("EQUIPOISE_DATA") or beside), *_elsewhere()) if place.is_dir()]
    if not found:
        pytest.skip("the CRDs are not there: set EQUIPOISE_DATA to the folder that holds crds/")
    return found[0] / "crds"


def _elsewhere() -> list[Path]:
    """A work tree may lie one folder deeper."""
    return [Path(__file__).resolve().parents[4] / "shared" / "data"]


@functools.cache
def definitions_of(group: str) -> tuple[dict[str, Any], ...]:
    """The definitions of one API group that the connectors speak."""
    if group in OWN:
        return OWN[group]
    where, parts = FILES[group]
    files = [f for f in sorted((folder() / where).glob("*.yaml")) if any(part in f.name for part in parts)]
    loaded = [d for file in files for d in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)]
    found = [d for d in loaded if d["spec"]["names"]["kind"] in KINDS and d["spec"]["group"] == group]
    assert found, f"no definition of {group} in {folder()}"
    return tuple(_slim(definition) for definition in found)


def _slim(definition: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": definition["apiVersion"], "kind": definition["kind"], "spec": definition["spec"]} | {
        "metadata": {
            "name": definition["metadata"]["name"],
            "annotations": definition["metadata"].get("annotations", {}),
        }
    }


def _own(
    group: str, version: str, plural: str, kind: str, spec: dict[str, Any], status: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Groups below k8s.io want to know who approved of them, or that nobody did."""
    annotations = {"api-approved.kubernetes.io": "unapproved, written for tests"} if group.endswith(".k8s.io") else {}
    said = status or {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": spec, "status": said}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": annotations},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {"name": version, "served": True, "storage": True, "subresources": {"status": {}},
                 "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }  # fmt: skip


TEXT = {"type": "string"}


def _texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, TEXT)


LEG = _texts("service", "serviceSubset", "namespace", "partition") | {"weight": {"type": "number"}}
SPLITTER = {
    "type": "object",
    "properties": {"splits": {"type": "array", "items": {"type": "object", "properties": LEG}}},
}
REDIRECT = {
    "type": "object",
    "properties": _texts("service", "serviceSubset", "namespace", "partition", "datacenter", "peer"),
}
RESOLVER = {
    "type": "object",
    "properties": _texts("defaultSubset", "connectTimeout") | {"redirect": REDIRECT},
}
TIME = {"type": "string", "format": "date-time"}
CONDITION = {
    "type": "object",
    "required": ["status", "type"],
    "properties": _texts("type", "status", "reason", "message") | {"lastTransitionTime": TIME},
}
SYNCED = {
    "type": "object",
    "properties": {"conditions": {"type": "array", "items": CONDITION}, "lastSyncedTime": TIME},
}
TRIGGER = {
    "type": "object",
    "required": ["metadata", "type"],
    "properties": _texts("type", "name", "metricType")
    | {"metadata": {"type": "object", "additionalProperties": TEXT}, "useCachedMetrics": {"type": "boolean"}},
}
SCALED = {
    "type": "object",
    "required": ["scaleTargetRef", "triggers"],
    "properties": {
        "scaleTargetRef": {"type": "object", "properties": {"name": TEXT, "kind": TEXT, "apiVersion": TEXT}},
        "minReplicaCount": {"type": "integer", "format": "int32"},
        "maxReplicaCount": {"type": "integer", "format": "int32"},
        "triggers": {"type": "array", "minItems": 1, "items": TRIGGER},
    },
}
PORT = {"type": "integer", "format": "int32", "minimum": 1, "maximum": 65_535}
NUMBERED = {"type": "object", "required": ["number"], "properties": {"number": PORT}}
PICKER = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "group": {"type": "string", "default": "", "maxLength": 253},
        "kind": {"type": "string", "default": "Service", "minLength": 1, "maxLength": 63},
        "name": {"type": "string", "minLength": 1, "maxLength": 253},
        "port": NUMBERED,
        "failureMode": {"type": "string", "default": "FailClose", "enum": ["FailOpen", "FailClose"]},
    },
    "x-kubernetes-validations": [
        {"rule": "self.kind != 'Service' || has(self.port)", "message": "a Service is picked by its port"}
    ],
}
POOL = {
    "type": "object",
    "required": ["selector", "targetPorts"],
    "properties": {
        "appProtocol": {"type": "string", "default": "http", "enum": ["http", "kubernetes.io/h2c"]},
        "endpointPickerRef": PICKER,
        "selector": {
            "type": "object",
            "required": ["matchLabels"],
            "properties": {"matchLabels": {"type": "object", "additionalProperties": TEXT, "maxProperties": 64}},
        },
        "targetPorts": {"type": "array", "minItems": 1, "maxItems": 8, "items": NUMBERED},
    },
}
OWN = {
    "consul.hashicorp.com": (
        _own("consul.hashicorp.com", "v1alpha1", "servicesplitters", "ServiceSplitter", SPLITTER, SYNCED),
        _own("consul.hashicorp.com", "v1alpha1", "serviceresolvers", "ServiceResolver", RESOLVER, SYNCED),
    ),
    "inference.networking.k8s.io": (
        _own("inference.networking.k8s.io", "v1", "inferencepools", "InferencePool", POOL),
    ),
    "keda.sh": (_own("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", SCALED),),
}
