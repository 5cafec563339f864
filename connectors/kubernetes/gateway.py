"""Gateway API routes: Envoy Gateway, Cilium, Istio, kgateway, and Linkerd's policy controller.

Weights of `backendRefs` are proportions (gateway-api v1 shared types); a route is taken when every parent's `Accepted`
and `ResolvedRefs` are true of the generation that we wrote. A reference that cannot be resolved does not fail the
route: its share is answered with 500, so it is refused here and taken back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.connector import Fencing, MeshLimits, Refused
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.dialect import Naming, Wanted, Word, condition_of, current, only, said, weights_by
from connectors.kubernetes.resource import Resource, entries, mapping, named, text
from connectors.kubernetes.spec import KubernetesSpec, Place
from connectors.kubernetes.split import Split

GROUP = "gateway.networking.k8s.io"
HTTP_ROUTE = Resource(GROUP, "v1", "httproutes", "HTTPRoute")
GATEWAY = Resource(GROUP, "v1", "gateways", "Gateway")
GRPC_ROUTE = Resource(GROUP, "v1", "grpcroutes", "GRPCRoute")
SERVICE_PROFILE = Resource("linkerd.io", "v1alpha2", "serviceprofiles", "ServiceProfile")
BACKEND_GROUPS = {
    "Service": "", "ServiceImport": "multicluster.x-k8s.io", "InferencePool": "inference.networking.k8s.io"
}  # fmt: skip
LIMITS = MeshLimits(
    unit=10_000, standby=False, shed=False, targets_max=16, dry_run=True, fencing=Fencing.ENFORCED
)  # fmt: skip
GATEWAY_LIMITS = replace(LIMITS, programmed_partly="no alone")
"""A rule takes 16 back ends, and weights up to 1,000,000."""
LINKERD = "linkerd.io/policy-controller"


@dataclass(frozen=True, slots=True)
class Parent:
    """What a route is attached to: a listener of a Gateway, or a Service inside of a mesh."""

    name: str
    """`{service}` stands for the service's own name."""
    kind: str = "Gateway"
    group: str = GROUP
    namespace: str = ""
    section: str = ""
    port: int | None = None

    def reference(self, place: Place) -> dict[str, Any]:
        """As `parentRefs` has it."""
        found: dict[str, Any] = {
            "group": self.group,
            "kind": self.kind,
            "name": self.name.replace("{service}", place.name),
        }
        found |= {"namespace": self.namespace} if self.namespace else {}
        found |= {"sectionName": self.section} if self.section else {}
        return found | ({"port": self.port} if self.port else {})


