"""The data planes of a trial: one that Equipoise steers, and others that look after themselves.

The anchors are set up as their makers advise for a preferred cluster with spares behind it, with their own defaults
for how failures are found: HAProxy with checks of `inter 2s fall 3 rise 2` (configuration manual 2.6, 5.2) and the
timeouts of Debian's haproxy.cfg; Envoy with Istio's outlier detection (consecutive5xxErrors 5, interval 10 s,
baseEjectionTime 30 s) and retries (2, on connect-failure, refused-stream, unavailable, cancelled, 503), and with
maxEjectionPercent 100, without which the only end point of a cluster may never be put aside.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.haproxy.configuration import configuration
from connectors.haproxy.spec import HaproxySpec, server_name
from connectors.xds.bootstrap import envoy_bootstrap
from connectors.xds.listeners import UPSTREAM_LOG_LINE
from placement.fleet import ClusterId, OriginId, ServiceId
from simulator.lab import gateways
from simulator.lab.addresses import LOOPBACK
from simulator.lab.processes import Child, Children, LabError
from simulator.lab.trial.ground import CLUSTERS, HOME, SERVICE, Ground

STEERED = "equipoise"
HAPROXY_CHECKS = "haproxy_checks"
ENVOY_OUTLIER = "envoy_outlier"
K8GB_LIKE = "k8gb_like"
HAPROXY_LOG_LINE = 'log-format "%Ta %s %rc %ST"'
"""Milliseconds from the first byte of the request to the end of the answer, server, retries, status."""


def haproxy_binary() -> str:
    """The HAProxy of this machine; raises LabError where there is none."""
    found = shutil.which("haproxy") or shutil.which("/usr/sbin/haproxy")
    if found is None:
        raise LabError("no HAProxy: sudo apt-get install haproxy")
    return found


def envoy_binary() -> str:
    """The repository's own Envoy; raises LabError where there is none."""
    found = gateways.installed()
    if found is None:
        raise LabError(f"no Envoy at {gateways.ENVOY}: make install")
    return str(found)


@dataclass(frozen=True, slots=True)
class Gateway:
    """One data plane at HOME. `start` may be called again once it has ended."""

    name: str
    ground: Ground
    folder: Path

    @property
    def log(self) -> Path:
        """Where its attempts are written."""
        return self.folder / f"{self.name}.attempts.log"

    @property
    def events(self) -> Path:
        """Where an Envoy writes whom it has put aside."""
        return self.folder / f"{self.name}.events.log"

    async def envoy(self, family: Children, bootstrap: Mapping[str, Any]) -> Child:
        """Run it as an Envoy."""
        path = self.folder / f"{self.name}.json"
        path.write_text(json.dumps(bootstrap))
        flags = ["--concurrency", "1", "--disable-hot-restart", "-l", "warning", "--file-flush-interval-msec", "100"]
        return await family.start(self.name, [envoy_binary(), "-c", str(path), *flags])

    async def haproxy(self, family: Children, text: str) -> Child:
        """Run it as an HAProxy; its log is what it prints."""
        path = self.folder / f"{self.name}.cfg"
        path.write_text(logging(text))
        command = [haproxy_binary(), "-db", "-f", str(path)]
        return await family.start(f"{self.name}.attempts", command)


def logging(text: str) -> str:
    """An HAProxy configuration that writes a line per request to its standard output."""
    with_log = text.replace("global\n", "global\n    log stdout format timed local0 info\n    nbthread 1\n", 1)
    return with_log.replace("    mode http\n", f"    mode http\n    log global\n    {HAPROXY_LOG_LINE}\n", 1)


def haproxy_spec(ground: Ground, folder: Path) -> HaproxySpec:
    """The HAProxy that Equipoise steers."""
    endpoints = {
        (ServiceId(SERVICE), ClusterId(cluster)): ((LOOPBACK, ground.reach(HOME, cluster)),) for cluster in CLUSTERS
    }
    return HaproxySpec(
        origin=OriginId(HOME),
        socket=str(folder / "haproxy.sock"),
        map_path=str(folder / "haproxy.map"),
        endpoints=endpoints,
        listener=(LOOPBACK, ground.entry[STEERED]),
    )


async def start_steered_envoy(gateway: Gateway, family: Children) -> Child:
    """An Envoy that takes everything from the controller."""
    ground = gateway.ground
    bootstrap = envoy_bootstrap(HOME, HOME, LOOPBACK, ground.xds, ground.admin[gateway.name])
    return await gateway.envoy(family, bootstrap)


