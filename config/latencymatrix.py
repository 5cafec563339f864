"""The LatencyMatrix document: how far origins and clusters are from each other."""

from typing import Literal

from config.document import Document
from config.fields import Day, Label, Milliseconds, Shape, Text


class LatencyMatrixSpec(Shape):
    """Round trips from one source."""

    as_of: Day
    """The day of the measurement, YYYY-MM-DD."""
    source: Text
    """Where they are from."""
    rtt_ms: dict[Label, dict[Label, Milliseconds]]
    """Round trip from an origin (or its cluster or region) to a cluster (or its region); or the other way round."""


class LatencyMatrix(Document):
    """A latency matrix: how far origins and clusters are from each other."""

    kind: Literal["LatencyMatrix"]
    spec: LatencyMatrixSpec
