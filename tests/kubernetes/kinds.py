"""The kinds that the stand-in serves: some built in, with just enough of a schema, and whatever CRDs are posted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.kubernetes.schema import PRESERVE, Fault, Schema, with_envelope

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
    generations: bool = False
    """Whether its specification has generations."""
    custom: bool = False
    """Whether a CustomResourceDefinition made it: an update of one has to name the version that it was made from."""
    omits: tuple[str, ...] = ()
    """Fields that are left out where they are empty."""
    rules: Callable[[dict[str, Any]], list[Fault]] | None = None
    """What is wrong with an object, where its schema does not say it all."""

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
        minReplicas={"type": "integer", "default": 1},
        maxReplicas={"type": "integer"},
        metrics={"type": "array", "items": OPEN},
        behavior=OPEN,
    ),
    status=OPEN,
)


def autoscaler_faults(thing: dict[str, Any]) -> list[Fault]:
    """As the API server looks at a HorizontalPodAutoscaler, whatever its metrics are."""
    spec = thing.get("spec", {})
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    found = []
    if least < 1:
        found.append(
            Fault(
                "spec.minReplicas", "FieldValueInvalid", f"Invalid value: {least}: must be greater than or equal to 1"
            )
        )
    if most < 1:
        found.append(Fault("spec.maxReplicas", "FieldValueRequired", "Required value: must be set and greater than 0"))
    if most < least:
        words = f"Invalid value: {most}: must be greater than or equal to `minReplicas`"
        found.append(Fault("spec.maxReplicas", "FieldValueInvalid", words))
    if least == 0:
        words = "Forbidden: must specify at least one Object or External metric to support scaling to zero replicas"
        found.append(Fault("spec.metrics", "FieldValueForbidden", words))
    return found


CONFIG_MAP = _object(
    data={"type": "object", "additionalProperties": TEXT}, binaryData=OPEN, immutable={"type": "boolean"}
)
ADMISSION = "admissionregistration.k8s.io"
BUILT_IN = (
    Kind("", "v1", "configmaps", "ConfigMap", with_envelope(CONFIG_MAP), omits=("data", "binaryData")),
    Kind("apps", "v1", "deployments", "Deployment", with_envelope(DEPLOYMENT), status=True, generations=True),
    Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", with_envelope(HPA), status=True,
         rules=autoscaler_faults),
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
            generations=True,
            custom=True,
        )
        for version in spec["versions"]
        if version["served"]
    ]