async def start_steered_haproxy(gateway: Gateway, family: Children) -> Child:
    """An HAProxy with the configuration that we print, map and state still empty."""
    spec = haproxy_spec(gateway.ground, gateway.folder)
    for kept in ("haproxy.map", "haproxy.state"):
        (gateway.folder / kept).touch()
    return await gateway.haproxy(family, configuration(spec))


ANCHOR_HAPROXY = """\
global
defaults
    mode http
    option redispatch
    retries 3
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    default-server check
listen {service}
    bind {host}:{port}
    option httpchk GET /healthz
"""


async def start_haproxy_checks(gateway: Gateway, family: Children) -> Child:
    """An HAProxy with health checks, the spares as backup servers."""
    ground = gateway.ground
    text = ANCHOR_HAPROXY.format(service=SERVICE, host=LOOPBACK, port=ground.entry[gateway.name])
    for place, cluster in enumerate(CLUSTERS):
        spare = " backup" if place else ""
        text += f"    server {server_name(cluster, 1)} {LOOPBACK}:{ground.reach(HOME, cluster)}{spare}\n"
    return await gateway.haproxy(family, text)


async def start_envoy_outlier(gateway: Gateway, family: Children) -> Child:
    """An Envoy with outlier detection, the spares as priorities behind the preferred cluster."""
    return await gateway.envoy(family, outlier_bootstrap(gateway))


def outlier_bootstrap(gateway: Gateway) -> dict[str, Any]:
    """The static configuration of the Envoy that nobody steers."""
    ground = gateway.ground
    manager = _typed("envoy.filters.network.http_connection_manager", _manager(gateway))
    return {
        "admin": {"address": _socket(ground.admin[gateway.name])},
        "cluster_manager": {"outlier_detection": {"event_log_path": str(gateway.events)}},
        "static_resources": {
            "listeners": [{
                "name": "in",
                "address": _socket(ground.entry[gateway.name]),
                "filter_chains": [{"filters": [manager]}],
            }],
            "clusters": [_preferred(ground)],
        },
    }  # fmt: skip


def _manager(gateway: Gateway) -> dict[str, Any]:
    retry = {
        "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
        "retriable_status_codes": [503],
        "num_retries": 2,
        "host_selection_retry_max_attempts": "5",
        "retry_host_predicate": [_typed(
            "envoy.retry_host_predicates.previous_hosts",
            {"@type": _type("extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")},
        )],
    }  # fmt: skip
    route = {"match": {"prefix": "/"}, "route": {"cluster": SERVICE, "timeout": "0s", "retry_policy": retry}}
    log = {
        "@type": _type("extensions.access_loggers.file.v3.FileAccessLog"),
        "path": str(gateway.log),
        "log_format": {"text_format_source": {"inline_string": UPSTREAM_LOG_LINE}},
    }
    router = {
        "@type": _type("extensions.filters.http.router.v3.Router"),
        "upstream_log": [_typed("envoy.access_loggers.file", log)],
    }
    return {
        "@type": _type("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [_typed("envoy.filters.http.router", router)],
    }


def _preferred(ground: Ground) -> dict[str, Any]:
    groups = [
        {
            "priority": priority,
            "locality": {"region": cluster},
            "lb_endpoints": [{"endpoint": {"address": _socket(ground.reach(HOME, cluster))}}],
        }
        for priority, cluster in enumerate(CLUSTERS)
    ]
    return {
        "name": SERVICE,
        "type": "STATIC",
        "connect_timeout": "10s",
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "load_assignment": {"cluster_name": SERVICE, "endpoints": groups},
        "outlier_detection": {
            "consecutive_5xx": 5,
            "interval": "10s",
            "base_ejection_time": "30s",
            "max_ejection_percent": 100,
            "enforcing_success_rate": 0,
        },
    }


def _typed(name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": config}


def _type(name: str) -> str:
    return f"type.googleapis.com/envoy.{name}"


def _socket(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


ANCHORS: Mapping[str, Callable[[Gateway, Children], Any]] = {
    HAPROXY_CHECKS: start_haproxy_checks,
    ENVOY_OUTLIER: start_envoy_outlier,
}
"""Who looks after himself, by name; K8GB_LIKE has no gateway."""
STEERINGS: Mapping[str, Callable[[Gateway, Children], Any]] = {
    "envoy": start_steered_envoy,
    "haproxy": start_steered_haproxy,
}
"""What Equipoise steers, by data plane."""
