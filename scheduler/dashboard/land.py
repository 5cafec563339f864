"""The outlines of the land, and a view of the part of the world that matters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from placement.columns import Floats

WIDTH, HEIGHT = 760.0, 360.0
MARGIN = 0.25
"""Of the extent of what is shown, around it."""
LEAST_DEGREES = 24.0


@dataclass(frozen=True, slots=True)
class View:
    """A part of the world, in degrees."""

    west: float
    east: float
    south: float
    north: float

    def x(self, longitude: float) -> float:
        """Equirectangular."""
        return (longitude - self.west) / (self.east - self.west) * WIDTH

    def y(self, latitude: float) -> float:
        """Equirectangular."""
        return (self.north - latitude) / (self.north - self.south) * HEIGHT


def positions(names: Sequence[str], places: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """(latitude, longitude) of every name; what has no place stands on a circle in the Atlantic."""
    names = sorted(set(names))
    lost = [name for name in names if name not in places]
    turn = np.linspace(0, 2 * np.pi, len(lost), endpoint=False)
    circle = {
        name: (20 + 20 * float(np.cos(t)), -35 + 20 * float(np.sin(t))) for name, t in zip(lost, turn, strict=True)
    }
    return {name: places.get(name) or circle[name] for name in names}


def view_of(places: list[tuple[float, float]]) -> View:
    """What holds everything, with a margin, in the shape of the picture."""
    lat, lon = np.array([p[0] for p in places]), np.array([p[1] for p in places])
    wide = max(
        float(np.ptp(lon)) * (1 + 2 * MARGIN), LEAST_DEGREES, float(np.ptp(lat)) * (1 + 2 * MARGIN) * WIDTH / HEIGHT
    )
    wide = min(wide, 360.0)
    high = wide * HEIGHT / WIDTH
    middle_x, middle_y = (lon.max() + lon.min()) / 2, (lat.max() + lat.min()) / 2
    return View(
        float(middle_x - wide / 2), float(middle_x + wide / 2), float(middle_y - high / 2), float(middle_y + high / 2)
    )


def land(view: View) -> str:
    """The land that is in sight, as polygons. Longitudes go round: Eurasia's outline runs over the date line."""
    shifted = (np.add(ring, (turn, 0.0)) for ring in _land() for turn in (-360.0, 0.0, 360.0))
    return "".join(f'<polygon class="land" points="{_points(ring, view)}"/>' for ring in shifted if _seen(ring, view))


def _seen(ring: Floats, view: View) -> bool:
    (west, south), (east, north) = ring.min(axis=0), ring.max(axis=0)
    return bool(west < view.east and east > view.west and south < view.north and north > view.south)


def _points(ring: Floats, view: View) -> str:
    return " ".join(f"{view.x(lon):.1f},{view.y(lat):.1f}" for lon, lat in ring.tolist())


@cache
def _land() -> list[Floats]:
    lines = Path(__file__).with_name("land.txt").read_text(encoding="utf-8").splitlines()
    rings = [line.split() for line in lines if line and not line.startswith("#")]
    return [np.array([[float(n) for n in pair.split(",")] for pair in ring]) for ring in rings]
