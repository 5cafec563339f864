"""Who may do what, and what admission objects to: RBAC of roles, and ValidatingAdmissionPolicies in CEL."""

from collections.abc import Mapping
from typing import Any

import cel

from tests.kubernetes.answers import ApiError
from tests.kubernetes.kinds import Kind
from tests.kubernetes.schema import program
from tests.kubernetes.store import Store
from tests.kubernetes.stored import Object

ADMIN = "system:admin"
POLICIES = ("admissionregistration.k8s.io", "validatingadmissionpolicies")
BINDINGS = ("admissionregistration.k8s.io", "validatingadmissionpolicybindings")


def allowed(store: Store, user: str, verb: str, kind: Kind, namespace: str, name: str, sub: str) -> bool:
    """By the roles that are bound to a service account in a namespace."""
    if user == ADMIN:
        return True
    for (where, _), binding in store.of("rbac.authorization.k8s.io", "rolebindings").items():
        if where != namespace:
            continue
        if user not in {f"{s['namespace']}/{s['name']}" for s in binding.object["subjects"]}:
            continue
        role = store.of("rbac.authorization.k8s.io", "roles").get((where, binding.object["roleRef"]["name"]))
        if role and any(_grants(rule, verb, kind, name, sub) for rule in role.object["rules"]):
            return True
    return False


def _grants(rule: Mapping[str, Any], verb: str, kind: Kind, name: str, sub: str) -> bool:
    resource = f"{kind.plural}/{sub}" if sub else kind.plural
    names = rule.get("resourceNames")
    whole = verb in rule["verbs"] and kind.group in rule["apiGroups"] and resource in rule["resources"]
    return whole and (not names or name in names)


def review(store: Store, kind: Kind, operation: str, new: Object, old: Object | None) -> None:
    """Every bound policy that speaks of this kind and operation. ApiError in the words of the API server."""
    bindings = {
        stored.object["spec"]["policyName"]: stored.object["metadata"]["name"]
        for stored in store.of(*BINDINGS).values()
        if "Deny" in stored.object["spec"]["validationActions"]
    }
    for (_, name), stored in list(store.of(*POLICIES).items()):
        spec = stored.object.get("spec", {})
        if name not in bindings or not _speaks_of(spec, kind, operation):
            continue
        scope = cel.Context({"object": _named_in(spec, new), "oldObject": _named_in(spec, old)})
        if all(program(part["expression"]).execute(scope) for part in spec.get("matchConditions", [])):
            _validate(name, bindings[name], spec, scope, f'{kind.plural}.{kind.group} "{new["metadata"]["name"]}"')


def _named_in(spec: Mapping[str, Any], thing: Object | None) -> Object | None:
    """The fields of an object that a policy names anywhere: what it cannot see is not made ready for it."""
    said = str(spec.get("matchConditions", "")) + str(spec["validations"])
    return {key: value for key, value in thing.items() if key in said} if thing is not None else None


def _speaks_of(spec: Mapping[str, Any], kind: Kind, operation: str) -> bool:
    return any(
        operation in rule["operations"] and kind.group in rule["apiGroups"] and kind.plural in rule["resources"]
        and (kind.version in rule["apiVersions"] or "*" in rule["apiVersions"])
        for rule in spec["matchConstraints"]["resourceRules"]
    )  # fmt: skip


def _validate(name: str, binding: str, spec: Mapping[str, Any], scope: cel.Context, what: str) -> None:
    for validation in spec["validations"]:
        if program(validation["expression"]).execute(scope):
            continue
        said = validation.get("messageExpression")
        words = program(said).execute(scope) if said else validation.get("message", validation["expression"])
        denied = f"ValidatingAdmissionPolicy '{name}' with binding '{binding}' denied request: {words}"
        raise ApiError(422, "Invalid", f"{what} is forbidden: {denied}", [{"message": denied}])
