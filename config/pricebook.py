"""The PriceBook document: what nodes and transfers cost."""

from typing import Literal

from pydantic import Field

from config.document import Document
from config.fields import Amount, Day, Label, Many, Region, Shape, Text


class NodePrice(Shape):
    """What a node costs."""

    provider: Label
    """As clusters name it."""
    region: Label
    """As clusters name it."""
    node_type: Label
    """As pools name it."""
    usd_per_hour: Amount
    """For one node."""


class EgressPrice(Shape):
    """What it costs to move a gigabyte (1e9 bytes) from one region to another."""

    sender: Region = Field(alias="from")
    """A region, or "*" for any other."""
    receiver: Region = Field(alias="to")
    """A region, or "*" for any other."""
    usd_per_gb: Amount
    """For 1e9 bytes."""


class PriceBookSpec(Shape):
    """Prices from one source. It may list more than the fleet uses."""

    currency: Literal["USD"]
    """All amounts are US dollars; other price lists are to be converted first."""
    as_of: Day
    """The day of the prices, YYYY-MM-DD."""
    source: Text
    """Where they are from."""
    node_types: Many[NodePrice] = ()
    """Prices of nodes."""
    egress: Many[EgressPrice] = ()
    """Transfer prices. The most specific wins: both regions, then from, then to. Inside a region 0 unless listed."""


class PriceBook(Document):
    """A price book: what nodes and transfers cost."""

    kind: Literal["PriceBook"]
    spec: PriceBookSpec