@dataclass(frozen=True, slots=True)
class GatewayApi:
    """A Dialect: one HTTPRoute or GRPCRoute for each service."""

    parents: tuple[Parent, ...]
    grpc: bool = False
    backend: str = "Service"
    """Service, ServiceImport or InferencePool."""
    naming: Naming = field(default_factory=Naming)
    hostnames: tuple[str, ...] = ()
    title: str = "Gateway API"
    linkerd: bool = False
    """Whether the policy controller of Linkerd is the one whose word counts, and its ServiceProfiles the danger."""

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return GATEWAY_LIMITS if self.told_by else LIMITS

    @property
    def resources(self) -> tuple[Resource, ...]:
        """One kind of route."""
        return (GRPC_ROUTE if self.grpc else HTTP_ROUTE,)

    @property
    def reads(self) -> tuple[Resource, ...]:
        """ServiceProfiles, in Linkerd."""
        return (SERVICE_PROFILE,) if self.linkerd else ()

    def namespace(self, place: Place) -> str:
        """The service's own."""
        return place.namespace

    def wanted(self, spec: KubernetesSpec, place: Place, split: Split) -> tuple[Wanted, ...]:
        """The route."""
        if not split.weights:
            raise Refused(
                f"{spec.origin}: {self.title} cannot refuse all requests of {place.service}; its last weights stay"
            )
        parents = [parent.reference(place) for parent in self.parents]
        backends = [self._backend(spec, place, cluster, weight) for cluster, weight in split.weights.items()]
        body: dict[str, Any] = {"parentRefs": parents, "rules": [{"backendRefs": backends}]}
        body |= (
            {"hostnames": [host.replace("{service}", place.name) for host in self.hostnames]} if self.hostnames else {}
        )
        return ((self.resources[0], self.resources[0].blank(place.namespace, place.route_name, spec=body)),)

    def _backend(self, spec: KubernetesSpec, place: Place, cluster: str, weight: int) -> dict[str, Any]:
        found = {"group": BACKEND_GROUPS[self.backend], "kind": self.backend, "weight": weight}
        found |= {"name": self.naming.name(spec, place, cluster)}
        return found | ({"port": place.port} if place.port and self.backend != "InferencePool" else {})

    def found(self, spec: KubernetesSpec, place: Place, live: Mapping[str, Any]) -> Split:
        """The weights of the first rule."""
        rules = entries(live, "spec", "rules")
        listed = entries(rules[0], "backendRefs") if rules else []
        return Split(weights_by(listed, lambda ref: self.naming.cluster(spec, place, text(ref, "name"))))

    def weighted(self, live: Mapping[str, Any]) -> str:
        """The back ends of the one rule."""
        return f"/spec/rules/{only(entries(live, 'spec', 'rules'), 'rules', live)}/backendRefs"

    def word(self, place: Place, live: Mapping[str, Any], before: Mapping[str, Any] | None) -> Word:
        """Of all parents together."""
        words = [self._parent_word(parent, live) for parent in entries(live, "spec", "parentRefs")]
        no = next((word for word in words if word.accepted is False), None)
        return no or (
            Word(True) if words and all(word.accepted for word in words) else Word(None, "no parent has answered yet")
        )

    def _parent_word(self, parent: Mapping[str, Any], live: Mapping[str, Any]) -> Word:
        statuses = [
            s for s in entries(live, "status", "parents") if _same_parent(mapping(s, "parentRef"), parent, live)
        ]
        if self.linkerd:
            statuses = [s for s in statuses if text(s, "controllerName") == LINKERD]
        words = [_word_of(entries(status, "conditions"), live) for status in statuses]
        no = next((word for word in words if word.accepted is False), None)
        return no or next((word for word in words if word.accepted), Word(None))

    @property
    def told_by(self) -> tuple[tuple[Resource, str], ...]:
        """The Gateways that it is attached to."""
        return tuple(sorted({(GATEWAY, parent.namespace) for parent in self.parents if parent.kind == "Gateway"}))

    async def told(self, api: KubernetesApi, spec: KubernetesSpec) -> str:
        """A Gateway whose `Programmed` is False serves no route. True says nothing of this one: it may be older."""
        gateways = {
            (parent.namespace or place.namespace, parent.name.replace("{service}", place.name))
            for parent in self.parents
            if parent.kind == "Gateway"
            for place in spec.places.values()
        }
        for namespace, name in sorted(gateways):
            live = await api.find(GATEWAY, namespace, name)
            words = _unprogrammed(live) if live is not None else ""
            if words:
                return words
        return ""

    async def check(self, api: KubernetesApi, spec: KubernetesSpec) -> None:
        """A ServiceProfile of the same service overrides every route in Linkerd, without a word."""
        if not self.linkerd:
            return
        hosts = {place.host for place in spec.places.values()}
        for namespace in sorted({place.namespace for place in spec.places.values()}):
            profiles, _ = await api.listed(SERVICE_PROFILE, namespace)
            clash = sorted(hosts & {text(profile, "metadata", "name") for profile in profiles})
            if clash:
                raise Refused(
                    f"{spec.origin}: ServiceProfile {namespace}/{clash[0]} overrides every HTTPRoute of that service; "
                    "move its routes and retries to HTTPRoutes, and delete it"
                )


def _unprogrammed(live: Mapping[str, Any]) -> str:
    condition = condition_of(entries(live, "status", "conditions"), "Programmed")
    if condition.get("status") == "False" and current(condition, live):
        return f"{named(live)} is not Programmed: {said(condition)}"
    return ""


def linkerd(port: int | None, pattern: str = "{service}-{cluster}", title: str = "Linkerd") -> GatewayApi:
    """HTTPRoutes on a Service: the service itself at home, and its mirrors for the other clusters."""
    parent = Parent("{service}", "Service", "core", port=port)
    return GatewayApi((parent,), naming=Naming(pattern, "{service}"), title=title, linkerd=True)


def _word_of(listed: list[Mapping[str, Any]], live: Mapping[str, Any]) -> Word:
    for kind in ("Accepted", "ResolvedRefs"):
        condition = condition_of(listed, kind)
        if not condition or not current(condition, live):
            return Word(None, f"{kind} is not said of this generation yet")
        if condition.get("status") != "True":
            return Word(False, f"{kind} is {text(condition, 'status')}: {said(condition)}")
    partly = condition_of(listed, "PartiallyInvalid")
    if partly.get("status") == "True":
        return Word(False, f"PartiallyInvalid: {said(partly)}")
    return Word(True)


def _same_parent(seen: Mapping[str, Any], parent: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    own = text(live, "metadata", "namespace")
    pairs = [(text(seen, key), text(parent, key)) for key in ("name", "sectionName")]
    pairs += [(text(seen, "namespace") or own, text(parent, "namespace") or own)]
    pairs += [(text(seen, "kind") or "Gateway", text(parent, "kind") or "Gateway")]
    return all(one == other for one, other in pairs) and seen.get("port") == parent.get("port")
