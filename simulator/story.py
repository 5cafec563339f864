"""Stories: what happens to the world, and when."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from placement.columns import bools
from simulator.world import World


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens once."""

    at_s: float
    happen: Callable[[World], None]


@dataclass(frozen=True, slots=True)
class Story:
    """A name, a starting load, and events in order of time."""

    name: str
    about: str
    events: tuple[Event, ...]
    load: float = 1.0
    until_s: float = 120.0


def lose(cluster: str) -> Callable[[World], None]:
    """The cluster stops answering, with its mesh."""
    return lambda world: _set_alive(world, cluster, alive=False)


def heal(cluster: str) -> Callable[[World], None]:
    """It is back."""
    return lambda world: _set_alive(world, cluster, alive=True)


def fact(name: str, value: object) -> Callable[[World], None]:
    """One fact becomes that value."""
    return lambda world: world.change(**{name: value})


def _set_alive(world: World, cluster: str, *, alive: bool) -> None:
    here = np.array([c == cluster for c in world.fleet.clusters.ids])
    world.change(alive=bools(np.where(here, alive, world.facts.alive)))


STORIES = (
    Story(
        "loss-at-normal-load",
        "fra dies and comes back; there is room for everybody",
        (Event(30.0, lose("fra")), Event(60.0, heal("fra"))),
    ),
    Story(
        "loss-at-full-load",
        "fra dies at 1.6 times the load: two clusters cannot carry three clusters' work, so some is refused",
        (Event(30.0, lose("fra")), Event(60.0, heal("fra"))),
        load=1.6,
    ),
    Story(
        "stale-telemetry-plus-loss",
        "nothing is measured any more, then fra dies: the routing is held, and the loss comes from the table",
        (Event(20.0, fact("telemetry", value=False)), Event(70.0, lose("fra"))),
    ),
    Story(
        "all-probes-failing",
        "every probe fails while every cluster is well: the probes are doubted and nothing moves",
        (Event(30.0, fact("probes", value=False)), Event(80.0, fact("probes", value=True))),
    ),
)
