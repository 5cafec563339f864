"""What a user installs on a proxy, so that it finds the controller and says whose it is.

Write the first to a file as JSON and start `envoy -c FILE`; put the second, as JSON, into the environment variable
GRPC_XDS_BOOTSTRAP_CONFIG of a gRPC client, or into a file that GRPC_XDS_BOOTSTRAP names.
"""

from typing import Any

from connectors.xds.overlay import LAYER

_V3 = {"resource_api_version": "V3", "ads": {}}
CONTROLLER = "equipoise/controller"
"""The upstream that is the controller: a name that no service can have."""
RECONNECT = {"base_interval": "0.2s", "max_interval": "2s"}
"""Envoy's own limit is 30 s, and so long a controller that is back would be blind; it adds jitter by itself."""
_REHEARSALS = {"name": "rehearsals", "rtds_layer": {"name": LAYER, "rtds_config": _V3}}
"""Where a failover that is rehearsed has its ratio, under a lease. Without it the proxy takes part in no drill."""
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def envoy_bootstrap(node: str, cluster: str, xds_host: str, xds_port: int, admin_port: int) -> dict[str, Any]:
    """An Envoy that takes everything from the controller and reports its load there.

    `node` is the node name of its origin, or `<node name>/<proxy>` when the origin has several; `cluster` is free text
    for people. The admin interface listens on loopback; port 0 lets the kernel choose.
    """
    grpc_source = {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROLLER, "retry_policy": {"retry_back_off": RECONNECT}}}],
    }
    return {
        "node": {"id": node, "cluster": cluster},
        "admin": {"address": _at("127.0.0.1", admin_port)},
        "layered_runtime": {"layers": [_REHEARSALS]},
        "dynamic_resources": {"ads_config": grpc_source, "lds_config": _V3, "cds_config": _V3},
        "cluster_manager": {"load_stats_config": grpc_source},
        "static_resources": {"clusters": [_controller(xds_host, xds_port)]},
    }


def grpc_bootstrap(node: str, cluster: str, xds_host: str, xds_port: int) -> dict[str, Any]:
    """A gRPC client that opens channels to `xds:///<service>`; the names mean the same as for Envoy."""
    server = {
        "server_uri": f"{xds_host}:{xds_port}",
        "channel_creds": [{"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    return {"node": {"id": node, "cluster": cluster}, "xds_servers": [server]}


def _controller(host: str, port: int) -> dict[str, Any]:
    """The upstream that is the controller. Pings find a dead one in seconds; the kernel alone takes minutes."""
    http2 = {"connection_keepalive": {"interval": "5s", "timeout": "2s"}}
    return {
        "name": CONTROLLER,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options": http2},
            }
        },
        "load_assignment": {
            "cluster_name": CONTROLLER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _at(host, port)}}]}],
        },
    }


def _at(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
