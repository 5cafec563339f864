"""Which round trip applies."""

import random
from pathlib import Path

import numpy as np
import pytest

from config.cluster import Cluster
from config.distances import distances_ms, rtt_ms
from config.load import load
from config.origin import Origin

CONFIGURATION = load(Path(__file__).parent / "base.yaml")
CLUSTERS = CONFIGURATION.cluster_by_name()
HOME, USERS = CONFIGURATION.origins

STEPS = [
    (("users", "home"), 1.0),
    (("users", "north"), 2.0),
    (("west", "home"), 3.0),
    (("west", "north"), 4.0),
    (("home", "users"), 5.0),
    (("north", "west"), 6.0),
]
"""From the most to the least specific, then the other way round."""


@pytest.mark.parametrize("first", range(len(STEPS)))
def test_rtt_takes_the_most_specific_entry(first: int) -> None:
    assert rtt_ms(dict(STEPS[first:]), USERS, CLUSTERS["home"], CLUSTERS) == first + 1


def test_rtt_of_an_unknown_pair_is_none() -> None:
    assert rtt_ms({("west", "south"): 1}, USERS, CLUSTERS["home"], CLUSTERS) is None


def test_rtt_inside_a_cluster_is_half_a_millisecond_unless_listed_by_name() -> None:
    assert rtt_ms({("north", "north"): 2}, HOME, CLUSTERS["home"], CLUSTERS) == 0.5
    assert rtt_ms({("home", "home"): 2}, HOME, CLUSTERS["home"], CLUSTERS) == 2


def cluster(name: str, region: str) -> Cluster:
    home = CLUSTERS["home"]
    return home.model_copy(
        update={
            "metadata": home.metadata.model_copy(update={"name": name}),
            "spec": home.spec.model_copy(update={"region": region}),
        }
    )


def origin(name: str, **where: str) -> Origin:
    spec = HOME.spec.model_copy(update={"cluster": None, "region": None} | where)
    return HOME.model_copy(update={"metadata": HOME.metadata.model_copy(update={"name": name}), "spec": spec})


@pytest.mark.parametrize("seed", range(5))
def test_distances_of_all_pairs_at_once_are_those_of_each(seed: int) -> None:
    rng = random.Random(seed)
    clusters = {f"c{i}": cluster(f"c{i}", f"r{rng.randrange(3)}") for i in range(6)}
    origins = [origin(f"o{i}", cluster=f"c{rng.randrange(6)}") for i in range(4)] + [origin("o9", region="r1")]
    names = [*clusters, "r0", "r1", "r2", "o0", "o9", "elsewhere"]
    trips = {(rng.choice(names), rng.choice(names)): float(i) for i in range(25)}

    found = distances_ms(trips, origins, clusters)

    each = [[rtt_ms(trips, o, c, clusters) for c in clusters.values()] for o in origins]
    assert np.array_equal(found, np.array(each, dtype=float), equal_nan=True)
