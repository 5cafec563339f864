"""The file that an NGINX includes: upstreams with weights, a refused share, one server per service; and back.

    # equipoise record {"fence":[1,7],...}        on as many lines as it takes
    # equipoise version 9f2c...
    # equipoise before 4711/123456        a worker that ran when this was written; or: unknown
    upstream frontend { zone ...; server 10.0.0.1:80 weight=6 max_fails=3 fail_timeout=2s; # east ... }

The version is that of everything but this head, and NGINX itself says it at the status address: which file it *runs*
with. So a new fence over the same weights reloads nothing.
"""

import hashlib
import math
import re
from collections.abc import Iterator

from connectors.fenced import Row, Rows
from connectors.fit import to_unit
from connectors.nginx.spec import NginxSpec
from connectors.nginx.workers import Worker, worker_of
from placement.fleet import ClusterId, ServiceId

UNIT = 10_000
RECORD = "# equipoise record "
VERSION = "# equipoise version "
BEFORE = "# equipoise before "
UNKNOWN = "unknown"
LINE_MAX = 2_000
"""Characters of the record on a line: NGINX refuses a file with a comment of more than 4,096."""
STATUS_PATH = "/equipoise"
SHED_HEADER = "x-equipoise-shed"
"""On the 503 of a request that was refused because the table says so."""

UPSTREAM = """
upstream {service} {{
    zone equipoise.{service} 64k;
{servers}    keepalive 32;
    keepalive_timeout 15s;
}}
split_clients "$request_id" $equipoise_shed_{number} {{
    {shed}% 1;
    * 0;
}}
server {{
    listen {listener};
    server_name {service};
    if ($equipoise_shed_{number}) {{
        return 503;
    }}
    add_header {header} $equipoise_shed_{number} always;
    location / {{
        proxy_pass http://{service};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_connect_timeout {connect_ms}ms;
        proxy_next_upstream {next_upstream};
        proxy_next_upstream_tries {tries};
    }}
}}
"""
REST = """
server {{
    listen {listener} default_server;
    return 404;
}}
server {{
    listen {status};
    access_log off;
    location = {path} {{
        default_type application/json;
        return 200 '{{"version": "{version}", "pid": $pid}}';
    }}
}}
"""
_UPSTREAM = re.compile(r"^upstream (\S+) \{$")
_SERVER = re.compile(r"^    server \S+ weight=(\d{1,9}) max_fails=\d+ fail_timeout=\d+s( backup)?; # (\S+)$")
_SHED = re.compile(r"^    (?:# )?(\d{1,3}\.\d\d)% 1;$")


def configuration(spec: NginxSpec, rows: Rows, record: str = "", before: frozenset[Worker] | None = frozenset()) -> str:
    """The whole file. A service without a row has equal weights: fail open until the first table comes.

    `before` are the workers that accept connections before NGINX is told of this file, None where nobody knows.
    """
    parts = [_service(spec, service, rows.get(service), n) for n, service in enumerate(spec.services)]
    body = "".join(parts) + REST.format(
        listener=at(spec.listener), status=at(spec.status), path=STATUS_PATH, version="{version}"
    )
    version = hashlib.sha256(body.encode()).hexdigest()[:16]
    pieces = (record[start : start + LINE_MAX] for start in range(0, len(record), LINE_MAX))
    written = "".join(f"{RECORD}{piece}\n" for piece in pieces)
    head = written or "# equipoise: equal weights, until the first table comes\n"
    old = [UNKNOWN] if before is None else [str(worker) for worker in sorted(before)]
    noted = "".join(f"{BEFORE}{worker}\n" for worker in old)
    return f"{head}{VERSION}{version}\n{noted}{body.replace('{version}', version)}"


def _service(spec: NginxSpec, service: ServiceId, row: Row | None, number: int) -> str:
    row = row or Row(dict.fromkeys(sorted(spec.clusters(service)), 1))
    return UPSTREAM.format(
        service=service, number=number, listener=at(spec.listener), header=SHED_HEADER,
        servers="".join(_servers(spec, service, row)), shed=f"{'' if row.shed else '# '}{row.shed / UNIT * 100:.2f}",
        connect_ms=round(spec.connect_timeout_s * 1e3), tries=spec.retries + 1,
        next_upstream="error timeout" if spec.retries else "off",
    )  # fmt: skip


def _servers(spec: NginxSpec, service: ServiceId, row: Row) -> Iterator[str]:
    """Every endpoint of a weighted cluster has an even part of its weight; the numbers stay as small as they can be."""
    weights = row.weights
    if not weights:
        yield "    server 127.0.0.1:1 down;\n"  # NGINX wants one, even where all is refused
    counts = {cluster: len(spec.endpoints[service, cluster]) for cluster in weights}
    scale = math.lcm(*counts.values())
    each = {cluster: weight * scale // counts[cluster] for cluster, weight in weights.items()}
    common = math.gcd(*each.values())
    checks = f"max_fails={spec.fails_max} fail_timeout={spec.fail_timeout_s}s"
    for cluster, weight in sorted(each.items()):
        for address in spec.endpoints[service, cluster]:
            yield f"    server {at(address)} weight={weight // common} {checks}; # {cluster}\n"
    for cluster in row.standbys:
        for address in spec.endpoints[service, cluster]:
            yield f"    server {at(address)} weight=1 {checks} backup; # {cluster}\n"


def at(address: tuple[str, int]) -> str:
    """`10.0.0.1:80`, `[::1]:80`."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def record_in(text: str) -> str:
    """The record in a file; empty where it has none."""
    return "".join(line.removeprefix(RECORD) for line in text.split("\n") if line.startswith(RECORD))


def version_in(text: str) -> str:
    """The version of a file; empty where it has none."""
    return next((line.removeprefix(VERSION) for line in text.split("\n") if line.startswith(VERSION)), "")


def before_in(text: str) -> frozenset[Worker] | None:
    """The workers that ran before NGINX was told of a file; None where nobody knows."""
    noted = [line.removeprefix(BEFORE) for line in text.split("\n") if line.startswith(BEFORE)]
    found = [worker_of(words) for words in noted]
    return None if None in found else frozenset(worker for worker in found if worker)


def rows_in(text: str) -> dict[ServiceId, Row]:
    """The rows that a file says, by whomever it was written. What is not understood is left out."""
    found: dict[ServiceId, Row] = {}
    service, weights, standbys = "", dict[str, int](), list[ClusterId]()
    for line in text.split("\n"):
        if opened := _UPSTREAM.match(line):
            service, weights, standbys = opened[1], {}, []
        elif server := _SERVER.match(line):
            _note(weights, standbys, server)
        elif (share := _SHED.match(line)) and service:
            shed = min(round(float(share[1]) / 100 * UNIT), UNIT)
            kept = to_unit(weights, UNIT - shed)
            known = {ClusterId(cluster): weight for cluster, weight in sorted(kept.items()) if weight}
            found[ServiceId(service)] = Row(known, tuple(standbys), shed)
            service = ""
    return found


def _note(weights: dict[str, int], standbys: list[ClusterId], server: re.Match[str]) -> None:
    cluster = ClusterId(server[3])
    if not server[2]:
        weights[cluster] = weights.get(cluster, 0) + int(server[1])
    elif cluster not in standbys:
        standbys.append(cluster)
