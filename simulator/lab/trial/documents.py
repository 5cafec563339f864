"""A trial as the controller is told of it: one service in three clusters, one origin, and a price that decides."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from simulator.lab.documents import Document, cluster, document, latency, prices, write
from simulator.lab.places import CONTROLLER, NODE_MEMORY_GIB, NODE_TYPE, NODE_VCPU, PLACES
from simulator.lab.trial.gateways import STEERED, Gateway, haproxy_spec
from simulator.lab.trial.ground import CLUSTERS, FAULTY, HOME, SERVICE, Ground, at

DEAR = 30.0
"""Times the list price, so that nobody but FAULTY is worth the nodes."""
REPLICA_RPS = 1_000.0
FREE: Document = {
    "stepMax": 1.0, "movedPerMinute": 1.0, "changesPerHour": 1000, "dwellSeconds": 0, "reversalsPerHour": 1000,
    "bakeSeconds": 0, "evacuationsMax": 1000, "trial": {"errorMin": 1.0, "latencyMinMs": 10_000},
}  # fmt: skip
"""Guards that do not mind a loss every half minute, and everybody back in between."""
PROBE_TIMEOUT_MS = 500
"""Two round trips to the farthest place, one for the handshake and one for the answer, take 373 ms from HOME."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What differs from one trial to the next."""

    folder: Path
    ground: Ground
    plane: str
    """`envoy` or `haproxy`: what Equipoise steers."""
    rps: float
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Of the vantages besides the controller, by the place where each is."""

    @property
    def documents(self) -> Path:
        """The folder that the controller reads."""
        return self.folder / "documents"


def write_all(setting: Setting) -> None:
    """Every document, into a new folder."""
    setting.documents.mkdir()
    dear = {place: DEAR for place in PLACES if place != FAULTY}
    everything = [policy(setting), *(cluster(place) for place in PLACES.values()), service(setting), origin(setting)]
    write(setting.documents / "trial.yaml", [*everything, latency(), prices(dear)])


def policy(setting: Setting) -> Document:
    """The probes of production, and all that follows a verdict: the controller starts anew for every fault."""
    spec: Document = {
        "tick": {"periodSeconds": 1, "readingsMaxAgeSeconds": 10},
        "probes": {
            "intervalMs": 250, "timeoutMs": PROBE_TIMEOUT_MS, "fastFollowMs": 50, "fall": 3,
            "quorum": 2 if setting.tokens else 1,
            "vantages": [
                {"name": place, "tokenSha256": hashlib.sha256(token.encode()).hexdigest()}
                for place, token in setting.tokens.items()
            ],
        },
        "guards": FREE,
        "server": {
            "api": at(setting.ground.api),
            "xds": at(setting.ground.xds),
            "ledger": f"sqlite:///{setting.folder / 'ledger.db'}",
        },
    }  # fmt: skip
    return document("Policy", "trial", spec)


def service(setting: Setting) -> Document:
    """With its endpoints as the controller reaches them, for its probes."""
    spec: Document = {
        "exposed": True,
        "priority": "normal",
        "valueUsdPerMillionRequestMs": 0.001,
        "requestBytes": 100,
        "responseBytes": 600,
        "utilizationTarget": 0.7,
        "resources": {"vcpu": NODE_VCPU, "memoryGib": NODE_MEMORY_GIB},
        "throughput": {NODE_TYPE: REPLICA_RPS},
        "replicas": dict.fromkeys(CLUSTERS, 2),
        "probe": {"protocol": "http", "path": "/healthz", "expectStatus": 200},
        "endpoints": {there: [at(setting.ground.reach(CONTROLLER, there))] for there in CLUSTERS},
    }
    return document("Service", SERVICE, spec)


def origin(setting: Setting) -> Document:
    """The mesh at HOME."""
    ground = setting.ground
    listener = at(ground.entry[STEERED])
    if setting.plane == "haproxy":
        haproxy = haproxy_spec(ground, setting.folder)
        mesh: Document = {"haproxy": {"socket": haproxy.socket, "map": haproxy.map_path, "listener": listener}}
    else:
        log = str(Gateway(STEERED, ground, setting.folder).log)
        mesh = {"xds": {"node": HOME, "listener": listener, "retries": 1, "upstreamLog": log}}
    spec: Document = {
        "cluster": HOME,
        "expectedRps": {SERVICE: setting.rps},
        "mesh": mesh,
        "telemetry": {"loadReports": {}},
        "via": [{"cluster": c, "service": SERVICE, "address": at(ground.reach(HOME, c))} for c in CLUSTERS],
    }
    return document("Origin", HOME, spec)
