"""Hours of a window as problems again: what was asked, what stood and how it was routed, for what-if questions."""

from collections.abc import Sequence
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
from scheduler.reports.window import stamp
from scheduler.usage import DAY_S, HOUR_S, NONE, Usage, added

DAYS_MAX = 7
"""Days of a window that are replayed at most, each with all its hours: one of each seventh of the window, of different
days of the week where there are."""
FLOW_HOURS_MAX = 3_000_000
"""Flows times hours that are replayed at most: fewer days of a fleet so large, but always one."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour, as means over what was measured of it."""

    starts_s: int
    problem: Problem
    routing: Routing
    """What was in force."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What is replayed of a window."""

    hours: tuple[Hour, ...]
    about: str
    """How it was chosen, in words."""


def busiest_day(records: Sequence[Usage]) -> int:
    """The day of a window with most requests, by its number since 1970: where its peak is to be looked for."""
    asked: dict[int, float] = {}
    for record in records:
        day, total = record.starts_s // DAY_S, record.rows.select("requests", "refused").sum().row(0)
        asked[day] = asked.get(day, 0.0) + sum(total)
    return max(asked, key=lambda day: asked[day])


def sampled(hours: Sequence[int], flows: int, peak: int | None = None) -> tuple[list[int], str]:
    """The hours of a window to replay, of those that are there by themselves, and how they were chosen, in words.

    `peak`: a day to replay in any case, where the report is about the busiest hour and not about means.
    """
    days = sorted({hour // DAY_S for hour in hours})
    most = min(DAYS_MAX, max(1, FLOW_HOURS_MAX // (24 * max(flows, 1))))
    if len(days) <= max(most, 2 if most == DAYS_MAX else 1):
        return list(hours), f"all {len(hours)} hours that are in the ledger by themselves"
    even = _days(days, most)
    chosen = sorted({*even, *(day for day in days if day == peak)})
    kept = [hour for hour in hours if hour // DAY_S in chosen]
    named = ", ".join(stamp(day * DAY_S)[:10] for day in chosen)
    how = "evenly chosen" if len(chosen) == len(even) else "evenly chosen and the one of most requests"
    return kept, f"{len(kept)} hours: those of {len(chosen)} of the {len(days)} days that have hours, {how} ({named})"


def _days(days: Sequence[int], most: int) -> list[int]:
    """One of each equal part of the window: the nearest to its middle of a day of the week that is not there yet."""
    chosen: list[int] = []
    for part in np.array_split(np.asarray(days), most):
        middle = float(part.mean())
        week = {day % 7 for day in chosen}
        chosen.append(min(part.tolist(), key=lambda day: (day % 7 in week, abs(day - middle))))
    return chosen


def replay_of(records: Sequence[Usage], configuration: Configuration, about: str = "") -> Replay:
    """Hours as problems; `about` says how they were chosen, without it a sample is taken here where they are many.

    What the documents do not have any more is left out, and so are days that are added up: a mean over a day has no
    peak. Raises ValueError where no hour is left.
    """
    by_hour: dict[int, list[Usage]] = {}
    for record in records:
        if record.span_s == HOUR_S and record.covered_s > 0:
            by_hour.setdefault(record.starts_s, []).append(record)
    if not by_hour:
        raise ValueError("no hour of this window can be replayed: hours are kept for 35 days, then only whole days")
    kept, words = (sorted(by_hour), about) if about else sampled(sorted(by_hour), len(configuration.fleet.flows))
    hours = tuple(_hour(added(by_hour[start], start, HOUR_S), configuration) for start in kept)
    return Replay(hours, words)


def peak_of(hours: Sequence[Hour]) -> Hour:
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
