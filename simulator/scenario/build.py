"""From the fleet of a scenario to documents as in production, and what the physics has to know beside them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

from config.cluster import Cluster
from config.configuration import Configuration
from config.fallback import default_book
from config.latencymatrix import LatencyMatrix
from config.load import load
from config.origin import Origin
from config.pricebook import PriceBook
from config.problem import quoted
from config.reasons import nearest
from config.service import Service
from simulator.cloud.facts import NODE_TYPES, Place, regions, round_trip_ms, transfer_usd_per_gb
from simulator.scenario.drawn import drawn
from simulator.scenario.fleet import ClusterShape, FleetShape, ServiceShape
from simulator.scenario.model import Scenario, Times

API_VERSION = "equipoise.dev/v1alpha1"
SPARE_NODES = 1
"""Nodes of each pool that stand empty."""
ASSUMED = "2026-07-30"


@dataclass(frozen=True, slots=True)
class Built:
    """A fleet as documents, and what documents do not say."""

    configuration: Configuration
    times: Mapping[str, Times]
    """By service; those that are not here have the defaults."""
    places: Mapping[str, tuple[float, float]]
    """Latitude and longitude by origin and cluster, as far as known."""
    zones: Mapping[str, int]
    """By cluster."""
    drawn_rps: Mapping[tuple[str, str], float]
    """Of (service, origin), where the fleet was drawn."""


def build(scenario: Scenario, folder: Path) -> Built:
    """The fleet of a scenario. Raises Invalid for documents that are."""
    spec = scenario.spec
    if spec.fleet.documents:
        configuration = load(*(folder / path for path in spec.fleet.documents))
        return Built(configuration, spec.world.services, _places_of(configuration), {}, {})
    fleet, rps = (spec.fleet, {}) if spec.fleet.drawn is None else drawn(spec.fleet.drawn, spec.seed)
    places = _places(fleet)
    clusters = _clusters(fleet, places)
    services = tuple(_service(name, shape, fleet) for name, shape in sorted(fleet.services.items()))
    origins = _origins(fleet)
    configuration = Configuration(
        clusters=clusters,
        services=services,
        origins=origins,
        price_books=(_price_book(fleet, places),),
        latency_matrices=(_latencies(fleet, places),),
        policy=spec.policy,
        documents=len(clusters) + len(services) + len(origins),
        files=1,
    )
    times = {
        name: Times.model_validate({"latencyMs": s.latency_ms, "variability": s.variability, "slots": s.slots})
        for name, s in fleet.services.items()
    }
    return Built(
        configuration,
        {**times, **spec.world.services},
        {name: (place.latitude, place.longitude) for name, place in places.items()},
        {name: shape.zones for name, shape in fleet.clusters.items()},
        rps,
    )


def unsold(scenario: Scenario) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Regions nobody knows, and nodes that a region does not sell."""
    fleet = scenario.spec.fleet
    for name, shape in fleet.clusters.items():
        where: tuple[int | str, ...] = ("spec", "fleet", "clusters", name)
        if shape.at is not None and shape.at not in regions():
            yield (*where, "at"), f"no facts of region {quoted(shape.at)}{nearest(shape.at, regions())}"
            continue
        sold = _sold(shape)
        for service, wanted in fleet.services.items():
            if _replicas(wanted, name) and wanted.node not in sold:
                who = f"which service {quoted(service)} runs on; give usdPerHour"
                yield where, f"no price of {wanted.node} nodes in {name}, {who}"


def _places(fleet: FleetShape) -> dict[str, Place]:
    """Where each cluster and each group of users is."""
    found = {}
    for name, shape in fleet.clusters.items():
        sold = tuple(_sold(shape).items())
        if shape.at is not None:
            known = regions()[shape.at]
            law = shape.jurisdiction or known.jurisdiction
            where = (known.provider, known.region, known.latitude, known.longitude, known.continent)
        else:
            law = shape.jurisdiction or "any"
            where = (shape.provider, shape.region or name, shape.latitude, shape.longitude, "")
        found[name] = Place(*where, law, sold)
    users = {n: Place("users", f"users-{n}", u.latitude, u.longitude) for n, u in fleet.users.items()}
    return found | users


def _sold(shape: ClusterShape) -> dict[str, float]:
    listed = dict(regions()[shape.at].usd_per_hour) if shape.at in regions() else {}
    return listed | {str(node): usd for node, usd in shape.usd_per_hour.items()}


def _replicas(service: ServiceShape, cluster: str) -> int:
    return service.replicas if isinstance(service.replicas, int) else service.replicas.get(cluster, 0)


