"""Allocated cost in the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification), with `x_` for what is ours.

Every row is a Usage charge: what a service in a cluster used, or had standing, in a period. A price that mixes
commitments with on demand is none of the categories that FOCUS has, so such rows say Other; ListCost is without them.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from placement.pricing.shares import UNITS_PER_USD
from scheduler.reports.allocation import allocate
from scheduler.reports.bill import Period
from scheduler.reports.cost import named
from scheduler.reports.gather import Gathered
from scheduler.reports.rates import SPOT
from scheduler.usage import NAMES

Row = dict[str, object]
COMPUTE = ("Compute", "Virtual Machines", "Compute", "Hours")
NETWORK = ("Networking", "Network Infrastructure", "Data Transfer", "GB")
KINDS: Mapping[str, tuple[str, str, str, str]] = {
    "compute": COMPUTE,
    "gpu": COMPUTE,
    "resilience": COMPUTE,
    "idle": COMPUTE,
    "idle-nodes": COMPUTE,
    "storage": ("Storage", "Block Storage", "Block Storage", "Hours"),
    "load-balancer": ("Networking", "Application Networking", "Load Balancing", "Hours"),
    "egress": NETWORK,
    "unused-commitment": COMPUTE,
}
"""(ServiceCategory, ServiceSubcategory, ServiceName, PricingUnit) by component."""
DISCOUNTED = ("compute", "gpu", "resilience", "idle", "idle-nodes")
NOWHERE = "(fleet)"


def focus_rows(found: Gathered) -> Iterator[Row]:
    """One row for each period, cluster, service, origin and component (and pair of regions, for transfer)."""
    cells = named(allocate(found.rows, found.names, found.bill, NAMES), found)
    lists, spot = _list_ratios(found), _spot_only(found)
    regions = found.names.region
    for cell in cells.iter_rows(named=True):
        period = found.bill.periods[cell["period"]]
        unused = cell["component"] == "unused-commitment"
        pair = (-1, -1) if unused else (cell["sender"], cell["receiver"])
        sender, receiver = (regions[code] if code >= 0 else None for code in pair)
        ratio = lists.get(cell["cluster"], 1.0) if cell["component"] in DISCOUNTED else 1.0
        row = _row(cell, period, ratio, cell["cluster"] in spot)
        row["RegionId"] = row["RegionName"] = found.rates.regions.get(cell["cluster"])
        provider = found.rates.providers.get(cell["cluster"], NOWHERE)
        row["ProviderName"] = row["PublisherName"] = row["InvoiceIssuerName"] = provider
        row["SkuId"] = f"{provider}/{row['RegionId'] or 'global'}/{cell['component']}"
        row["SkuPriceId"] = row["SkuId"]
        row["x_SenderRegion"], row["x_ReceiverRegion"] = sender, receiver
        if unused:
            row |= _unused(found.names.commitment[cell["sender"]], row)
        yield row


def _row(cell: Mapping[str, Any], period: Period, list_ratio: float, spot: bool) -> Row:
    component = cell["component"]
    category, subcategory, service, unit = KINDS[component]
    paid = cell["units"] / UNITS_PER_USD
    listed = paid * list_ratio
    quantity = cell["quantity"] if cell["quantity"] > 0 else max(period.hours, 1e-9)
    month = datetime.fromtimestamp(period.starts_s, UTC).replace(day=1, hour=0, minute=0, second=0)
    team, workload = cell["team"], cell["service"]
    pricing = "Dynamic" if spot and component in DISCOUNTED else "Standard" if list_ratio <= 1 + 1e-9 else "Other"
    return {
        "BilledCost": paid,
        "BillingAccountId": "equipoise",
        "BillingAccountName": "Equipoise fleet",
        "BillingAccountType": "Fleet",
        "BillingCurrency": "USD",
        "BillingPeriodStart": _at(month),
        "BillingPeriodEnd": _at((month + timedelta(days=32)).replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": f"{component} of {workload} in {cell['cluster']} for {cell['origin']}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _at(datetime.fromtimestamp(period.starts_s, UTC)),
        "ChargePeriodEnd": _at(datetime.fromtimestamp(period.starts_s + period.span_s, UTC)),
        "CommitmentDiscountCategory": None,
        "CommitmentDiscountId": None,
        "CommitmentDiscountName": None,
        "CommitmentDiscountQuantity": None,
        "CommitmentDiscountStatus": None,
        "CommitmentDiscountType": None,
        "CommitmentDiscountUnit": None,
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "ContractedCost": listed,
        "ContractedUnitPrice": listed / quantity,
        "EffectiveCost": paid,
        "InvoiceId": None,
        "InvoiceIssuerName": None,
        "ListCost": listed,
        "ListUnitPrice": listed / quantity,
        "PricingCategory": pricing,
        **_in_usd(listed / quantity, paid),
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "ProviderName": None,
        "PublisherName": None,
        "RegionId": None,
        "RegionName": None,
        "ResourceId": f"{cell['cluster']}/{workload}",
        "ResourceName": workload,
        "ResourceType": "Workload",
        "ServiceCategory": category,
        "ServiceName": service,
        "ServiceSubcategory": subcategory,
        "SkuId": None,
        "SkuMeter": component,
        "SkuPriceDetails": '{"x_Component": ' + _quoted(component) + "}",
        "SkuPriceId": None,
        "SubAccountId": cell["cluster"],
        "SubAccountName": cell["cluster"],
        "SubAccountType": "Cluster",
        "Tags": '{"team": ' + _quoted(team) + "}",
        "x_Cluster": cell["cluster"],
        "x_Service": workload,
        "x_Origin": cell["origin"],
        "x_Team": team,
        "x_Component": component,
        "x_CarbonGrams": cell["grams"],
        "x_MeasuredHours": period.hours,
    }


def _in_usd(unit_price: float, paid: float) -> Row:
    """Prices in the currency of the price books, which is that of the bill."""
    return {
        "PricingCurrency": "USD",
        "PricingCurrencyContractedUnitPrice": unit_price,
        "PricingCurrencyEffectiveCost": paid,
        "PricingCurrencyListUnitPrice": unit_price,
    }


def _unused(name: str, row: Row) -> Row:
    """A commitment that nothing used in a period."""
    return {
        "CommitmentDiscountCategory": "Usage",
        "CommitmentDiscountId": name,
        "CommitmentDiscountName": name,
        "CommitmentDiscountQuantity": row["PricingQuantity"],
        "CommitmentDiscountStatus": "Unused",
        "CommitmentDiscountType": "Commitment",
        "CommitmentDiscountUnit": row["PricingUnit"],
        "ConsumedQuantity": None,
        "ConsumedUnit": None,
        "PricingCategory": "Committed",
        "ChargeDescription": f"commitment {name}, not used",
        "SubAccountId": None,
        "SubAccountName": None,
        "SubAccountType": None,
        "ResourceId": name,
        "ResourceName": name,
        "ResourceType": "Commitment",
    }


def _list_ratios(found: Gathered) -> dict[str, float]:
    """What the nodes of each cluster would cost without commitments, over what they cost."""
    sums: dict[str, tuple[float, float]] = {}
    for pool in found.rates.pools:
        listed, paid = sums.get(pool.cluster, (0.0, 0.0))
        sums[pool.cluster] = listed + pool.nodes * pool.list_usd, paid + pool.nodes * pool.paid_usd
    return {name: listed / paid for name, (listed, paid) in sums.items() if paid > 0}


def _spot_only(found: Gathered) -> set[str]:
    bought: dict[str, set[str]] = {}
    for pool in found.rates.pools:
        bought.setdefault(pool.cluster, set()).add(pool.purchase)
    return {name for name, kinds in bought.items() if kinds == {SPOT}}


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
