import numpy as np
import pytest

from placement.routing import RoutingView, blend, from_dense, moved_share
from simulator.trio import trio


def test_from_dense_with_an_empty_row_raises() -> None:
    with pytest.raises(ValueError, match="flow 1 has no share"):
        from_dense(np.array([[1.0, 0.0], [0.0, 0.0]]))


def test_from_dense_with_unnormalised_rows_sums_to_one() -> None:
    routing = from_dense(np.array([[1.0, 3.0], [0.0, 2.0]]))

    assert routing.dense().tolist() == [[0.25, 0.75], [0.0, 1.0]]


def test_columns_when_written_to_refuse() -> None:
    routing = from_dense(np.eye(2))

    with pytest.raises(ValueError, match="read-only"):
        routing.share[0] = 0.5


def test_blend_with_a_fraction_per_flow_moves_each_by_its_own() -> None:
    old, new = from_dense(np.array([[1.0, 0.0], [1.0, 0.0]])), from_dense(np.array([[0.0, 1.0], [0.0, 1.0]]))

    mixed = blend(old, new, np.array([0.25, 1.0]))

    assert mixed.dense().tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_moved_share_of_a_swap_is_one() -> None:
    old, new = from_dense(np.array([[1.0, 0.0], [0.5, 0.5]])), from_dense(np.array([[0.0, 1.0], [0.5, 0.5]]))

    assert moved_share(old, new).tolist() == [1.0, 0.0]


def test_view_when_asked_for_a_flow_names_clusters_and_shed() -> None:
    fleet = trio()
    shares = np.tile([0.5, 0.0, 0.25, 0.25], (len(fleet.flows), 1))

    view = RoutingView(fleet, from_dense(shares))

    assert view["front@ams"] == {"ams": 0.5, "iad": 0.25, "SHED": 0.25}
    assert len(view) == len(list(view)) == len(fleet.flows)
