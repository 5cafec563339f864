"""RTDS and the rest of a rehearsal: routes to failover weights for a ratio of requests, which a proxy drops by itself.

Routes to the rehearsed upstreams match a fraction of the requests that a runtime layer holds, and none without it. The
layer is the one xDS resource whose time to live Envoy honours as we need it: when it runs out the layer is empty, and
every request takes its regular route. (Envoy 1.40 ignores that of an endpoint assignment. That of a route configuration
ends it: when it runs out the proxy dies of a segmentation fault.)
"""

from dataclasses import dataclass

from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.runtime.v3 import rtds_pb2

from connectors.xds.resources import NOTHING, RTDS, Resource, Resources, by_name, resource
from placement.weights import WeightTable

LAYER = "equipoise/rehearsal"
"""The runtime layer, as the bootstrap of a proxy names it."""
RATIO_KEY = "equipoise.rehearsal.ratio"
BEAT_KEY = "equipoise.rehearsal.beat"
"""Counts the renewals: a layer that is the same would not be sent again, and so not be renewed."""
PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Overlay:
    """A rehearsal as the proxies of one origin have it."""

    table: WeightTable
    """The failover weights of the rehearsed services."""
    routed: bool = True
    """Whether routes lead to them; before upstreams go, the routes to them have to."""
    ratio: float = 0.0
    lease_s: float = 0.0
    """0 for none."""
    beat: int = 0


def layer(overlay: Overlay | None) -> Resource:
    """The runtime layer of a rehearsal; an empty one, without a lease, where none is under way."""
    runtime = rtds_pb2.Runtime(name=LAYER)
    if overlay is None or not overlay.ratio:
        return _leased(runtime, 0.0)
    runtime.layer[RATIO_KEY] = {"numerator": round(overlay.ratio * PARTS), "denominator": "TEN_THOUSAND"}
    runtime.layer[BEAT_KEY] = overlay.beat
    return _leased(runtime, overlay.lease_s)


def _leased(runtime: rtds_pb2.Runtime, lease_s: float) -> Resource:
    wrapped = discovery_pb2.Resource(name=LAYER)
    wrapped.resource.Pack(runtime, deterministic=True)
    if lease_s:
        wrapped.ttl.FromMilliseconds(round(lease_s * 1e3))
    return resource(wrapped, LAYER)


QUIET: Resources = {**NOTHING, RTDS: by_name([layer(None)])}
"""What a proxy may have before there are weights: an Envoy waits for its runtime layer before it asks for more."""
