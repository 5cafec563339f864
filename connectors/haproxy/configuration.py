"""The haproxy.cfg that goes with a spec: backends, servers, standbys and the map, ready to be steered."""

from collections.abc import Iterator

from connectors.haproxy.spec import LEASE_KEY, HaproxySpec, drill_name, drill_shed_name, server_name, standby_name
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
"""
CHECK = "check inter 2s fall 3 rise 2"
OBSERVE = " observe layer4 error-limit 3 on-error mark-down"
"""What HAProxy learns from requests themselves; its checks bring the server back."""

FRONTEND = """
frontend equipoise
    bind {listener}
    acl repeatable method GET HEAD OPTIONS
    http-request disable-l7-retry if !repeatable
    http-request set-var(txn.to) req.hdr(host),field(1,:),lower
    # A rehearsed failover takes its part of the requests for as long as its lease runs, by this HAProxy's own clock.
    http-request set-var(txn.until) str({lease}),map({map},0)
    http-request set-var(txn.part) var(txn.to),concat(:drill),map({map},0)
    http-request set-var(txn.now) date(0,ms)
    acl leased var(txn.now),sub(txn.until) lt 0
    acl drawn rand(1000000),sub(txn.part) lt 0
    use_backend %[var(txn.to),concat(:drill)] if leased drawn
    use_backend %[var(txn.to)]
"""

BACKEND = """
backend {service}
    default-server {check}
    retry-on {retry_on}
    http-request set-var(txn.shed) str({service}),map({map},0)
    http-request return status 503 hdr {header} 1 if {{ rand(1000000),sub(txn.shed) lt 0 }}
"""


DRILL = """
backend {drill}
    retry-on {retry_on}
    http-request set-var(txn.shed) str({shed}),map({map},0)
    http-request return status 503 hdr {header} 1 if {{ rand(1000000),sub(txn.shed) lt 0 }}
"""
"""Its servers are those of the backend itself, whose checks they follow."""


def configuration(spec: HaproxySpec) -> str:
    """The whole file. Every server starts with an equal weight: fail open until the first table comes."""
    unix = spec.socket.startswith("/")
    parts = [HEAD.format(
        origin=spec.origin, socket=spec.socket if unix else f"TCP4:{spec.socket}", map=spec.map_path,
        state=spec.map_path.removesuffix(".map") + ".state", retries=spec.retries,
        bind=f"{spec.socket} mode 660" if unix else f"ipv4@{spec.socket}",
        connect_ms=round(spec.connect_timeout_s * 1e3),
    )]  # fmt: skip
    if spec.listener:
        host, port = spec.listener
        parts.append(FRONTEND.format(listener=f"{host}:{port}", map=spec.map_path, lease=LEASE_KEY))
    common = {"map": spec.map_path, "header": SHED_HEADER, "retry_on": REPEATABLE if spec.retries else "none"}
    check = CHECK + (OBSERVE if spec.outlier_detection else "")
    for service in sorted(spec.services):
        parts.append(BACKEND.format(service=service, check=check, **common))
        parts += _servers(spec, ServiceId(service))
        parts.append(DRILL.format(drill=drill_name(service), shed=drill_shed_name(service), **common))
        parts += _followers(spec, ServiceId(service))
    return "".join(parts)


def _followers(spec: HaproxySpec, service: ServiceId) -> Iterator[str]:
    for (owner, cluster), addresses in sorted(spec.endpoints.items()):
        if owner == service:
            for place, (host, port) in enumerate(addresses, start=1):
                name = server_name(cluster, place)
                yield f"    server {name} {host}:{port} weight 1 track {service}/{name}\n"


def _servers(spec: HaproxySpec, service: ServiceId) -> Iterator[str]:
    for (owner, cluster), addresses in sorted(spec.endpoints.items()):
        if owner == service:
            for place, (host, port) in enumerate(addresses, start=1):
                yield f"    server {server_name(cluster, place)} {host}:{port} weight 1\n"
    for place in range(1, spec.standbys + 1):
        yield f"    server {standby_name(place)} 127.0.0.1:1 backup disabled\n"
