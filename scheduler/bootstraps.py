"""What a user installs on a proxy that is steered by files or by an API beside it, as it is before any table."""

import json

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
