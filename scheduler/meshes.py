"""From documents to the connectors that keep all their state in the mesh: one function for each kind.

What a kind needs is imported when a document asks for it: AWS alone takes a fifth of a second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from config.addresses import Addresses, addresses_of
from config.apis import AwsAccount
from config.configuration import Configuration as Documents
from config.origin import Mesh, Origin
from config.zones import Zone
from connectors.connector import Connector
from placement.fleet import ClusterId, OriginId, ServiceId
from scheduler.secrets import access_of, basic, header, value_of
from scheduler.translate import endpoints_seen, host_port

# ruff: noqa: PLC0415  as said above
Endpoints = Mapping[tuple[ServiceId, ClusterId], tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True)
class Scene:
    """What an origin's connector is made from. Equal scenes make equal connectors, so that one can stay."""

    origin: OriginId
    mesh: Mesh
    endpoints: Endpoints
    clusters: Mapping[ServiceId, frozenset[ClusterId]]
    """Where each service has replicas."""
    documents: Documents = field(compare=False, repr=False)
    """For what xDS meshes take out of them."""


def scenes(documents: Documents) -> dict[OriginId, Scene]:
    """The scene of every origin whose mesh is one of these."""
    book = addresses_of(documents)
    found = [(o, o.spec.mesh) for o in documents.origins if o.spec.mesh and o.spec.mesh.kind in MAKERS]
    return {OriginId(origin.name): _scene(documents, book, origin, mesh) for origin, mesh in found}


def connector_of(scene: Scene) -> Connector:
    """The connector of a scene. A secret that is not there makes its calls Unavailable, and nothing else."""
    return MAKERS[scene.mesh.kind](scene, getattr(scene.mesh, scene.mesh.kind))


def _scene(documents: Documents, book: Addresses, origin: Origin, mesh: Mesh) -> Scene:
    name = OriginId(origin.name)
    clusters = {ServiceId(s.name): frozenset(ClusterId(c) for c in s.spec.replicas) for s in documents.services}
    return Scene(name, mesh, endpoints_seen(documents, book, name), clusters, documents)


def _nginx(scene: Scene, mesh: Any) -> Connector:
    from connectors.nginx.connector import nginx_connector

    return nginx_connector(nginx_spec(scene, mesh))


def nginx_spec(scene: Scene, mesh: Any) -> Any:
    """The spec of an NGINX, for the connector and for `equipoise bootstrap`."""
    from connectors.nginx.spec import NginxSpec

    return NginxSpec(
        scene.origin, mesh.file, scene.endpoints, host_port(mesh.listener), host_port(mesh.status), tuple(mesh.program),
        retries=mesh.retries, workers_max=mesh.workers_max,
    )  # fmt: skip


def _nginx_plus(scene: Scene, mesh: Any) -> Connector:
    from connectors.nginx.plus import PlusSpec, plus_connector

    access = access_of(mesh.api, basic(mesh.user, mesh.password))
    return plus_connector(PlusSpec(scene.origin, access, scene.endpoints, mesh.keyval_zone))


def _data_plane(scene: Scene, mesh: Any) -> Connector:
    from connectors.haproxy.dataplane import DataPlaneConnector

    return DataPlaneConnector(data_plane_spec(scene, mesh), access_of(mesh.api, basic(mesh.user, mesh.password)))


def data_plane_spec(scene: Scene, mesh: Any) -> Any:
    """The spec of an HAProxy behind its Data Plane API, for the connector and for `equipoise bootstrap`."""
    from connectors.haproxy.spec import HaproxySpec

    return HaproxySpec(
        scene.origin, "/run/haproxy/admin.sock", mesh.map, scene.endpoints, host_port(mesh.listener), mesh.standbys
    )


def _envoy_files(scene: Scene, mesh: Any) -> Connector:
    from config.origin import XdsMesh
    from connectors.http import Access
    from connectors.xds.foldermesh import FolderSpec, folder_connector
    from scheduler.translate import mesh_spec

    alike = XdsMesh.model_validate({
        "node": scene.origin, "listener": mesh.listener, "retries": mesh.retries,
        "outlierDetection": mesh.outlier_detection,
    })  # fmt: skip
    origin = next(o for o in scene.documents.origins if o.name == scene.origin)
    spec = mesh_spec(scene.documents, addresses_of(scene.documents), origin, alike)
    return folder_connector(FolderSpec(spec, mesh.folder, Access(f"http://{mesh.admin}")))


