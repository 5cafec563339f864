"""How the weights of an origin are applied through the API server of its cluster: the `kubernetes` part of a mesh."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.fields import NAMING_PATTERN, HttpUrl, Many, Name, Pause, Shape, Text, Word

Port = Annotated[int, Field(ge=1, le=65_535)]
Pattern = Annotated[str, Field(pattern=NAMING_PATTERN, max_length=253)]
"""A name in which `{service}` and `{cluster}` stand for what the mesh calls them."""


class IstioMesh(Shape):
    """Istio, or a distribution of it: OpenShift Service Mesh, Aspen, Tanzu."""

    form: Literal["subsets", "locality"] = "subsets"
    """subsets: a VirtualService over the subsets of a DestinationRule, one for each cluster; exact. locality: the
    `distribute` of a DestinationRule, in whole percent; follows health, needs each cluster in a region of its own."""
    fine_weights: bool = False
    """subsets: whether this Istio takes weights that add up to 10,000. Older releases refuse all but 100."""
    gateways: Many[Text] = ()
    """subsets: Gateways that use the routes, as `namespace/name`; `mesh` for the sidecars. Empty: the sidecars."""


class GatewayParent(Shape):
    """What a route is attached to."""

    name: Pattern
    """Its name."""
    kind: Literal["Gateway", "Service"] = "Gateway"
    """Gateway: requests that come in by it. Service: requests of the mesh to that Service."""
    namespace: Name | None = None
    """Where it is. Omitted: where the service is."""
    section: Name | None = None
    """One listener of it. Omitted: all of them."""
    port: Port | None = None
    """One port of it. Omitted: all of them."""


class GatewayMesh(Shape):
    """The Gateway API: Envoy Gateway, Cilium, Istio, kgateway."""

    parents: Many[GatewayParent] = Field(min_length=1)
    """What the routes are attached to."""
    route: Literal["http", "grpc"] = "http"
    """The kind of route."""
    backend: Literal["Service", "ServiceImport", "InferencePool"] = "Service"
    """What stands for a service in a cluster. InferencePool: for inference on GPUs."""
    names: Pattern = "{service}-{cluster}"
    """What it is called there."""
    hostnames: Many[Pattern] = ()
    """Whose requests the routes take. Empty: all of the listener's."""


class LinkerdMesh(Shape):
    """Linkerd: HTTPRoutes on a Service, whose back ends are that Service and its mirrors."""

    mirrors: Pattern = "{service}-{cluster}"
    """What the mirror of a service in another cluster is called."""


class KumaMesh(Shape):
    """Kuma or Kong Mesh, on Kubernetes."""

    mesh: Name = "default"
    """The mesh."""
    system_namespace: Name = "kuma-system"
    """Where its control plane is."""
    target: Literal["MeshMultiZoneService", "MeshService"] = "MeshMultiZoneService"
    """What clients ask for."""
    control_plane: HttpUrl | None = None
    """The API of the control plane, asked what a dry run would change. Omitted: it is not asked."""
    dataplane: Word | None = None
    """The proxy that it is asked about, such as `storefront-7d4b9.shop`."""


class ConsulMesh(Shape):
    """Consul, on Kubernetes."""

    reach: Literal["peer", "datacenter"] = "peer"
    """How another cluster is reached: by cluster peering, or over the WAN."""
    names: Pattern = "{service}-{cluster}"
    """What the virtual service for another cluster is called."""


class KubernetesService(Shape):
    """What a service is called in this cluster, where that is not its name in the fleet."""

    namespace: Name | None = None
    """Where it is. Omitted: the namespace of the mesh."""
    name: Name | None = None
    """Its name there. Omitted: its own."""
    port: Port | None = None
    """Its port. Omitted: that of the mesh."""
    route: Name | None = None
    """The object that holds its weights. Omitted: one of the same name."""


class KubernetesMesh(Shape):
    """A mesh that takes its weights from objects of a Kubernetes API server. `equipoise rbac` prints the rights."""

    kubeconfig: Text | None = None
    """A file on this machine; exec plugins in it are refused. Omitted: the service account of our own pod."""
    context: Text | None = None
    """The context in it. Omitted: the current one."""
    namespace: Name
    """Where the services are, and the ConfigMap that holds (epoch, version)."""
    port: Port | None = None
    """The port of the services."""
    services: dict[Name, KubernetesService] = Field(default_factory=dict)
    """Services that are called otherwise there, or are elsewhere."""
    clusters: dict[Name, Word] = Field(default_factory=dict)
    """What the mesh calls a cluster, where that is not its name in the fleet: a cluster id, a zone, a peer."""
    ownership: Literal["own", "patch"] = "own"
    """own: the objects are ours. patch: they are somebody else's, and only the weights in them are changed."""
    on_conflict: Literal["refuse", "force"] = "refuse"
    """What to do when another manager owns a field. force: take it over; it will be taken back."""
    on_drift: Literal["revert", "adopt", "ignore"] = "revert"
    """What to do when somebody else changed the weights. revert: ours again. adopt: plan on from there. ignore: leave
    that service alone until it is as we wrote it."""
    patience_seconds: Pause = 1.0
    """How long a write waits for the word of the mesh's controller."""
    istio: IstioMesh | None = None
    """Istio."""
    gateway: GatewayMesh | None = None
    """The Gateway API."""
    linkerd: LinkerdMesh | None = None
    """Linkerd."""
    kuma: KumaMesh | None = None
    """Kuma."""
    consul: ConsulMesh | None = None
    """Consul."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        kinds = ("istio", "gateway", "linkerd", "kuma", "consul")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            words = f"has {' and '.join(given)}, and takes one" if given else f"needs one of {', '.join(kinds)}"
            raise ValueError(words)
        if self.istio and self.istio.form == "locality" and self.ownership == "patch":
            raise ValueError("istio.form locality cannot patch somebody else's object; use form: subsets, or own it")
        if self.ownership == "patch" and self.on_conflict == "force":
            raise ValueError("onConflict: force is for objects of our own; with ownership: patch nothing is taken over")
        return self
