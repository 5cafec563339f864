"""Kuma and Kong Mesh on Kubernetes: a MeshHTTPRoute whose back ends are a service in its zones, told apart by label.

The route is written the way both 2.14 and the coming major version read it: `targetRef` is the whole mesh, `to` names
a service, and each back end carries `kuma.io/display-name`, `kuma.io/zone` and `k8s.kuma.io/namespace`. There is no
status on a MeshHTTPRoute; the control plane says no by its webhook. What a table would change in a proxy can be seen
without changing it: a copy with the label `kuma.io/effect: shadow`, and the control plane's diff of the proxy's
configuration.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.answers import Shape
from connectors.connector import Fencing, MeshLimits, Refused, Unavailable
from connectors.http import Access, Edge
from connectors.kubernetes.answers import Missing
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.dialect import Wanted, Word, only, weights_by
from connectors.kubernetes.resource import Manifest, Resource, entries, text
from connectors.kubernetes.spec import KubernetesSpec, Place
from connectors.kubernetes.split import Split

MESH_HTTP_ROUTE = Resource("kuma.io", "v1alpha1", "meshhttproutes", "MeshHTTPRoute")
LIMITS = MeshLimits(
    unit=10_000, standby=False, shed=False, targets_max=1_000, dry_run=True, fencing=Fencing.ENFORCED
)  # fmt: skip
EFFECT = "kuma.io/effect"
DIFF_S = 5.0
"""The deadline of a call is shorter."""


@dataclass(frozen=True, slots=True)
class Kuma:
    """A Dialect: one MeshHTTPRoute for each service, in the system namespace."""

    mesh: str = "default"
    system_namespace: str = "kuma-system"
    multi_zone: bool = True
    """Whether clients ask for a MeshMultiZoneService; else for the MeshService of their own zone."""
    title: str = "Kuma"
    control_plane: str = ""
    """Its API, for the diff of a dry run; empty where it is not to be asked."""
    dataplane: str = ""
    """The proxy whose configuration the diff is of."""

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return LIMITS

    @property
    def resources(self) -> tuple[Resource, ...]:
        """One kind."""
        return (MESH_HTTP_ROUTE,)

    @property
    def reads(self) -> tuple[Resource, ...]:
        """Nothing else."""
        return ()

    def namespace(self, place: Place) -> str:
        """Policies of the whole mesh live beside the control plane."""
        return self.system_namespace

    def wanted(self, spec: KubernetesSpec, place: Place, split: Split) -> tuple[Wanted, ...]:
        """The route."""
        if not split.weights:
            raise Refused(f"{spec.origin}: Kuma cannot refuse all requests of {place.service}; its last weights stay")
        backends = [self._backend(spec, place, cluster, weight) for cluster, weight in split.weights.items()]
        kind = "MeshMultiZoneService" if self.multi_zone else "MeshService"
        target: dict[str, Any] = {"kind": kind, "labels": {"kuma.io/display-name": place.name}}
        target["labels"] |= {"k8s.kuma.io/namespace": place.namespace} if not self.multi_zone else {}
        matches = [{"path": {"type": "PathPrefix", "value": "/"}}]
        rules = [{"matches": matches, "default": {"backendRefs": backends}}]
        body = {"targetRef": {"kind": "Mesh"}, "to": [{"targetRef": target, "rules": rules}]}
        route = MESH_HTTP_ROUTE.blank(self.system_namespace, place.route_name, spec=body)
        route["metadata"]["labels"] = {"kuma.io/mesh": self.mesh}
        return ((MESH_HTTP_ROUTE, route),)

    @staticmethod
    def _backend(spec: KubernetesSpec, place: Place, cluster: str, weight: int) -> dict[str, Any]:
        labels = {
            "kuma.io/display-name": place.name,
            "kuma.io/zone": spec.named(place.service, cluster),
            "k8s.kuma.io/namespace": place.namespace,
        }
        found: dict[str, Any] = {"kind": "MeshService", "labels": labels, "weight": weight}
        return found | ({"port": place.port} if place.port else {})

    def found(self, spec: KubernetesSpec, place: Place, live: Mapping[str, Any]) -> Split:
        """The weights of the first rule of the first destination."""
        to = entries(live, "spec", "to")
        rules = entries(to[0], "rules") if to else []
        listed = entries(rules[0], "default", "backendRefs") if rules else []
        return Split(weights_by(listed, lambda ref: spec.cluster_of(text(ref, "labels", "kuma.io/zone"))))

    def weighted(self, live: Mapping[str, Any]) -> str:
        """The back ends of the one rule for the one destination."""
        to = entries(live, "spec", "to")
        row = only(to, "destinations", live)
        return f"/spec/to/{row}/rules/{only(entries(to[row], 'rules'), 'rules', live)}/default/backendRefs"

    def word(self, place: Place, live: Mapping[str, Any], before: Mapping[str, Any] | None) -> Word:
        """The webhook has said yes, or it would not be stored."""
        return Word(True)

    async def check(self, api: KubernetesApi, spec: KubernetesSpec) -> None:
        """Nothing overrides a MeshHTTPRoute unseen."""

    async def shadow(self, api: KubernetesApi, manifests: tuple[Manifest, ...]) -> str:
        """What the control plane says would change in one proxy; the copies are gone again afterwards."""
        if not (self.control_plane and self.dataplane and manifests):
            return ""
        copies = [shadowed(manifest) for manifest in manifests]
        try:
            for copy in copies:
                await api.apply(copy, MESH_HTTP_ROUTE)
            path = f"/meshes/{self.mesh}/dataplanes/{self.dataplane}/_config?shadow=true&include=diff"
            count = await _diff(self.control_plane.rstrip("/") + path, api.origin)
        finally:
            for copy in copies:
                with contextlib.suppress(Missing):
                    await api.delete(MESH_HTTP_ROUTE, self.system_namespace, text(copy, "metadata", "name"))
        return f"{count} changes in the configuration of {self.dataplane}"


def shadowed(route: Manifest) -> Manifest:
    """The copy of a route that changes no proxy: its effect is seen in the diff of `_config?shadow=true` alone."""
    metadata = route["metadata"]
    labels = metadata.get("labels", {}) | {EFFECT: "shadow"}
    return route | {"metadata": metadata | {"name": f"{metadata['name']}-shadow", "labels": labels}}


async def _diff(url: str, origin: str) -> int:
    """How many operations the control plane's JSON Patch has. Raises Unavailable."""
    edge = Edge(Access(url, timeout_s=DIFF_S), f"{origin}: Kuma's control plane at {urlsplit(url).netloc}")
    try:
        answer = await edge.ask("GET", "", "diff of a proxy")
    except Refused as no:
        raise Unavailable(str(no)) from None
    finally:
        await edge.close()
    return len(answer.understood(_Diff).diff)


class _Diff(Shape):
    diff: list[dict[str, Any]]
