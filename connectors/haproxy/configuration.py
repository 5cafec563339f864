"""The haproxy.cfg that goes with a spec: backends, servers, standbys and the map, ready to be steered."""

from collections.abc import Iterator

from connectors.haproxy.spec import HaproxySpec, server_name, standby_name
from placement.fleet import ServiceId

SHED_HEADER = "x-equipoise-shed"
"""On the 503 of a request that was refused because the table says so."""
REPEATABLE = "conn-failure empty-response response-timeout"
"""What a GET, HEAD or OPTIONS is tried again for; other requests only when no backend has seen them."""

HEAD = """\
# For `{origin}`. The Host of a request picks the service; weights, standbys and shares to refuse come over the socket.
# To keep them over a reload, write them down before it:
#   echo "show servers state" | socat {socket} - > {state}
#   echo "show map {map}" | socat {socket} - | cut -d' ' -f2- | sed '/^$/d' > {map}
# Without that the weights below hold until the controller's next tick, which finds no fence and writes all of them.
# Both files must be there before HAProxy starts; they may be empty:  touch {map} {state}
global
    stats socket {bind} level admin
    server-state-file {state}

defaults
    mode http
    load-server-state-from-file global
    balance roundrobin
    option redispatch 1
    retries {retries}
    timeout connect {connect_ms}ms
    timeout client 60s
    timeout server 15s
    timeout http-keep-alive 15s
    default-server check inter 2s fall 3 rise 2{observe}
"""
OBSERVE = " observe layer4 error-limit 3 on-error mark-down"
"""What HAProxy learns from requests themselves; its checks bring the server back."""

FRONTEND = """
frontend equipoise
    bind {listener}
    acl repeatable method GET HEAD OPTIONS
    http-request disable-l7-retry if !repeatable
    use_backend %[req.hdr(host),field(1,:),lower]
"""

BACKEND = """
backend {service}
    retry-on {retry_on}
    http-request set-var(txn.shed) str({service}),map({map},0)
    http-request return status 503 hdr {header} 1 if {{ rand(1000000),sub(txn.shed) lt 0 }}
"""


def configuration(spec: HaproxySpec) -> str:
    """The whole file. Every server starts with an equal weight: fail open until the first table comes."""
    unix = spec.socket.startswith("/")
    parts = [HEAD.format(
        origin=spec.origin, socket=spec.socket if unix else f"TCP4:{spec.socket}", map=spec.map_path,
        state=spec.map_path.removesuffix(".map") + ".state", retries=spec.retries,
        bind=f"{spec.socket} mode 660" if unix else f"ipv4@{spec.socket}",
        connect_ms=round(spec.connect_timeout_s * 1e3),
        observe=OBSERVE if spec.outlier_detection else "",
    )]  # fmt: skip
    if spec.listener:
        host, port = spec.listener
        parts.append(FRONTEND.format(listener=f"{host}:{port}"))
    for service in sorted(spec.services):
        parts.append(BACKEND.format(
            service=service, map=spec.map_path, header=SHED_HEADER, retry_on=REPEATABLE if spec.retries else "none",
        ))  # fmt: skip
        parts += _servers(spec, ServiceId(service))
    return "".join(parts)


def _servers(spec: HaproxySpec, service: ServiceId) -> Iterator[str]:
    for (owner, cluster), addresses in sorted(spec.endpoints.items()):
        if owner == service:
            for place, (host, port) in enumerate(addresses, start=1):
                yield f"    server {server_name(cluster, place)} {host}:{port} weight 1\n"
    for place in range(1, spec.standbys + 1):
        yield f"    server {standby_name(place)} 127.0.0.1:1 backup disabled\n"
