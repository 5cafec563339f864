"""A stand-in for the mesh controllers: reads routes by watching, says what it thinks of them, and routes by them.

It is a client of the API like any other, so it works in front of the stand-in and of a real API server alike. What it
does is what the documentation of each mesh says of it, and no more; no code of a mesh runs here.
"""

import asyncio
import contextlib
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import numpy as np

from connectors.connector import Refused, Unavailable
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.dialect import Dialect
from connectors.kubernetes.gateway import LINKERD, GatewayApi
from connectors.kubernetes.mirror import followed
from connectors.kubernetes.resource import Manifest, Resource, entries, mapping, text
from connectors.kubernetes.spec import KubernetesSpec
from connectors.kubernetes.split import Split
from tests.contract import http_client
from tests.contract.backends import HttpBackend
from tests.contract.harness import SHED
from tests.kubernetes.clusters import POOL, SERVICE, Cluster


class StandInMesh:
    """One controller and one data plane, in front of backends by cluster."""

    def __init__(
        self, cluster: Cluster, spec: KubernetesSpec, dialect: Dialect, backends: Mapping[str, HttpBackend]
    ) -> None:
        self.cluster, self.spec, self.dialect, self.backends = cluster, spec, dialect, backends
        self.api = KubernetesApi("mesh", lambda: cluster.admin_access, "stand-in-mesh")
        self.programmed: dict[str, Split] = {}
        """What the data plane runs with, by service."""
        self.silent = False
        """Whether the controller does nothing."""
        self._judged: dict[str, Manifest] = {}
        """Each object as it was when it lacked nothing."""
        self._synced: dict[str, Any] = {}
        """The generation that each ServiceSplitter was synchronised at: its status has no place for it."""
        self._known: dict[tuple[Resource, str], set[str]] = {}
        """Back ends that were seen by kind and namespace: looked for where one is missing, never missed once seen."""
        self._rng = np.random.default_rng(7)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The controller while the block lasts."""
        task = asyncio.create_task(self._reconcile())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.api.close()

    async def send(self, service: str, requests: int) -> Counter[str]:
        """Real requests to the backends, drawn by the weights that are programmed."""
        split = self.programmed.get(service)
        if split is None:
            return Counter({"ERROR no route": requests})
        names = [*split.weights, SHED]
        total = sum(split.weights.values()) or 1
        shares = np.array([weight / total for weight in split.weights.values()] + [0.0]) * (1 - split.refused_ratio)
        shares[-1] = 1.0 - shares[:-1].sum()
        drawn = dict(zip(names, self._rng.multinomial(requests, np.clip(shares, 0, 1)).tolist(), strict=True))
        counts = Counter({SHED: drawn.pop(SHED)} if drawn[SHED] else {})
        drawn.pop(SHED, None)
        for name, count in drawn.items():
            if count and name in self.backends:
                counts += await http_client.send(self.backends[name].port, service, count)
            elif count:
                counts[f"ERROR {name}"] += count
        return counts

    async def _reconcile(self) -> None:
        resource = self.dialect.resources[-1]
        namespace = self.dialect.namespace(next(iter(self.spec.places.values())))
        while True:
            try:
                async with aclosing(followed(self.api, resource, namespace)) as looks:
                    async for held in looks:
                        for (_, name), live in list(held.items()):
                            if self._judged.get(name) is not live:
                                await self._judge(live)
            except (Unavailable, Refused):
                await asyncio.sleep(0.02)

    async def _judge(self, live: Manifest) -> None:
        place = next((p for p in self.spec.places.values() if p.route_name == text(live, "metadata", "name")), None)
        if place is None or self.silent:
            return
        lacks = await self._lacks(live)
        status = self._status(live, lacks)
        if status is not None and mapping(live, "status") != status:
            namespace, name = text(live, "metadata", "namespace"), text(live, "metadata", "name")
            resource = self.dialect.resources[-1]
            await self.api.merge(resource, namespace, name, {"status": status}, subresource="status")
        if not lacks:
            self.programmed[place.service] = self.dialect.found(self.spec, place, live)
            self._judged[place.route_name] = live

    async def _lacks(self, live: Manifest) -> str:
        """A destination that is not there."""
        kind, namespace = text(live, "kind"), text(live, "metadata", "namespace")
        resource = SERVICE
        if kind in {"HTTPRoute", "GRPCRoute"}:
            references = [ref for rule in entries(live, "spec", "rules") for ref in entries(rule, "backendRefs")]
            wanted = [text(ref, "name") for ref in references]
            resource = POOL if any(text(ref, "kind") == POOL.kind for ref in references) else SERVICE
        elif kind == "ServiceSplitter":
            wanted = [text(leg, "service") for leg in entries(live, "spec", "splits")]
        else:
            return ""
        known = self._known.setdefault((resource, namespace), set())
        if not known.issuperset(wanted):
            listed, _ = await self.api.listed(resource, namespace)
            known.update(text(service, "metadata", "name") for service in listed)
        return next((name for name in wanted if name not in known), "")

    def _status(self, live: Manifest, lacks: str) -> dict[str, Any] | None:
        kind, generation = text(live, "kind"), mapping(live, "metadata").get("generation")
        old = {text(c, "type"): c for p in entries(live, "status", "parents") for c in entries(p, "conditions")}
        if kind in {"HTTPRoute", "GRPCRoute"}:
            conditions = [
                _condition("Accepted", True, "Accepted", "", generation, old),
                _condition("ResolvedRefs", not lacks, "BackendNotFound" if lacks else "ResolvedRefs",
                           f'back end "{lacks}" not found' if lacks else "", generation, old),
            ]  # fmt: skip
            linkerd = isinstance(self.dialect, GatewayApi) and self.dialect.linkerd
            name = LINKERD if linkerd else "equipoise.dev/stand-in"
            parents = entries(live, "spec", "parentRefs")
            return {
                "parents": [{"parentRef": dict(p), "controllerName": name, "conditions": conditions} for p in parents]
            }
        if kind == "ServiceSplitter":
            if self._synced.get(text(live, "metadata", "name")) == generation:
                return None
            self._synced[text(live, "metadata", "name")] = generation
            words = f'service "{lacks}" has no resolver' if lacks else ""
            synced = _condition("Synced", not lacks, "ConsulAgentError" if lacks else "", words, None, {})
            at = dt.datetime.now(dt.UTC).isoformat()
            return {"conditions": [synced], "lastSyncedTime": at}
        return None


def _condition(
    kind: str, holds: bool, reason: str, message: str, generation: Any, old: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = {"type": kind, "status": str(holds), "reason": reason, "message": message}
    found |= {} if generation is None else {"observedGeneration": generation}
    same = kind in old and old[kind].get("status") == str(holds)
    return found | {"lastTransitionTime": old[kind].get("lastTransitionTime", now) if same else now}
