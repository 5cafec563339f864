"""The lab as the controller is told of it: the documents that an operator would write, one file per kind."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from simulator.lab.addresses import LOOPBACK, Addresses
from simulator.lab.gateways import DataPlane
from simulator.lab.places import (
    CONTROLLER,
    NODE_MEMORY_GIB,
    NODE_TYPE,
    NODE_VCPU,
    PLACES,
    REGION_RPS,
    WORKLOADS,
    Place,
    Workload,
    rtt_ms,
)

API_VERSION = "equipoise.dev/v1alpha1"
USD_PER_MILLION_REQUEST_MS = 0.02
"""Low enough for a doubled price of nodes to outweigh the Atlantic, high enough for a list price never to."""
PROBE_TIMEOUT_MS = 1_000
"""Above two round trips to the farthest place, one for the handshake and one for the answer, with room for a busy
machine. What is killed refuses at once, so this does not slow its detection."""

PROBES = {
    DataPlane.ENVOY: {"protocol": "http", "path": "/healthz", "expectStatus": 200},
    DataPlane.GRPC: {"protocol": "grpc"},
}

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """What differs from one lab to the next."""

    folder: Path
    addresses: Addresses
    has_prometheus: bool
    outlier_detection: bool
    data_plane: DataPlane
    step_max: float
    """Most of a flow that one tick may move."""

    @property
    def documents(self) -> Path:
        """The folder that the controller reads."""
        return self.folder / "documents"

    def upstream_log(self, cluster: str) -> Path:
        """Where a cluster's gateway logs its attempts."""
        return self.folder / f"{cluster}.attempts.log"


def write_all(setting: Setting) -> None:
    """Every document, into a new folder."""
    setting.documents.mkdir()
    write(setting.documents / "policy.yaml", [policy(setting)])
    write(setting.documents / "clusters.yaml", [cluster(place) for place in PLACES.values()])
    write(setting.documents / "services.yaml", [service(w, setting) for w in WORKLOADS.values()])
    write(setting.documents / "origins.yaml", [origin(place, setting) for place in PLACES.values()])
    write(setting.documents / "latency.yaml", [latency()])
    write_prices(setting, {})


def write_prices(setting: Setting, factor: Mapping[str, float]) -> None:
    """The price book alone, with the nodes of some clusters at a multiple of their list price."""
    write(setting.documents / "prices.yaml", [prices(factor)])


def write(path: Path, documents: Iterable[Document]) -> None:
    """Replace a file at once, so that nobody reads half of it."""
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    draft = path.with_suffix(".draft")
    with draft.open("w") as out:
        yaml.dump_all(list(documents), out)
    os.replace(draft, path)


