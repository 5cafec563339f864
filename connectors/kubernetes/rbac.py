"""The rights of one origin in its cluster, no more than its connector uses: manifests for who may grant them."""

from collections.abc import Iterable
from typing import Any

from connectors.kubernetes.admission import fence_policy
from connectors.kubernetes.dialect import Dialect, Telling
from connectors.kubernetes.floors import FloorSpec
from connectors.kubernetes.resource import CONFIG_MAP, Manifest, Resource
from connectors.kubernetes.spec import KubernetesSpec, Ownership
from connectors.kubernetes.workload import AUTOSCALER, DEPLOYMENT, Keeper

GROUP = "rbac.authorization.k8s.io"
ROLE = Resource(GROUP, "v1", "roles", "Role")
ROLE_BINDING = Resource(GROUP, "v1", "rolebindings", "RoleBinding")
SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")
OWN_VERBS = ("get", "list", "watch", "create", "patch", "delete")
"""Server-side apply needs create and patch; a new object that the mesh refuses is deleted again."""
PATCH_VERBS = ("get", "list", "watch", "patch")
READ_VERBS = ("get", "list", "watch")

Granted = tuple[Resource, Manifest]


def rights(spec: KubernetesSpec, dialect: Dialect) -> tuple[Granted, ...]:
    """A service account, a role and a binding in each namespace concerned, and the policy of the fence."""
    account = f"equipoise-{spec.origin}"
    found: list[Granted] = [(SERVICE_ACCOUNT, SERVICE_ACCOUNT.blank(spec.namespace, account))]
    spaces = {dialect.namespace(place) for place in spec.places.values()}
    reads = {place.namespace for place in spec.places.values()} if dialect.reads else set()
    told = _told(spec, dialect)
    for namespace in sorted(spaces | reads | told.keys() | {spec.namespace}):
        rules = [*_fence_rules(spec, namespace), *_route_rules(spec, dialect, namespace in spaces)]
        rules += [_rule([resource], READ_VERBS) for resource in dialect.reads if namespace in reads]
        rules += [_rule([resource], ("get",)) for resource in told.get(namespace, [])]
        role = ROLE.blank(namespace, account, rules=rules)
        subjects = [{"kind": "ServiceAccount", "name": account, "namespace": spec.namespace}]
        reference = {"apiGroup": GROUP, "kind": "Role", "name": account}
        found += [
            (ROLE, role),
            (ROLE_BINDING, ROLE_BINDING.blank(namespace, account, roleRef=reference, subjects=subjects)),
        ]
    return (*found, *fence_policy(spec.origin, dialect.resources))


def _told(spec: KubernetesSpec, dialect: Dialect) -> dict[str, list[Resource]]:
    """What is looked at besides, by namespace."""
    found: dict[str, list[Resource]] = {}
    for resource, namespace in dialect.told_by if isinstance(dialect, Telling) else ():
        for where in {namespace} if namespace else {place.namespace for place in spec.places.values()}:
            found.setdefault(where, []).append(resource)
    return found


def floor_rights(spec: FloorSpec, account: str, namespace: str) -> tuple[Granted, ...]:
    """What the connector of replica floors needs: to read and patch the named objects, and to see autoscalers."""
    found: list[Granted] = []
    for where in sorted({kept.namespace for kept in spec.kept.values()}):
        here = [kept for kept in spec.kept.values() if kept.namespace == where]
        rules = [_rule([AUTOSCALER], ("list",))]
        for resource in sorted({kept.keeper.resource for kept in here}):
            names = sorted(kept.name for kept in here if kept.keeper.resource == resource)
            rules.append(_rule([resource], ("get", "patch")) | {"resourceNames": names})
        watched = sorted(kept.deployment for kept in here if kept.keeper is not Keeper.KARMADA)
        rules += [_rule([DEPLOYMENT], ("get",)) | {"resourceNames": watched}] if watched else []
        name = account
        subjects = [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
        reference = {"apiGroup": GROUP, "kind": "Role", "name": name}
        found += [(ROLE, ROLE.blank(where, name, rules=rules))]
        found += [(ROLE_BINDING, ROLE_BINDING.blank(where, name, roleRef=reference, subjects=subjects))]
    return (*found, *fence_policy(f"{spec.owner}-floors", {kept.keeper.resource for kept in spec.kept.values()}))


def _fence_rules(spec: KubernetesSpec, namespace: str) -> list[dict[str, Any]]:
    """A name cannot be granted for what is not there yet, so creating is granted for all ConfigMaps of a namespace."""
    if namespace != spec.namespace:
        return []
    own = _rule([CONFIG_MAP], ("get", "patch")) | {"resourceNames": [spec.fence_name]}
    return [own, _rule([CONFIG_MAP], ("create",))]


def _route_rules(spec: KubernetesSpec, dialect: Dialect, concerned: bool) -> list[dict[str, Any]]:
    if not concerned:
        return []
    if spec.ownership is Ownership.PATCH:
        return [_rule(dialect.resources[-1:], PATCH_VERBS)]
    return [_rule(dialect.resources, OWN_VERBS)]


def _rule(resources: Iterable[Resource], verbs: tuple[str, ...]) -> dict[str, Any]:
    listed = list(resources)
    groups = sorted({resource.group for resource in listed})
    return {"apiGroups": groups, "resources": sorted(r.plural for r in listed), "verbs": list(verbs)}
