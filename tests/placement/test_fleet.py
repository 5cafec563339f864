import numpy as np
import pytest

from placement.callgraph import call_depth, coupled_services
from placement.columns import floats, ints
from placement.fleet import Calls, backends_of


def test_call_depth_of_a_cycle_raises() -> None:
    with pytest.raises(ValueError, match="cycle"):
        call_depth(2, Calls(ints([0, 1]), ints([1, 0]), floats([1.0, 1.0])))


def test_call_depth_of_a_chain_counts_its_links() -> None:
    assert call_depth(3, Calls(ints([0, 1]), ints([1, 2]), floats([1.0, 1.0]))).tolist() == [0, 1, 2]


def test_backends_of_two_pools_in_one_cluster_are_one_backend() -> None:
    backends, row = backends_of(np.array([0, 0, 1]), np.array([2, 2, 0]), 3)

    assert list(zip(backends.service, backends.cluster, strict=True)) == [(0, 2), (1, 0)]
    assert row.tolist() == [0, 0, 1]
    assert backends.row(np.array([0, 0]), np.array([2, 1]), 3).tolist() == [0, -1]


def test_coupled_services_are_applications_unless_limits_are_shared() -> None:
    calls = Calls(ints([0]), ints([1]), floats([1.0]))

    apart = coupled_services(3, calls, shared=False)

    assert apart[0] == apart[1] != apart[2]
    assert coupled_services(3, calls, shared=True).tolist() == [0, 0, 0]
