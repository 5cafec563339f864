import re

import pytest

from scheduler.dashboard.land import View, land, view_of

INLAND = {
    "frankfurt": (50.1, 8.7), "novosibirsk": (55.0, 82.9), "delhi": (28.6, 77.2), "nairobi": (-1.3, 36.8),
    "chicago": (41.9, -89.0), "brasilia": (-15.8, -47.9), "alice springs": (-23.7, 133.9),
}  # fmt: skip


def on_land(view: View, place: tuple[float, float]) -> bool:
    """Whether an odd number of edges of some polygon is crossed on the way out."""
    x, y, inside = view.x(place[1]), view.y(place[0]), False
    for polygon in re.findall(r'points="([^"]+)"', land(view)):
        points = [tuple(float(n) for n in pair.split(",")) for pair in polygon.split()]
        crossed = 0
        for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
            crossed += (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1)
        inside |= crossed % 2 == 1
    return inside


@pytest.mark.parametrize("place", INLAND.values(), ids=INLAND.keys())
def test_place_inland_is_drawn_on_land_in_a_view_of_itself_and_of_the_world(place: tuple[float, float]) -> None:
    assert on_land(view_of([place]), place)
    assert on_land(view_of(list(INLAND.values())), place)


def test_middle_of_the_atlantic_is_sea() -> None:
    assert not on_land(view_of(list(INLAND.values())), (35.0, -40.0))
