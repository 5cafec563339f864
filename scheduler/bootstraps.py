"""What a user installs on a proxy, as it is before any table."""

import json
from typing import Any

from config.configuration import Configuration as Documents
from placement.fleet import OriginId
from scheduler.meshes import data_plane_spec, nginx_spec, scenes
from scheduler.translate import host_port

# ruff: noqa: PLC0415  imported for the one kind that is asked for


def text_of(documents: Documents, origin: str) -> str:
    """The file for the proxy of an origin; empty where its mesh needs none from us."""
    scene = scenes(documents).get(OriginId(origin))
    kind = scene.mesh.kind if scene is not None else ""
    if scene is None or kind not in {"nginx", "haproxy_data_plane", "envoy_files"}:
        return ""
    if kind == "nginx":
        from connectors.nginx.configuration import configuration as nginx

        return nginx(nginx_spec(scene, scene.mesh.nginx), {})
    if kind == "haproxy_data_plane":
        from connectors.haproxy.configuration import configuration as haproxy

        return haproxy(data_plane_spec(scene, scene.mesh.haproxy_data_plane))
    from connectors.xds.folder import folder_bootstrap

    mesh = scene.mesh.envoy_files
    assert mesh is not None, kind
    body = folder_bootstrap(origin, origin, mesh.folder, host_port(mesh.admin)[1])
    return json.dumps(body, indent=2) + "\n"


def xds_body(documents: Documents, origin: str, admin_port: int | None) -> dict[str, Any] | None:
    """For an Envoy, or without `admin_port` for a gRPC client; None where the origin has no proxies that speak xDS."""
    from connectors.xds.bootstrap import ProxyTlsFiles, envoy_bootstrap, grpc_bootstrap

    server = documents.policy.server
    of = next((o for o in documents.origins if o.name == origin and o.spec.mesh and o.spec.mesh.xds), None)
    if of is None or of.spec.mesh is None or of.spec.mesh.xds is None:
        return None
    told = server.xds_tls.proxies if server.xds_tls else None
    tls = ProxyTlsFiles(told.ca_file, told.certificate_file, told.key_file) if told else None
    node, home, at = of.spec.mesh.xds.node, of.spec.cluster or origin, host_port(told.address if told else server.xds)
    if admin_port is None:
        return grpc_bootstrap(node, home, *at, tls)
    return envoy_bootstrap(node, home, *at, admin_port, tls)