def _consul(scene: Scene, mesh: Any) -> Connector:
    from connectors.consul.connector import consul_connector
    from connectors.consul.spec import ConsulSpec, Place

    places = {ClusterId(c): Place(p.datacenter or "", p.peer or "") for c, p in mesh.clusters.items()}
    names = {ServiceId(service): name for service, name in mesh.names.items()}
    access = access_of(mesh.api, header("X-Consul-Token", mesh.token))
    return consul_connector(ConsulSpec(scene.origin, access, scene.clusters, places, mesh.protocol, names))


def _kuma(scene: Scene, mesh: Any) -> Connector:
    from connectors.kuma.connector import kuma_connector
    from connectors.kuma.spec import KumaSpec

    zones = {ClusterId(cluster): zone for cluster, zone in mesh.zones.items()}
    access = access_of(mesh.api, header("Authorization", mesh.token, "Bearer "))
    return kuma_connector(
        KumaSpec(scene.origin, access, mesh.mesh, zones, scene.clusters, mesh.port, mesh.own_zone or "")
    )


def _names(scene: Scene, zone: Zone) -> Any:
    from connectors.dns.spec import Names

    own = {ServiceId(service): name for service, name in zone.names.items()}
    return Names(scene.origin, zone.name, scene.endpoints, own, zone.ttl_seconds)


def _power_dns(scene: Scene, mesh: Any) -> Connector:
    from connectors.dns.powerdns import powerdns_connector
    from connectors.dns.spec import PowerDnsSpec

    access = access_of(mesh.api, header("X-API-Key", mesh.key))
    names = _names(scene, mesh.zone)
    return powerdns_connector(PowerDnsSpec(names, access, host_port(mesh.server), mesh.server_id, mesh.health))


def _dns_update(scene: Scene, mesh: Any) -> Connector:
    from connectors.dns.spec import UpdateSpec
    from connectors.dns.update import update_connector

    secret = partial(value_of, mesh.key)
    server = host_port(mesh.server)
    return update_connector(UpdateSpec(_names(scene, mesh.zone), server, mesh.key_name, secret, mesh.algorithm))


def _aws(mesh: AwsAccount) -> Any:
    from connectors.aws.api import AwsAccess

    return AwsAccess(mesh.region, mesh.endpoint or "", mesh.profile or "", mesh.ca_file or "", mesh.timeout_seconds)


def _route53(scene: Scene, mesh: Any) -> Connector:
    from connectors.aws.route53 import Route53Spec, route53_connector

    checks = {ClusterId(cluster): check for cluster, check in mesh.health_checks.items()}
    return route53_connector(Route53Spec(_names(scene, mesh.zone), _aws(mesh.aws), mesh.zone_id, checks))


def _groups(mesh: Any) -> dict[tuple[ServiceId, ClusterId], str]:
    groups: dict[str, dict[str, str]] = mesh.target_groups
    return {(ServiceId(s), ClusterId(c)): arn for s, of in groups.items() for c, arn in of.items()}


def _alb(scene: Scene, mesh: Any) -> Connector:
    from connectors.aws.alb import AlbRules
    from connectors.aws.groups import groups_connector

    rules = AlbRules(scene.origin, _aws(mesh.aws), {ServiceId(s): arn for s, arn in mesh.rules.items()})
    return groups_connector(scene.origin, _groups(mesh), rules)


def _lattice(scene: Scene, mesh: Any) -> Connector:
    from connectors.aws.groups import groups_connector
    from connectors.aws.lattice import LatticeRules, RuleName

    rules = {ServiceId(s): RuleName(r.service, r.listener, r.rule) for s, r in mesh.rules.items()}
    return groups_connector(scene.origin, _groups(mesh), LatticeRules(scene.origin, _aws(mesh.aws), rules))


def _avi(scene: Scene, mesh: Any) -> Connector:
    from connectors.avi import AviSpec, avi_connector

    names, access, secret = _names(scene, mesh.zone), access_of(mesh.api), partial(value_of, mesh.password)
    return avi_connector(AviSpec(names, access, mesh.user, secret, mesh.api_version, mesh.tenant))


MAKERS: Mapping[str, Callable[[Scene, Any], Connector]] = {
    "nginx": _nginx,
    "nginx_plus": _nginx_plus,
    "haproxy_data_plane": _data_plane,
    "envoy_files": _envoy_files,
    "consul": _consul,
    "kuma": _kuma,
    "power_dns": _power_dns,
    "dns_update": _dns_update,
    "route53": _route53,
    "avi": _avi,
    "alb": _alb,
    "lattice": _lattice,
}
"""By the kind of a mesh."""
