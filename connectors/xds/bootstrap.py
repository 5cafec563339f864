"""What a user installs on a proxy, so that it finds the controller and says whose it is.

Write the first to a file as JSON and start `envoy -c FILE`; put the second, as JSON, into the environment variable
GRPC_XDS_BOOTSTRAP_CONFIG of a gRPC client, or into a file that GRPC_XDS_BOOTSTRAP names.
"""

import ipaddress
from dataclasses import dataclass
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
_TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


@dataclass(frozen=True, slots=True)
class ProxyTlsFiles:
    """PEM files on the machine of a proxy."""

    ca: str
    """The authority of the controller's certificate."""
    certificate: str
    """What the proxy shows."""
    key: str


def envoy_bootstrap(
    node: str, cluster: str, xds_host: str, xds_port: int, admin_port: int, tls: ProxyTlsFiles | None = None
) -> dict[str, Any]:
    """An Envoy that takes everything from the controller and reports its load there.

    `node` is the node name of its origin, or `<node name>/<proxy>` when the origin has several; `cluster` is free text
    for people. The admin interface listens on loopback; port 0 lets the kernel choose. With `tls` both sides show a
    certificate, and the controller's has to name `xds_host`.
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
        "static_resources": {"clusters": [_controller(xds_host, xds_port, tls)]},
    }


def grpc_bootstrap(
    node: str, cluster: str, xds_host: str, xds_port: int, tls: ProxyTlsFiles | None = None
) -> dict[str, Any]:
    """A gRPC client that opens channels to `xds:///<service>`; the names mean the same as for Envoy.

    Its files are read anew as they are renewed (gRFC A65); clients before that proposal do not know `tls`.
    """
    host = f"[{xds_host}]" if ":" in xds_host else xds_host
    server = {
        "server_uri": f"{host}:{xds_port}",
        "channel_creds": [_channel_tls(tls) if tls else {"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    return {"node": {"id": node, "cluster": cluster}, "xds_servers": [server]}


def _channel_tls(tls: ProxyTlsFiles) -> dict[str, Any]:
    files = {"ca_certificate_file": tls.ca, "certificate_file": tls.certificate, "private_key_file": tls.key}
    return {"type": "tls", "config": {**files, "refresh_interval": "60s"}}


def _controller(host: str, port: int, tls: ProxyTlsFiles | None) -> dict[str, Any]:
    """The upstream that is the controller. Pings find a dead one in seconds; the kernel alone takes minutes."""
    http2 = {"connection_keepalive": {"interval": "5s", "timeout": "2s"}}
    return ({"transport_socket": _upstream_tls(host, tls)} if tls else {}) | {
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


def _upstream_tls(host: str, tls: ProxyTlsFiles) -> dict[str, Any]:
    """Shows the proxy's certificate, and takes one of the controller that names the host it was looked for at."""
    named = {"san_type": "IP_ADDRESS" if _is_ip(host) else "DNS", "matcher": {"exact": host}}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"type.googleapis.com/{_TLS}",
            **({} if _is_ip(host) else {"sni": host}),
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "alpn_protocols": ["h2"],
                "tls_certificates": [
                    {"certificate_chain": {"filename": tls.certificate}, "private_key": {"filename": tls.key}}
                ],
                "validation_context": {
                    "trusted_ca": {"filename": tls.ca}, "match_typed_subject_alt_names": [named],
                },
            },
        },
    }  # fmt: skip


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _at(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
