"""What several modules of this package share because it is dear to start."""

from collections.abc import Iterator

import pytest

from tests.scheduler.nodes import Cluster, cluster_of_two


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Ray cluster of two nodes on this machine."""
    with cluster_of_two(tmp_path_factory.mktemp("nodes")) as cluster:
        yield cluster


@pytest.fixture
def two_nodes(cluster: Cluster) -> Cluster:
    """The cluster with both nodes alive."""
    cluster.second()
    return cluster
