"""The Origin document: where a routing decision is applied, how, and where its measurements come from."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.controlplanes import AlbMesh, ConsulServer, KumaUniversal, LatticeMesh
from config.document import Document
from config.fields import Address, Amount, Label, Many, Name, Shape, Text, Word
from config.kubernetes import KubernetesMesh
from config.proxies import DataPlaneMesh, EnvoyFilesMesh, NginxMesh, NginxPlusMesh
from config.telemetry import OriginTelemetry
from config.zones import AviMesh, DnsUpdateMesh, PowerDnsMesh, Route53Mesh

REPORTING = ("xds", "haproxy")
"""Meshes that report their load to us by themselves."""


class XdsMesh(Shape):
    """Proxies that take their configuration from the built-in xDS server."""

    node: Word
    """The node id a proxy must present."""
    subjects: Many[Text] = ()
    """With `server.xdsTls`: common names, DNS names or URIs of certificates, any of which is good for this node.
    Omitted: the node id itself."""
    listener: Address
    """Where the proxies listen for the requests of this origin."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """How often a proxy tries again, elsewhere if it can."""
    outlier_detection: bool = False
    """Whether proxies put aside single endpoints that keep failing."""
    upstream_log: Text | None = None
    """A file, on the proxy's machine, to which it adds a line for every attempt to reach a backend. Omitted: none."""


class HaproxyMesh(Shape):
    """An HAProxy that is steered over its runtime socket. `equipoise bootstrap` prints its configuration."""

    socket: Word
    """The socket, at level admin: a path on this machine, or host:port in a network that is trusted."""
    map: Word
    """The map that keeps what was written, a path on the HAProxy's machine as its configuration has it."""
    listener: Address
    """Where it takes the requests of this origin."""
    standbys: Annotated[int, Field(ge=0, le=16)] = 4
    """Servers of each backend that stand ready to be given the address of a standby."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """How often it tries again, elsewhere if it can."""
    outlier_detection: bool = False
    """Whether it puts aside single endpoints that keep failing."""


class Mesh(Shape):
    """How the weights of an origin are applied: by one of these."""

    xds: XdsMesh | None = None
    """By proxies that speak xDS: Envoy, or gRPC clients without a proxy."""
    haproxy: HaproxyMesh | None = None
    """By an HAProxy."""
    kubernetes: KubernetesMesh | None = None
    """By a mesh behind a Kubernetes API server."""
    haproxy_data_plane: DataPlaneMesh | None = None
    """By an HAProxy, over its Data Plane API."""
    nginx: NginxMesh | None = None
    """By an NGINX on this machine."""
    nginx_plus: NginxPlusMesh | None = None
    """By an NGINX Plus, over its API."""
    envoy_files: EnvoyFilesMesh | None = None
    """By an Envoy on this machine that watches a folder."""
    consul: ConsulServer | None = None
    """By a Consul."""
    kuma: KumaUniversal | None = None
    """By a Kuma or Kong Mesh in universal mode."""
    power_dns: PowerDnsMesh | None = None
    """By names that a PowerDNS answers for."""
    dns_update: DnsUpdateMesh | None = None
    """By SRV records of any name server that takes signed updates."""
    route53: Route53Mesh | None = None
    """By weighted records of Route 53."""
    avi: AviMesh | None = None
    """By an Avi (NSX ALB) GSLB."""
    alb: AlbMesh | None = None
    """By an Application Load Balancer of AWS."""
    lattice: LatticeMesh | None = None
    """By VPC Lattice."""

    @property
    def kind(self) -> str:
        """The name of the field that is given."""
        return next(kind for kind in type(self).model_fields if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one(self) -> Self:
        fields = type(self).model_fields
        kinds = tuple(field.alias or name for name, field in fields.items())
        given = [kind for kind, name in zip(kinds, fields, strict=True) if getattr(self, name) is not None]
        if len(given) != 1:
            words = f"has {' and '.join(given)}, and takes one" if given else f"needs one of {', '.join(kinds)}"
            raise ValueError(words)
        return self


class Via(Shape):
    """An address to use from this origin instead of the endpoints of the service, such as a gateway."""

    cluster: Name
    """Where the requests go."""
    service: Name
    """Whose requests."""
    address: Address
    """host:port. Several entries for one service and cluster are used together."""


class OriginSpec(Shape):
    """Where a routing decision is applied."""

    cluster: Name | None = None
    """The cluster whose mesh this is. Omitted for an origin outside of every cluster."""
    region: Label | None = None
    """For an origin outside of every cluster: where it is, as PriceBook and LatencyMatrix call it."""
    expected_rps: dict[Name, Amount] = Field(default_factory=dict)
    """Requests/s by service, used by `plan` and until there are measurements. Services that are only called need none;
    for one that is both exposed and called, count the calls in."""
    mesh: Mesh | None = None
    """How its weights are applied. Omitted: computed and shown, not pushed."""
    telemetry: OriginTelemetry = OriginTelemetry()
    """Where its measurements come from."""
    via: Many[Via] = ()
    """Addresses as seen from this origin."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.cluster is None) == (self.region is None):
            raise ValueError("needs either cluster (whose mesh it is) or region (outside of every cluster)")
        if self.telemetry.load_reports and not self.mesh:
            raise ValueError("telemetry.loadReports come from the proxies of mesh, which is missing")
        if self.telemetry.load_reports and self.mesh and self.mesh.kubernetes:
            raise ValueError("telemetry.loadReports: a mesh behind an API server sends none; use telemetry.prometheus")
        if self.telemetry.load_reports and self.mesh and self.mesh.kind not in REPORTING:
            raise ValueError("telemetry.loadReports come from xds and haproxy alone; use telemetry.prometheus")
        return self


class Origin(Document):
    """An origin: one cluster's mesh, or one client region outside of the clusters."""

    kind: Literal["Origin"]
    spec: OriginSpec
