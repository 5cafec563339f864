"""The fence as the API server itself enforces it: no object of ours goes back to a lower (epoch, version).

A ValidatingAdmissionPolicy (Kubernetes 1.30 or newer) compares the annotations of an object before and after. It needs
no webhook and no process of ours, so it holds while we are gone. Taking our marks off an object is allowed: that is how
an operator takes the object away from us.
"""

from collections.abc import Iterable

from connectors.kubernetes.marks import EPOCH, VERSION
from connectors.kubernetes.resource import CONFIG_MAP, Manifest, Resource

GROUP = "admissionregistration.k8s.io"
POLICY = Resource(GROUP, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False)
BINDING = Resource(
    GROUP, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False
)


def fence_policy(origin: str, resources: Iterable[Resource]) -> tuple[tuple[Resource, Manifest], ...]:
    """The policy for these kinds and for the fence's own ConfigMap, and the binding that makes it count everywhere."""
    rules = [
        {"apiGroups": [r.group], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": [r.plural]}
        for r in sorted({CONFIG_MAP, *resources})
    ]
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": rules},
        "matchConditions": [
            {"name": "fenced-before-and-after", "expression": " && ".join((_fenced("oldObject"), _fenced("object")))}
        ],
        "validations": [
            {
                "expression": f"{_number('object', EPOCH)} > {_number('oldObject', EPOCH)} || "
                f"({_number('object', EPOCH)} == {_number('oldObject', EPOCH)} && "
                f"{_number('object', VERSION)} >= {_number('oldObject', VERSION)})",
                "messageExpression": f"'(epoch, version) (' + {_said('object')} + ') is lower than (' + "
                f"{_said('oldObject')} + '), which it has already; another controller leads'",
                "reason": "Invalid",
            }
        ],
    }
    name = f"equipoise-fence-{origin}"
    binding = {"policyName": name, "validationActions": ["Deny"]}
    return (POLICY, POLICY.blank("", name, spec=spec)), (BINDING, BINDING.blank("", name, spec=binding))


def _mark(thing: str, key: str) -> str:
    return f"{thing}.metadata.annotations['{key}']"


def _fenced(thing: str) -> str:
    marks = " && ".join(
        f"'{key}' in {thing}.metadata.annotations && {_mark(thing, key)}.matches('^[0-9]{{1,15}}$')"
        for key in (EPOCH, VERSION)
    )
    return f"has({thing}.metadata.annotations) && {marks}"


def _number(thing: str, key: str) -> str:
    return f"int({_mark(thing, key)})"


def _said(thing: str) -> str:
    return f"{_mark(thing, EPOCH)} + ', ' + {_mark(thing, VERSION)}"
