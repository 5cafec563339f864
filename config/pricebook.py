"""The PriceBook document: what nodes, transfers, storage and load balancers cost, and what power they take."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from config.document import Document
from config.fields import Amount, Day, Label, Many, Name, Positive, PositiveCount, Ratio, Region, Shape, Text


class SpotPrice(Shape):
    """What the same node costs while nobody else wants it."""

    usd_per_hour: Amount
    """For one node."""
    interruption_ratio: Ratio
    """The part of such nodes that the provider takes back within a month."""


class NodePrice(Shape):
    """What a node costs."""

    provider: Label
    """As clusters name it."""
    region: Label
    """As clusters name it."""
    node_type: Label
    """As pools name it."""
    usd_per_hour: Amount
    """For one node on demand; without accelerators where `gpu` names some."""
    gpu: Label | None = None
    """Accelerators that are billed apart from their host, as `gpus` calls them. Omitted: they are in the price."""
    gpu_count: PositiveCount = 1
    """How many of them one node has."""
    spot: SpotPrice | None = None
    """The price of interruptible nodes. Omitted: there are none."""
    watts: Amount | None = None
    """Mean power of one node at work. Omitted: from `power`."""


class GpuPrice(Shape):
    """What an accelerator costs where it is billed apart from its host."""

    provider: Label
    """As clusters name it."""
    region: Label
    """As clusters name it."""
    gpu: Label
    """As `nodeTypes` names it."""
    usd_per_hour: Amount
    """For one."""


class EgressTier(Shape):
    """A bracket of the gigabytes of a month."""

    up_to_gb: Positive | None = None
    """Where it ends, counted from the first gigabyte of the month. Omitted, in the last: it never does."""
    usd_per_gb: Amount
    """For those gigabytes that fall into it."""


class EgressPrice(Shape):
    """What it costs to move a gigabyte (1e9 bytes) from one region to another."""

    sender: Region = Field(alias="from")
    """A region, or "*" for any other."""
    receiver: Region = Field(alias="to")
    """A region, or "*" for any other."""
    usd_per_gb: Amount | None = None
    """For 1e9 bytes. With `tiers` it is what decisions reckon with; omitted: the first tier that costs something."""
    tiers: Annotated[Many[EgressTier], Field(min_length=1)] | None = None
    """Brackets by volume, of each pair of regions in a calendar month; a bill is the sum over them."""

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.usd_per_gb is None and self.tiers is None:
            raise ValueError("needs usdPerGb or tiers")
        ends = [tier.up_to_gb for tier in self.tiers or ()]
        if ends and (ends[-1] is not None or None in ends[:-1]):
            raise ValueError("the last tier, and no other, has no upToGb")
        bounds = [end for end in ends if end is not None]
        if any(after <= before for before, after in pairwise(bounds)):
            raise ValueError("upToGb must rise from tier to tier")
        return self

    @property
    def marginal_usd_per_gb(self) -> float:
        """What decisions reckon with."""
        if self.usd_per_gb is not None:
            return self.usd_per_gb
        prices = [tier.usd_per_gb for tier in self.tiers or ()]
        return next((usd for usd in prices if usd > 0), 0.0)


class StoragePrice(Shape):
    """What the disks of a pool's nodes cost where they are billed apart."""

    provider: Label
    """As clusters name it."""
    region: Region
    """As clusters name it, or "*" for all others of the provider."""
    usd_per_gib_month: Amount
    """For one GiB of `perNode.storageGib` in a month of 730 hours."""


class LoadBalancerPrice(Shape):
    """What a load balancer before a cluster's gateway costs."""

    provider: Label
    """As clusters name it."""
    region: Region
    """As clusters name it, or "*" for all others of the provider."""
    usd_per_hour: Amount
    """For one; a cluster has one."""


class Offer(Shape):
    """A discount for a commitment that could be made."""

    kind: Literal["reserved", "savings-plan"]
    """reserved: nodes of one type in one region. savings-plan: dollars per hour, whatever runs."""
    provider: Label
    """As clusters name it."""
    term_months: PositiveCount
    """How long it binds."""
    discount_ratio: Ratio
    """Off the price on demand."""


class Commitment(Shape):
    """A commitment that was made: it is billed whether it is used or not."""

    name: Name
    """Unique among commitments whose terms overlap."""
    kind: Literal["reserved", "savings-plan"]
    """reserved: `nodes` of one type in one region. savings-plan: `usdPerHour`, whatever runs."""
    provider: Label
    """As clusters name it."""
    region: Region = "*"
    """reserved: its region."""
    node_type: Region = "*"
    """reserved: its node type."""
    nodes: PositiveCount | None = None
    """reserved: how many."""
    usd_per_hour: Positive | None = None
    """savings-plan: what is paid every hour, at the discounted price."""
    discount_ratio: Ratio
    """Off the price on demand."""
    starts: Day
    """Its first day, YYYY-MM-DD."""
    term_months: PositiveCount
    """How long it binds."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        reserved = self.kind == "reserved"
        if reserved and (self.nodes is None or "*" in (self.region, self.node_type)):
            raise ValueError("reserved needs region, nodeType and nodes")
        if not reserved and self.usd_per_hour is None:
            raise ValueError("savings-plan needs usdPerHour")
        if self.discount_ratio >= 1:
            raise ValueError("discountRatio must be below 1")
        return self


class CarbonIntensity(Shape):
    """What a kilowatt-hour emits where a region is."""

    provider: Label
    """As clusters name it."""
    region: Label
    """As clusters name it."""
    grams_per_kwh: Amount
    """Grams of CO2 equivalent, average of a year."""


class PowerUse(Shape):
    """What machines of a provider take, on average at work."""

    provider: Label
    """As clusters name it."""
    watts_per_vcpu: Amount
    """Of a virtual CPU with its part of memory and board."""
    watts_per_gpu: Amount = 0.0
    """Of a GPU."""
    pue: Annotated[float, Field(ge=1, le=5)] = 1.0
    """Power of the data centre over that of its machines."""


class PriceBookSpec(Shape):
    """Prices from one source. It may list more than the fleet uses."""

    currency: Literal["USD"]
    """All amounts are US dollars; other price lists are to be converted first (`equipoise prices import --rate`)."""
    as_of: Day
    """The day of the prices, YYYY-MM-DD."""
    source: Text
    """Where they are from."""
    node_types: Many[NodePrice] = ()
    """Prices of nodes."""
    gpus: Many[GpuPrice] = ()
    """Prices of accelerators that are billed apart from their hosts."""
    egress: Many[EgressPrice] = ()
    """Transfer prices. The most specific wins: both regions, then from, then to. Inside a region 0 unless listed."""
    storage: Many[StoragePrice] = ()
    """Prices of disks."""
    load_balancers: Many[LoadBalancerPrice] = ()
    """Prices of load balancers."""
    offers: Many[Offer] = ()
    """Commitments to choose from, for `equipoise forecast`."""
    commitments: Many[Commitment] = ()
    """Commitments that were made."""
    carbon: Many[CarbonIntensity] = ()
    """Grid intensities."""
    power: Many[PowerUse] = ()
    """Power of machines."""


class PriceBook(Document):
    """A price book: what nodes, transfers, storage and load balancers cost."""

    kind: Literal["PriceBook"]
    spec: PriceBookSpec
