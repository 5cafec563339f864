"""A whole configuration: valid documents that agree with each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.budget import Budget
from config.cluster import Cluster
from config.latencymatrix import LatencyMatrix
from config.origin import Origin
from config.policy import PolicySpec
from config.pricebook import PriceBook
from config.service import Service


@dataclass(frozen=True, slots=True)
class Configuration:
    """Clusters, services and origins sorted by name: the row order of everything made from them."""

    clusters: tuple[Cluster, ...]
    services: tuple[Service, ...]
    origins: tuple[Origin, ...]
    price_books: tuple[PriceBook, ...]
    latency_matrices: tuple[LatencyMatrix, ...]
    policy: PolicySpec
    """The one Policy, or the defaults."""
    documents: int
    """How many documents it was made from."""
    files: int
    """How many files held them."""
    budgets: tuple[Budget, ...] = ()
    fallbacks: tuple[str, ...] = ()
    """What no document priced, so that the default price book did, as it was asked to."""

    def cluster_by_name(self) -> Mapping[str, Cluster]:
        """Each cluster under its name."""
        return {cluster.name: cluster for cluster in self.clusters}

    def __str__(self) -> str:
        counts = (counted(len(self.clusters), "cluster"), counted(len(self.services), "service"))
        whole = f"{counted(self.documents, 'document')} in {counted(self.files, 'file')}"
        return f"{', '.join(counts)}, {counted(len(self.origins), 'origin')} ({whole})"


def counted(count: int, noun: str) -> str:
    """`1 cluster`, `3 clusters`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
