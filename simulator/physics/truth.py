"""What is true at an instant: all events that are going on, folded into arrays. Letters as in placement.fleet."""

from dataclasses import dataclass, field

import numpy as np

from placement.columns import Bools, Floats
from placement.fleet import Fleet

REACHED = 0.5
"""A cluster answers the controller while more than this part of what it is asked comes through."""


@dataclass(slots=True)
class Truth:
    """Made anew whenever an event begins or ends; nobody changes it afterwards."""

    cluster_up: Bools
    """(C,)"""
    gateway_up: Bools
    """(C,) whether anybody outside reaches the cluster."""
    backend_up: Bools
    """(B,) of its own; see `answers`."""
    capacity: Floats
    """(B,) part of its replicas that is left."""
    error_ratio: Floats
    """(B,) part of requests that fail whatever the load."""
    probe_error_ratio: Floats
    """(B,) part of probes that fail for the same reason."""
    slow_ms: Floats
    """(B,) added to every request."""
    path_ms: Floats
    """(O, C) added round trip."""
    path_ok: Floats
    """(O, C) part of requests that pass."""
    control_ok: Floats
    """(C,) part of probes that pass from the controller; a mesh is reached where it is above REACHED."""
    heard: Bools
    """(C + 1,) whether the telemetry of each cluster arrives, and last that of origins outside of them."""
    demand: Floats
    """(F,) factor."""
    price: Floats
    """(C,) factor."""
    skew_s: Floats
    """(C,) how far its clock is ahead."""
    mesh_reached: Bools
    """(O,) for reasons of the connector."""
    mesh_applies: Bools
    """(O,) whether a write is applied though the connector fails."""
    mesh_rejects: Bools
    """(O,)"""
    mesh_part: Floats
    """(O,) part of the proxies that take a write."""
    lies: list[tuple[str, Bools, float]] = field(default_factory=list)
    """(signal, clusters, factor); the factor may be NaN."""
    probe_loss: float = 0.0
    solves: bool = True
    records: bool = True
    """Whether the ledger can be written."""
    controls: bool = True
    """Whether there is a controller."""

    def answers(self, fleet: Fleet) -> Bools:
        """(B,) backends that answer at all."""
        return np.asarray(self.backend_up & self.cluster_up[fleet.backends.cluster], dtype=np.bool_)

    def meshes_up(self, fleet: Fleet) -> Bools:
        """(O,) meshes that requests of clients reach; origins outside of clusters always."""
        home = np.maximum(fleet.origins.cluster, 0)
        return np.asarray((fleet.origins.cluster < 0) | (self.cluster_up & self.gateway_up)[home], dtype=np.bool_)

    def in_touch(self) -> Bools:
        """(C,) clusters that live and are reached by the controller."""
        return np.asarray(self.cluster_up & (self.control_ok > REACHED), dtype=np.bool_)

    def tells(self) -> Bools:
        """(C + 1,) whether anything measured in each cluster arrives, and last outside of them."""
        return np.asarray(self.heard & np.append(self.in_touch(), True), dtype=np.bool_)

    def takes_weights(self, fleet: Fleet) -> Bools:
        """(O,) meshes that the controller reaches: there is a way, and their cluster lives."""
        home = fleet.origins.cluster
        return np.asarray(self.mesh_reached & ((home < 0) | self.in_touch()[np.maximum(home, 0)]), dtype=np.bool_)


def undisturbed(fleet: Fleet) -> Truth:
    """Nothing is wrong."""
    clusters, backends, origins = len(fleet.clusters), len(fleet.backends), len(fleet.origins)
    return Truth(
        cluster_up=np.ones(clusters, dtype=bool),
        gateway_up=np.ones(clusters, dtype=bool),
        backend_up=np.ones(backends, dtype=bool),
        capacity=np.ones(backends),
        error_ratio=np.zeros(backends),
        probe_error_ratio=np.zeros(backends),
        slow_ms=np.zeros(backends),
        path_ms=np.zeros((origins, clusters)),
        path_ok=np.ones((origins, clusters)),
        control_ok=np.ones(clusters),
        heard=np.ones(clusters + 1, dtype=bool),
        demand=np.ones(len(fleet.flows)),
        price=np.ones(clusters),
        skew_s=np.zeros(clusters),
        mesh_reached=np.ones(origins, dtype=bool),
        mesh_applies=np.zeros(origins, dtype=bool),
        mesh_rejects=np.zeros(origins, dtype=bool),
        mesh_part=np.ones(origins),
    )
