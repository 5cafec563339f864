"""Demand as a function of time: (F,) requests/s that users ask for, from the entries of a scenario."""

import csv
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from config.configuration import Configuration
from placement.columns import Floats, Ints
from placement.fleet import Fleet
from simulator.scenario.demand import DemandShape, Diurnal, FlashCrowd, Replay, Stage

DAY_S, HOUR_S = 86_400.0, 3_600.0
DATA = "data:"
WEEK_DAYS, WORK_DAYS = 7, 5


class NoData(Exception):  # noqa: N818  a state of the machine
    """A trace is not there."""


Shape = Callable[[float], Floats | float]
"""Factor of some flows at a time in seconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Some flows with one shape."""

    flow: Ints
    rps: Floats
    """At factor 1."""
    shapes: tuple[Shape, ...]
    noise: float


@dataclass(frozen=True, slots=True)
class Curves:
    """All entries of a scenario."""

    flows: int
    entries: tuple[Entry, ...]

    def rps(self, at_s: float, drift: Floats) -> Floats:
        """(F,) requests/s; `drift` (F,) is standard normal and becomes each entry's noise."""
        out = np.zeros(self.flows)
        for entry in self.entries:
            rps = entry.rps
            for shape in entry.shapes:
                rps = rps * shape(at_s)
            if entry.noise:
                rps = rps * np.exp(entry.noise * drift[entry.flow] - entry.noise**2 / 2)
            out[entry.flow] += rps
        return out


def curves(
    shapes: tuple[DemandShape, ...],
    fleet: Fleet,
    documents: Configuration,
    drawn_rps: Mapping[tuple[str, str], float],
    longitude: Mapping[str, float],
    folder: Path,
    duration_s: float,
) -> Curves:
    """The demand of a scenario; without entries what the fleet expects. Raises NoData for a trace that is not there."""
    expected = {(s, o.name): rps for o in documents.origins for s, rps in o.spec.expected_rps.items()} | dict(drawn_rps)
    entries = [_entry(shape, fleet, expected, longitude, folder, duration_s) for shape in shapes or (DemandShape(),)]
    return Curves(len(fleet.flows), tuple(entries))


def _entry(
    shape: DemandShape,
    fleet: Fleet,
    expected: Mapping[tuple[str, str], float],
    longitude: Mapping[str, float],
    folder: Path,
    duration_s: float,
) -> Entry:
    flows = fleet.flows
    origins = (shape.origin,) if isinstance(shape.origin, str) else shape.origin
    service = np.array([shape.service in (s, "*") for s in fleet.services.ids]) & fleet.services.exposed
    origin = np.array(["*" in origins or o in origins for o in fleet.origins.ids])
    chosen = np.flatnonzero(service[flows.service] & origin[flows.origin])
    names = [(fleet.services.ids[flows.service[f]], fleet.origins.ids[flows.origin[f]]) for f in chosen.tolist()]
    rps = np.array([expected.get(name, 0.0) if shape.rps is None else shape.rps for name in names])
    made: list[Shape] = []
    if shape.stages:
        made.append(_staged(shape.stages))
    if shape.diurnal:
        made.append(_daily(shape.diurnal, np.array([longitude.get(o, 0.0) for _, o in names])))
    if shape.crowd:
        made.append(_crowded(shape.crowd))
    if shape.replay:
        replayed, mean_rps = _replayed(shape.replay, folder, duration_s)
        made.append(replayed)
        if shape.rps is None and not rps.any():
            rps = np.full(len(names), mean_rps / max(len(names), 1))
    return Entry(chosen, rps, tuple(made), shape.noise)


def _staged(stages: tuple[Stage, ...]) -> Shape:
    times = np.cumsum([0.0, *(stage.lasts for stage in stages)])
    factors = [1.0, *(stage.to for stage in stages)]
    return lambda at_s: float(np.interp(at_s, times, factors))


def _daily(day: Diurnal, longitude: Floats) -> Shape:
    places, place = np.unique(longitude, return_inverse=True)  # many flows enter at one place
    ahead_s = places / 15 * HOUR_S

    def factor(at_s: float) -> Floats:
        local_s = day.starts_hour * HOUR_S + at_s + ahead_s
        wave = (1 + np.cos(2 * np.pi * (local_s / DAY_S - day.peak_hour / 24))) / 2
        weekend = (local_s // DAY_S) % WEEK_DAYS >= WORK_DAYS
        return np.asarray(((day.trough + (1 - day.trough) * wave) * np.where(weekend, day.weekend, 1.0))[place])

    return factor


def _crowded(crowd: FlashCrowd) -> Shape:
    times = np.cumsum([crowd.at, max(crowd.rise, 1e-3), crowd.hold, max(crowd.fall, 1e-3)])
    return lambda at_s: float(np.interp(at_s, times, [1.0, crowd.factor, crowd.factor, 1.0]))


def _replayed(replay: Replay, folder: Path, duration_s: float) -> tuple[Shape, float]:
    """The course of what was recorded, as a factor, and the mean of the part that is played."""
    times_s, values = _series(_trace(replay.file, folder), replay)
    played = (times_s - replay.starts) / replay.speed
    part = (played >= 0) & (played <= duration_s)
    mean = float(values[part].mean()) if part.any() else float(values.mean())
    return lambda at_s: float(np.interp(at_s, played, values)) / max(mean, 1e-12), mean


def _trace(name: str, folder: Path) -> Path:
    if not name.startswith(DATA):
        path = folder / name
    else:
        default = Path(__file__).parents[3] / "shared" / "data"
        path = Path(os.environ.get("EQUIPOISE_DATA", default)) / name.removeprefix(DATA)
    if not path.is_file():
        remedy = ": set EQUIPOISE_DATA to the folder that has it" if name.startswith(DATA) else ""
        raise NoData(f"no trace {path.as_posix()!r}{remedy}")
    return path


def _series(path: Path, replay: Replay) -> tuple[Floats, Floats]:
    """(seconds from the first row, requests/s)."""
    with path.open(newline="", encoding="utf-8") as table:
        lines = [(number, line) for number, line in enumerate(table, 1) if not line.startswith("#")]
    rows = list(csv.DictReader(line for _, line in lines))
    if not rows:
        raise NoData(f"{path.as_posix()}: a trace has a header and at least one row")
    places = [f"{path.as_posix()}:{number}" for number, _ in lines[1:]]
    times = _column(rows, replay.time, places, _seconds, "seconds or an ISO 8601 time")
    times -= times[0]
    if replay.value is not None:
        return times, _column(rows, replay.value, places, _rate, "requests/s of 0 or more")
    bins = np.arange(0.0, times[-1] + replay.every, replay.every)
    counts, _ = np.histogram(times, bins)
    return bins[:-1] + replay.every / 2, counts / replay.every


def _column(
    rows: list[dict[str, str]], name: str, places: list[str], read: Callable[[str], float], wanted: str
) -> Floats:
    """A column as numbers. Raises NoData that names the column, or the line."""
    if name not in rows[0]:
        there = ", ".join(str(column) for column in rows[0])
        raise NoData(f"{places[0].rpartition(':')[0]}: no column {name!r}; there is {there}")
    values = np.zeros(len(rows))
    for i, row in enumerate(rows):
        try:
            values[i] = read(row[name] or "")
        except ValueError:
            raise NoData(f"{places[i]}: {name} is {row[name]!r}: must be {wanted}") from None
    return values


def _rate(text: str) -> float:
    value = float(text)
    if not 0 <= value < np.inf:
        raise ValueError(text)
    return value


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()
