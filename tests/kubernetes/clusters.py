"""An API server for tests: the stand-in, or a real one that EQUIPOISE_KUBECONFIG names."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.kubeconfig import Access, from_kubeconfig
from connectors.kubernetes.rbac import SERVICE_ACCOUNT
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

    async def _established(self, name: str) -> bool:
        live = await self.admin.get(DEFINITION, "", name)
        return any(
            c.get("type") == "Established" and c.get("status") == "True" for c in entries(live, "status", "conditions")
        )

    async def grant(self, manifests: Iterable[tuple[Resource, Manifest]]) -> None:
        """What an administrator applies."""
        for resource, manifest in manifests:
            await self.admin.apply(manifest, resource, force=True)

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
    stand_in = None if named else StandIn()
    if stand_in is not None:
        await stand_in.start()
        admin = Access(stand_in.url, token=stand_in.admin_token)
    else:
        admin = from_kubeconfig(Path(str(named)))
    found = Cluster(admin, f"equipoise-test-{secrets.token_hex(3)}", stand_in)
    try:
        await found.admin.create(NAMESPACE.blank("", found.namespace), NAMESPACE)
        yield found
    finally:
        with contextlib.suppress(Exception):
            await found.admin.delete(NAMESPACE, "", found.namespace)
        await found.admin.close()
        if stand_in is not None:
            await stand_in.stop()