def document(kind: str, name: str, spec: Document) -> Document:
    """With the envelope that all have."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def policy(setting: Setting) -> Document:
    """Faster than in production, so that a story of a minute has a return in it."""
    ports = setting.addresses
    spec: Document = {
        "tick": {"periodSeconds": 1, "readingsMaxAgeSeconds": 10},
        "probes": {
            "intervalMs": 250, "timeoutMs": PROBE_TIMEOUT_MS, "fastFollowMs": 50, "fall": 3, "rise": 8,
            "holdDownSeconds": 2, "holdDownMaxSeconds": 4, "rampSeconds": 8, "quorum": 1,
        },
        "guards": {"stepMax": setting.step_max, "movedPerMinute": 1.0, "changesPerHour": 1000, "dwellSeconds": 0,
                   "reversalsPerHour": 1000, "bakeSeconds": 0, "evacuationsMax": 1000,
                   "trial": {"restSeconds": 5}},
        "server": {
            "api": f"{LOOPBACK}:{ports.api}",
            "xds": f"{LOOPBACK}:{ports.xds}",
            "ledger": f"sqlite:///{setting.folder / 'ledger.db'}",
        },
    }  # fmt: skip
    if setting.has_prometheus:
        spec["telemetry"] = {"prometheus": [prometheus(ports)]}
    return document("Policy", "lab", spec)


def cluster(place: Place) -> Document:
    """One cluster with as many nodes as it has replicas."""
    per_node = {"vcpu": NODE_VCPU, "memoryGib": NODE_MEMORY_GIB}
    pool = {"name": "general", "nodeType": NODE_TYPE, "nodes": place.nodes, "perNode": per_node}
    spec = {"provider": "aws", "region": place.region, "jurisdiction": place.jurisdiction, "pools": [pool]}
    return document("Cluster", place.name, spec)


def service(workload: Workload, setting: Setting) -> Document:
    """One service; a replica fills a node. The endpoints are as the controller reaches them, for its probes."""
    reach = setting.addresses.reach
    spec: Document = {
        "exposed": workload.name == "frontend",
        "priority": "normal",
        "valueUsdPerMillionRequestMs": USD_PER_MILLION_REQUEST_MS,
        "requestBytes": 500,
        "responseBytes": workload.response_bytes,
        "utilizationTarget": 0.7,
        "resources": {"vcpu": NODE_VCPU, "memoryGib": NODE_MEMORY_GIB},
        "throughput": {NODE_TYPE: round(workload.rps_per_replica, 3)},
        "replicas": workload.replicas,
        "probe": PROBES[setting.data_plane],
        "endpoints": {there: [_at(reach(CONTROLLER, there, workload.name))] for there in PLACES},
    }
    if workload.calls:
        spec["calls"] = {workload.calls: 1.0}
    return document("Service", workload.name, spec)


def origin(place: Place, setting: Setting) -> Document:
    """One cluster's mesh: a gateway over xDS, remote services through their links, load reports every second."""
    xds = {
        "node": place.name,
        "listener": _at(setting.addresses.gateway[place.name]),
        "outlierDetection": setting.outlier_detection,
        "retries": 1,
        "upstreamLog": str(setting.upstream_log(place.name)),
    }
    via = [
        {"cluster": there, "service": name, "address": _at(setting.addresses.reach(place.name, there, name))}
        for there in PLACES
        for name in WORKLOADS
    ]
    spec = {
        "cluster": place.name,
        "expectedRps": {"frontend": REGION_RPS},
        "mesh": {"xds": xds},
        "telemetry": {"loadReports": {"intervalSeconds": 0.1}},
        "via": via,
    }
    return document("Origin", place.name, spec)


def prometheus(addresses: Addresses) -> Document:
    """What the services say of themselves; the label `cluster` is put on by the scrape.

    The latency is the time with a worker. The wait for one comes of the load, which the optimizer prices by itself:
    told of it too, and seconds late, it would chase its own tail.
    """
    ratio = "rate(lab_service_seconds_sum[10s]) / rate(lab_service_seconds_count[10s])"
    return {
        "name": "services",
        "url": f"http://{LOOPBACK}:{addresses.prometheus}",
        "queries": {
            "capacity_rps": "sum by (service, cluster) (lab_capacity_rps)",
            "latency_ms": f"1000 * sum by (service, cluster) ({ratio})",
        },
    }


def prices(factor: Mapping[str, float]) -> Document:
    """List prices (their sources are in `places`), some of them multiplied."""
    nodes = [
        {
            "provider": "aws", "region": place.region, "nodeType": NODE_TYPE,
            "usdPerHour": round(place.usd_per_node_hour * factor.get(place.name, 1.0), 6),
        }
        for place in PLACES.values()
    ]  # fmt: skip
    egress = [{"from": place.region, "to": "*", "usdPerGb": place.usd_per_gb_out} for place in PLACES.values()]
    egress += [{"from": place.region, "to": place.region, "usdPerGb": 0.0} for place in PLACES.values()]
    spec = {"currency": "USD", "asOf": "2026-07-20", "source": "list prices", "nodeTypes": nodes, "egress": egress}
    return document("PriceBook", "list-prices", spec)


def latency() -> Document:
    """Round trips between the places."""
    rtt = {here: {there: rtt_ms(here, there) for there in PLACES} for here in PLACES}
    return document("LatencyMatrix", "measured", {"asOf": "2020-06-05", "source": "ping", "rttMs": rtt})


def _at(port: int) -> str:
    return f"{LOOPBACK}:{port}"
