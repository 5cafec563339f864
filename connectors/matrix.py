"""What every connector can do and how that was checked: from the connectors' own data."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module

from connectors.connector import MeshLimits


class Checked(StrEnum):
    """In front of what the contract suite runs."""

    REAL = "real"
    """The product itself."""
    MOTO = "moto"
    """An emulation of AWS by others."""
    STANDIN = "stand-in"
    """A control plane of our own, written from the product's documentation; the data plane is a draw."""
    STANDIN_REAL = "stand-in, real data plane"
    """As before, in front of the real data plane."""
    REAL_CONTROL = "real control plane"
    """The product's own control plane, and the stand-in where it is not there; the data plane is a draw."""
    REAL_API = "real API server"
    """A kube-apiserver, and the stand-in where none is named; the mesh behind it is a stand-in."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of mesh."""

    name: str
    """As the contract suite calls it."""
    key: str
    """As an Origin document calls it, under `mesh`."""
    limits: str
    """`module:name` of its MeshLimits, or of the dialect that has them."""
    checked: Checked
    what: str
    rehearses: bool = False
    """Whether failovers can be drilled on it with requests."""


KINDS = (
    Kind("xds-envoy", "xds", "connectors.xds.connector:LIMITS", Checked.REAL, "Envoy over xDS", True),
    Kind("xds-grpc", "xds", "connectors.xds.connector:LIMITS", Checked.REAL, "gRPC without a proxy, over xDS"),
    Kind("envoy-files", "envoyFiles", "connectors.xds.foldermesh:LIMITS", Checked.REAL, "Envoy by files"),
    Kind("haproxy", "haproxy", "connectors.haproxy.connector:LIMITS", Checked.REAL, "HAProxy, runtime socket", True),
    Kind("haproxy-dataplane", "haproxyDataPlane", "connectors.haproxy.dataplane:LIMITS", Checked.STANDIN_REAL,
         "HAProxy, Data Plane API"),
    Kind("nginx", "nginx", "connectors.nginx.connector:LIMITS", Checked.REAL, "NGINX, file and reload"),
    Kind("nginx-plus", "nginxPlus", "connectors.nginx.plus:LIMITS", Checked.STANDIN, "NGINX Plus, API"),
    Kind("consul", "consul", "connectors.consul.connector:LIMITS", Checked.REAL_CONTROL, "Consul, HTTP API"),
    Kind("kuma", "kuma", "connectors.kuma.connector:LIMITS", Checked.STANDIN, "Kuma, universal mode"),
    Kind("powerdns", "powerDns", "connectors.dns.powerdns:LIMITS", Checked.REAL, "PowerDNS, LUA records"),
    Kind("dns-update", "dnsUpdate", "connectors.dns.update:LIMITS", Checked.REAL, "RFC 2136 updates, SRV records"),
    Kind("route53", "route53", "connectors.aws.route53:LIMITS", Checked.MOTO, "Route 53, weighted records"),
    Kind("avi", "avi", "connectors.avi:LIMITS", Checked.STANDIN, "Avi (NSX ALB) GSLB"),
    Kind("alb", "alb", "connectors.aws.alb:LIMITS", Checked.MOTO, "AWS ALB, target groups"),
    Kind("lattice", "lattice", "connectors.aws.lattice:LIMITS", Checked.STANDIN, "AWS VPC Lattice"),
    Kind("istio-subsets", "kubernetes.istio", "connectors.kubernetes.istio:IstioSubsets", Checked.REAL_API,
         "Istio, subsets"),
    Kind("istio-locality", "kubernetes.istio", "connectors.kubernetes.istio:IstioLocality", Checked.REAL_API,
         "Istio, localities"),
    Kind("gateway-http", "kubernetes.gateway", "connectors.kubernetes.gateway:GATEWAY_LIMITS", Checked.REAL_API,
         "Gateway API, HTTPRoute"),
    Kind("gateway-inference", "kubernetes.gateway", "connectors.kubernetes.gateway:GATEWAY_LIMITS", Checked.REAL_API,
         "Gateway API, InferencePools"),
    Kind("gateway-grpc", "kubernetes.gateway", "connectors.kubernetes.gateway:GATEWAY_LIMITS", Checked.REAL_API,
         "Gateway API, GRPCRoute"),
    Kind("linkerd", "kubernetes.linkerd", "connectors.kubernetes.gateway:LIMITS", Checked.REAL_API, "Linkerd"),
    Kind("kuma-kubernetes", "kubernetes.kuma", "connectors.kubernetes.kuma:LIMITS", Checked.REAL_API,
         "Kuma on Kubernetes"),
    Kind("consul-kubernetes", "kubernetes.consul", "connectors.kubernetes.consul:LIMITS", Checked.REAL_API,
         "Consul on Kubernetes"),
)  # fmt: skip


def limits_of(kind: Kind) -> MeshLimits:
    """The data of a kind; imports its module."""
    module, _, name = kind.limits.partition(":")
    found = getattr(import_module(module), name)
    limits: MeshLimits = found if isinstance(found, MeshLimits) else found().limits
    return limits


@dataclass(frozen=True, slots=True)
class Support:
    """A line of the matrix. All but `name` and `key` is from the code of the connector."""

    name: str
    key: str
    what: str
    checked: str
    set: bool
    read_back: bool
    accepted: bool
    programmed: bool
    programmed_partly: str
    achieved: bool
    dry_run: bool
    fencing: str
    standbys: str
    shed: bool
    drills: bool
    limits: str


def support(kinds: tuple[Kind, ...] = KINDS) -> Iterator[Support]:
    """The matrix."""
    for kind in kinds:
        found = limits_of(kind)
        yield Support(
            kind.name, kind.key, kind.what, kind.checked.value, set=True, read_back=found.read_back,
            accepted=found.accepted, programmed=found.programmed,
            programmed_partly=found.programmed_partly, achieved=found.achieved, dry_run=found.dry_run,
            fencing=found.fencing.value, standbys=_standbys(found), shed=found.shed, drills=kind.rehearses,
            limits=_limits(found),
        )  # fmt: skip


def _standbys(limits: MeshLimits) -> str:
    if not limits.standby:
        return "no"
    return str(limits.standbys_max) if limits.standbys_max < MeshLimits().standbys_max else "yes"


def _limits(limits: MeshLimits) -> str:
    least = 0 if limits.zero_allowed else 1
    range_ = f"weights {least}..{limits.weight_max}" if limits.weight_max else f"sum {limits.unit}"
    more = [f"<= {limits.targets_max} clusters"]
    more += ["TTL"] if limits.ttl_min_s else []
    more += [f"settles in {limits.settle_s:g} s"] if limits.settle_s else []
    more += ["all 0 is equal"] if limits.zeros_are_equal else []
    return ", ".join([range_, *more])
