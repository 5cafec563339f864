import numpy as np

from simulator.physics.books import EDGES_MS, bins_of


def test_bin_of_a_latency_is_the_first_whose_edge_is_not_below_it() -> None:
    latency_ms = np.exp(np.random.default_rng(5).uniform(np.log(1e-3), np.log(1e6), 20_000))

    assert bins_of(latency_ms).tolist() == np.searchsorted(EDGES_MS, latency_ms).tolist()
    assert bins_of(np.array([0.0, EDGES_MS[0], 1e9])).tolist() == [0, 0, len(EDGES_MS)]