def _clusters(fleet: FleetShape, places: Mapping[str, Place]) -> tuple[Cluster, ...]:
    made = []
    for name, shape in sorted(fleet.clusters.items()):
        place, need = places[name], dict.fromkeys(dict(places[name].usd_per_hour), 0.0)
        for service in fleet.services.values():
            if service.node in need:
                need[service.node] += _replicas(service, name) * service.node_share
        pools = [
            {"name": node, "nodeType": node, "nodes": ceil(share - 1e-9) + SPARE_NODES, "perNode": _per_node(node)}
            for node, share in need.items()
        ]
        body: dict[str, Any] = {
            "provider": place.provider,
            "region": place.region,
            "jurisdiction": place.jurisdiction,
            "pools": pools,
        }
        if shape.gateway_rps is not None:
            body["gatewayRps"] = shape.gateway_rps
        made.append(Cluster.model_validate(_document("Cluster", name, body)))
    return tuple(made)


def _service(name: str, shape: ServiceShape, fleet: FleetShape) -> Service:
    part = dict.fromkeys(("vcpu", "memoryGib"), shape.node_share)
    body: dict[str, Any] = {
        "exposed": shape.exposed,
        "priority": shape.priority,
        "valueUsdPerMillionRequestMs": shape.value_usd_per_million_request_ms,
        "requestBytes": shape.request_bytes,
        "responseBytes": shape.response_bytes,
        "utilizationTarget": shape.utilization_target,
        "resources": {key: share * _per_node(shape.node)[key] for key, share in part.items()},
        "throughput": {shape.node: shape.rps_per_replica},
        "replicas": {c: {shape.node: _replicas(shape, c)} for c in sorted(fleet.clusters) if _replicas(shape, c)},
        "calls": shape.calls,
    }
    if shape.rtt_max_ms is not None:
        body["rttMaxMs"] = shape.rtt_max_ms
    if shape.rtt_target_ms is not None:
        body["rttTargetMs"] = shape.rtt_target_ms
    if shape.jurisdictions is not None:
        body["jurisdictions"] = list(shape.jurisdictions)
    return Service.model_validate(_document("Service", name, body))


def _origins(fleet: FleetShape) -> tuple[Origin, ...]:
    bodies: dict[str, dict[str, Any]] = {name: {"cluster": name} for name in fleet.clusters}
    bodies |= {name: {"region": f"users-{name}"} for name in fleet.users}
    return tuple(Origin.model_validate(_document("Origin", name, body)) for name, body in sorted(bodies.items()))


def _price_book(fleet: FleetShape, places: Mapping[str, Place]) -> PriceBook:
    nodes = {
        (place.provider, place.region, node): usd
        for name, place in sorted(places.items())
        for node, usd in place.usd_per_hour
    }
    pairs = {
        (places[a].region, places[b].region): transfer_usd_per_gb(places[a], places[b])
        for a, b in product(sorted(places), repeat=2)
        if places[a].region != places[b].region
    }
    body = {
        "currency": "USD",
        "asOf": ASSUMED,
        "source": "simulator/cloud/facts.py and the scenario",
        "nodeTypes": [
            {"provider": p, "region": r, "nodeType": node, "usdPerHour": usd} for (p, r, node), usd in nodes.items()
        ],
        "egress": [{"from": a, "to": b, "usdPerGb": usd} for (a, b), usd in pairs.items()],
    }
    body |= _emissions({(place.provider, place.region) for place in places.values()})
    return PriceBook.model_validate(_document("PriceBook", "scenario", body))


def _emissions(where: set[tuple[str, str]]) -> dict[str, Any]:
    """Grids and power of the default price book, for the regions that a fleet is in."""
    spec = default_book().spec
    grids = [row for row in spec.carbon if (row.provider, row.region) in where]
    power = [row for row in spec.power if row.provider in {provider for provider, _ in where}]
    return {
        name: [row.model_dump(by_alias=True) for row in rows] for name, rows in (("carbon", grids), ("power", power))
    }


def _latencies(fleet: FleetShape, places: Mapping[str, Place]) -> LatencyMatrix:
    said = {(a, b): ms for a, row in fleet.rtt_ms.items() for b, ms in row.items()}
    trips: dict[str, dict[str, float]] = {}
    for one, other in product(sorted(places), sorted(fleet.clusters)):
        if one != other:
            known = said.get((one, other), said.get((other, one)))
            trips.setdefault(one, {})[other] = known or round_trip_ms(places[one], places[other])
    body = {"asOf": ASSUMED, "source": "simulator/cloud/facts.py and the scenario", "rttMs": trips}
    return LatencyMatrix.model_validate(_document("LatencyMatrix", "scenario", body))


def _places_of(configuration: Configuration) -> dict[str, tuple[float, float]]:
    """Places of clusters whose provider and region are known, and of their meshes."""
    known = {c.name: regions().get(f"{c.spec.provider}/{c.spec.region}") for c in configuration.clusters}
    found = {name: (place.latitude, place.longitude) for name, place in known.items() if place}
    meshes = {o.name: found[o.spec.cluster] for o in configuration.origins if o.spec.cluster in found}
    return found | meshes


def _per_node(node: str) -> dict[str, float]:
    return dict(zip(("vcpu", "memoryGib", "storageGib", "gpu"), NODE_TYPES[node], strict=True))


def _document(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
