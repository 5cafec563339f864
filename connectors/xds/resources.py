"""The kinds of xDS resources as deterministic bytes, and the versions that follow from the bytes alone."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from google.protobuf import any_pb2

_PREFIX = "type.googleapis.com/envoy.config."
LDS = _PREFIX + "listener.v3.Listener"
RDS = _PREFIX + "route.v3.RouteConfiguration"
CDS = _PREFIX + "cluster.v3.Cluster"
EDS = _PREFIX + "endpoint.v3.ClusterLoadAssignment"
RTDS = "type.googleapis.com/envoy.service.runtime.v3.Runtime"

PUSH_ORDER = (RTDS, CDS, EDS, LDS, RDS)
"""Make before break: what is referred to goes out before what refers to it. The runtime layer comes first: a controller
that starts anew takes a drill back before it takes away what was drilled."""
REFERS_TO = MappingProxyType({LDS: RDS, RDS: CDS, CDS: EDS})
WHOLE_STATE = frozenset({LDS, CDS})
"""Types whose every answer lists all resources: one that is missing is deleted. Of the others only changes are sent."""
SHORT = MappingProxyType({LDS: "LDS", RDS: "RDS", CDS: "CDS", EDS: "EDS", RTDS: "RTDS"})


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource, ready to send."""

    name: str
    body: bytes
    """A serialized google.protobuf.Any."""
    digest: str
    refers: frozenset[str]
    """Names of the resources of type REFERS_TO that a proxy asks for once it has this one."""
    listed: bool
    """Whether a wildcard subscription gets it; a listener for proxyless clients must be asked for by name."""


Named = Mapping[str, Resource]
Resources = Mapping[str, Named]
"""All that one origin's proxies may have: type -> name -> resource."""
NOTHING: Resources = MappingProxyType({kind: MappingProxyType({}) for kind in PUSH_ORDER})


def resource(message: Any, name: str, refers: Iterable[str] = (), listed: bool = True) -> Resource:
    """A protobuf message as a resource."""
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    body = packed.SerializeToString(deterministic=True)
    return Resource(name, body, hashlib.sha256(body).hexdigest(), frozenset(refers), listed)


def by_name(resources: Iterable[Resource]) -> Named:
    """The resources of one type."""
    return MappingProxyType({r.name: r for r in resources})


def version_of(selected: Named) -> str:
    """A version that depends on names and content only, so that a restarted controller repeats nothing."""
    lines = "\n".join(f"{name} {selected[name].digest}" for name in sorted(selected))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
