"""Hours of a window as problems again: what was asked, what stood and how it was routed, for what-if questions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from placement.baseline import nearest
from placement.columns import Floats, Ints, bools, floats
from placement.fleet import Fleet
from placement.problem import Problem, formulate
from placement.readings import Readings, Snapshot
from placement.routing import Routing, from_triplets
from scheduler.metering import replica_hours
from scheduler.ports import Configuration
from scheduler.usage import HOUR_S, NONE, Usage, added

HOURS_MAX = 48
"""Hours that are replayed at most, evenly chosen over the window."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour, as means over what was measured of it."""

    starts_s: int
    problem: Problem
    routing: Routing
    """What was in force."""


def hours_of(records: list[Usage], configuration: Configuration, most: int = HOURS_MAX) -> Iterator[Hour]:
    """Hours of a window, at most `most` of them. What the documents do not have any more is left out."""
    by_hour: dict[int, list[Usage]] = {}
    for record in records:
        by_hour.setdefault(record.starts_s, []).append(record)
    starts = sorted(by_hour)
    chosen = [
        starts[i] for i in np.unique(np.linspace(0, len(starts) - 1, min(most, len(starts))).astype(int)).tolist()
    ]
    for start in chosen:
        whole = added(by_hour[start], start, HOUR_S)
        if whole.covered_s > 0:
            yield _hour(whole, configuration)


def peak_of(hours: list[Hour]) -> Hour:
    """The one with most demand."""
    return max(hours, key=lambda hour: float(hour.problem.external_rps.sum()))


def _hour(record: Usage, configuration: Configuration) -> Hour:
    fleet = configuration.fleet
    flow, column, requests = _routes(record, fleet)
    rps = requests / record.covered_s
    demand = np.bincount(flow, weights=rps, minlength=len(fleet.flows))
    routing = _routing(fleet, flow, column, rps, floats(demand))
    readings = Readings(float(record.starts_s), floats(demand), _capacity(record, configuration), *_unknown(fleet))
    whole = np.ones(len(fleet.backends))
    snapshot = Snapshot(float(record.starts_s), readings, routing, bools(whole), floats(whole))
    return Hour(record.starts_s, formulate(fleet, snapshot, configuration.policy.prices), routing)


def _unknown(fleet: Fleet) -> tuple[Floats, Floats]:
    """Latency and errors of backends are in no record: 0."""
    nothing = floats(np.zeros(len(fleet.backends)))
    return nothing, nothing


def _codes(record: Usage, name: str, ids: tuple[str, ...]) -> Ints:
    row = {word: i for i, word in enumerate(ids)}
    own = np.array([row.get(word, NONE) for word in record.names[name]] + [NONE])
    return np.asarray(own[record.rows[name].to_numpy()])


def _routes(record: Usage, fleet: Fleet) -> tuple[Ints, Ints, Floats]:
    """(flow, column, requests) of what was asked, refused included."""
    service, origin = _codes(record, "service", fleet.services.ids), _codes(record, "origin", fleet.origins.ids)
    cluster = _codes(record, "cluster", fleet.clusters.ids)
    requests = (record.rows["requests"] + record.rows["refused"]).to_numpy()
    size = len(fleet.origins)
    known = {key: row for row, key in enumerate((fleet.flows.service * size + fleet.flows.origin).tolist())}
    flow = np.array([known.get(key, NONE) for key in (service * size + origin).tolist()], dtype=np.int64)
    good = (flow >= 0) & (service >= 0) & (origin >= 0) & (requests > 0)
    column = np.where(cluster == NONE, fleet.shed, cluster)
    return flow[good], column[good], requests[good]


def _routing(fleet: Fleet, flow: Ints, column: Ints, rps: Floats, demand: Floats) -> Routing:
    """Shares as they were; flows that nobody used go to the nearest cluster."""
    home = nearest(fleet)
    idle = demand[home.row] <= 0
    flows = np.concatenate([flow, home.row[idle]])
    columns = np.concatenate([column, home.column[idle]])
    shares = np.concatenate([rps / np.maximum(demand[flow], 1e-300), home.share[idle]])
    return from_triplets(flows, columns, shares, (len(fleet.flows), fleet.shed + 1))


def _capacity(record: Usage, configuration: Configuration) -> Floats:
    """(B,) rps of the replicas that stood."""
    fleet = configuration.fleet
    service, cluster = _codes(record, "service", fleet.services.ids), _codes(record, "cluster", fleet.clusters.ids)
    hours = (record.rows["used_h"] + record.rows["resilience_h"] + record.rows["idle_h"]).to_numpy()
    backend = fleet.backends.row(np.asarray(service), np.asarray(cluster), len(fleet.clusters))
    good = (backend >= 0) & (service >= 0) & (cluster >= 0)
    stood = np.bincount(backend[good], weights=hours[good], minlength=len(fleet.backends)) / (record.covered_s / HOUR_S)
    one = replica_hours(fleet, floats(np.ones(len(fleet.backends))))
    return floats(stood / np.maximum(one, 1e-300))
