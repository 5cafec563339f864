"""The kinds of documents, by name."""

from typing import Final

from config.budget import Budget
from config.cluster import Cluster
from config.document import Document
from config.latencymatrix import LatencyMatrix
from config.origin import Origin
from config.policy import Policy
from config.pricebook import PriceBook
from config.service import Service

API_VERSION = "equipoise.dev/v1alpha1"

KINDS: Final[dict[str, type[Document]]] = {
    "Cluster": Cluster,
    "Service": Service,
    "Origin": Origin,
    "Policy": Policy,
    "PriceBook": PriceBook,
    "LatencyMatrix": LatencyMatrix,
    "Budget": Budget,
}
