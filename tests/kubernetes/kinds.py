"""The kinds that the stand-in serves: some built in, with just enough of a schema, and whatever CRDs are posted."""

from dataclasses import dataclass
from typing import Any

from tests.kubernetes.schema import PRESERVE, Schema, with_envelope

OPEN: Schema = {"type": "object", PRESERVE: True}


@dataclass(frozen=True)
class Kind:
    """One kind in one version."""

    group: str
    version: str
    plural: str
    kind: str
    schema: Schema
    namespaced: bool = True
    status: bool = False
    """Whether its status is a subresource."""
    strict: bool = True
    """Whether unknown fields are dropped."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def storage(self) -> tuple[str, str]:
        """All versions of a kind are one store."""
        return self.group, self.plural


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _open(group: str, version: str, plural: str, kind: str, **more: Any) -> Kind:
    return Kind(group, version, plural, kind, with_envelope(OPEN), strict=False, **more)


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "format": "int32", "minimum": 0}
CONTAINERS = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": OPEN}
DEPLOYMENT = _object(
    spec=_object(
        replicas=COUNT | {"default": 1},
        selector=OPEN,
        template={"type": "object", PRESERVE: True, "properties": {"spec": _object(containers=CONTAINERS) | OPEN}},
        strategy=OPEN,
        minReadySeconds=COUNT,
    ),
    status=OPEN,
)
HPA = _object(
    spec=_object(
        scaleTargetRef=_object(apiVersion=TEXT, kind=TEXT, name=TEXT) | {"x-kubernetes-map-type": "atomic"},
        minReplicas=COUNT | {"default": 1, "minimum": 1},
        maxReplicas=COUNT | {"minimum": 1},
        metrics={"type": "array", "items": OPEN},
        behavior=OPEN,
    ),
    status=OPEN,
)
CONFIG_MAP = _object(
    data={"type": "object", "additionalProperties": TEXT}, binaryData=OPEN, immutable={"type": "boolean"}
)
ADMISSION = "admissionregistration.k8s.io"
BUILT_IN = (
    Kind("", "v1", "configmaps", "ConfigMap", with_envelope(CONFIG_MAP)),
    Kind("apps", "v1", "deployments", "Deployment", with_envelope(DEPLOYMENT), status=True),
    Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", with_envelope(HPA), status=True),
    _open("", "v1", "namespaces", "Namespace", namespaced=False),
    _open("", "v1", "services", "Service"),
    _open("", "v1", "pods", "Pod"),
    _open("", "v1", "nodes", "Node", namespaced=False),
    _open("coordination.k8s.io", "v1", "leases", "Lease"),
    _open("", "v1", "serviceaccounts", "ServiceAccount"),
    _open("", "v1", "secrets", "Secret"),
    _open("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    _open("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    _open("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False),
    _open(ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False),
    _open(ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False),
)  # fmt: skip


def kinds_of(definition: dict[str, Any]) -> list[Kind]:
    """The kinds, one for each served version, of a CustomResourceDefinition."""
    spec = definition["spec"]
    return [
        Kind(
            spec["group"],
            version["name"],
            spec["names"]["plural"],
            spec["names"]["kind"],
            with_envelope(version["schema"]["openAPIV3Schema"]),
            namespaced=spec["scope"] == "Namespaced",
            status="status" in (version.get("subresources") or {}),
        )
        for version in spec["versions"]
        if version["served"]
    ]
