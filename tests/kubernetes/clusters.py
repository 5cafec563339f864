"""An API server for tests: the stand-in, or a real one that EQUIPOISE_KUBECONFIG names."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.connector import Unavailable
from connectors.kubernetes.answers import Missing
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.kubeconfig import Access, from_kubeconfig
from connectors.kubernetes.rbac import ROLE, ROLE_BINDING, SERVICE_ACCOUNT
from connectors.kubernetes.resource import Manifest, Resource, entries, mapping, text
from tests.contract.harness import eventually
from tests.kubernetes.server import StandIn

KUBECONFIG = "EQUIPOISE_KUBECONFIG"
NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
SERVICE = Resource("", "v1", "services", "Service")
POOL = Resource("inference.networking.k8s.io", "v1", "inferencepools", "InferencePool")
DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
REVIEW = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False)
NOWHERE = "http://127.0.0.1:1"


class Cluster:
    """An API server with a namespace of its own for one test."""

    def __init__(self, admin: Access, namespace: str, stand_in: StandIn | None) -> None:
        self.admin_access, self.namespace, self.stand_in = admin, namespace, stand_in
        self.admin = KubernetesApi("test", lambda: admin, "test-admin")
        self.reachable = True

    async def install(self, definitions: Iterable[dict[str, Any]]) -> None:
        """CustomResourceDefinitions, where the server does not have them yet."""
        for definition in definitions:
            name = definition["metadata"]["name"]
            if await self.admin.find(DEFINITION, "", name) is None:
                await self.admin.create(definition, DEFINITION)
            await eventually(lambda name=name: self._established(name), f"{name} is established")
            await eventually(lambda definition=definition: self._served(definition), f"{name} is served")

    async def _established(self, name: str) -> bool:
        live = await self.admin.get(DEFINITION, "", name)
        return any(
            c.get("type") == "Established" and c.get("status") == "True" for c in entries(live, "status", "conditions")
        )

    async def _served(self, definition: Manifest) -> bool:
        """A server that has just learnt of a kind needs a moment until it can tell what there is of it."""
        spec = definition["spec"]
        version = next(version["name"] for version in spec["versions"] if version["served"])
        resource = Resource(spec["group"], version, spec["names"]["plural"], spec["names"]["kind"])
        try:
            await self.admin.listed(resource, self.namespace)
        except (Missing, Unavailable):
            return False
        return True

    async def grant(self, manifests: Iterable[tuple[Resource, Manifest]]) -> None:
        """What an administrator applies; a real server needs a moment until a role counts."""
        listed = list(manifests)
        for resource, manifest in listed:
            await self.admin.apply(manifest, resource, force=True)
        roles = {_key(manifest): manifest for resource, manifest in listed if resource == ROLE}
        for resource, binding in listed if self.stand_in is None else []:
            if resource == ROLE_BINDING:
                review = _review(roles[_key(binding)], binding)
                await eventually(lambda review=review: self._allowed(review), f"{_key(binding)} counts")

    async def revoke(self, manifests: Iterable[tuple[Resource, Manifest]]) -> None:
        """Take away what is in no namespace, and so would be there for the next test."""
        for resource, manifest in manifests:
            if not resource.namespaced:
                with contextlib.suppress(Exception):
                    await self.admin.delete(resource, "", text(manifest, "metadata", "name"))

    async def _allowed(self, review: Manifest) -> bool:
        try:
            answer = await self.admin.create(review, REVIEW)
        except Missing:
            return True  # a stand-in behind a kubeconfig
        return bool(mapping(answer, "status").get("allowed"))

    async def access_as(self, account: str) -> Access:
        """The access of a service account, by a token of the TokenRequest API."""
        path = SERVICE_ACCOUNT.path(self.namespace, account, "token")
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        answer = await self.admin._ask("POST", path, "a token for a test", body=body)
        return replace(self.admin_access, token=text(mapping(answer, "status"), "token"), certificate="", token_file="")

    def reached(self, access: Access) -> Access:
        """The same, or nowhere while the connection is cut."""
        return access if self.reachable else replace(access, server=NOWHERE)


@contextlib.asynccontextmanager
async def cluster(kubeconfig: str = "") -> AsyncIterator[Cluster]:
    """The stand-in, fresh; or the server of a kubeconfig or of EQUIPOISE_KUBECONFIG, with a namespace that is deleted
    in the end.
    """
    named = kubeconfig or os.environ.get(KUBECONFIG)
    if not named:
        async with standing_in() as found:
            yield found
        return
    found = Cluster(from_kubeconfig(Path(named)), _namespace(), None)
    try:
        await found.admin.create(NAMESPACE.blank("", found.namespace), NAMESPACE)
        yield found
    finally:
        with contextlib.suppress(Exception):
            await found.admin.delete(NAMESPACE, "", found.namespace)
        await found.admin.close()


@contextlib.asynccontextmanager
async def standing_in() -> AsyncIterator[Cluster]:
    """The stand-in, wherever a real server may be."""
    stand_in = StandIn()
    await stand_in.start()
    found = Cluster(Access(stand_in.url, token=stand_in.admin_token), _namespace(), stand_in)
    try:
        await found.admin.create(NAMESPACE.blank("", found.namespace), NAMESPACE)
        yield found
    finally:
        await found.admin.close()
        await stand_in.stop()


def _key(manifest: Manifest) -> tuple[str, str]:
    return text(manifest, "metadata", "namespace"), text(manifest, "metadata", "name")


def _review(role: Manifest, binding: Manifest) -> Manifest:
    """Whether the subject of a binding may do the first thing that its role grants."""
    rule, subject = role["rules"][0], binding["subjects"][0]
    asked = {
        "namespace": role["metadata"]["namespace"], "verb": rule["verbs"][0], "group": rule["apiGroups"][0],
        "resource": rule["resources"][0], "name": next(iter(rule.get("resourceNames", [])), ""),
    }  # fmt: skip
    user = f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
    return {"apiVersion": REVIEW.api_version, "kind": REVIEW.kind, "metadata": {}} | {
        "spec": {"user": user, "resourceAttributes": asked}
    }


def _namespace() -> str:
    return f"equipoise-test-{secrets.token_hex(3)}"
