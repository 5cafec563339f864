"""The rules of the FOCUS 1.2 columns, from its specification (tag v1.2, specification/columns): what a file must keep.

The FinOps Foundation's own validator knows 1.2 from its release 2.1 on, which needs Python 3.12; what runs on 3.11 (its
1.0.0) knows no 1.2. So the rules are written down here, column by column.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from datetime import datetime

MANDATORY = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "ServiceCategory", "ServiceName",
)  # fmt: skip
OTHERS = (
    "AvailabilityZone", "BillingAccountType", "CapacityReservationId", "CapacityReservationStatus", "ChargeFrequency",
    "CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit",
    "ContractedUnitPrice", "InvoiceId", "ListUnitPrice", "PricingCategory", "PricingCurrency",
    "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "RegionId",
    "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceSubcategory", "SkuId", "SkuMeter",
    "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
)  # fmt: skip
NOT_NULL = {
    "BilledCost", "BillingAccountId", "BillingAccountType", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost",
    "InvoiceIssuerName", "ListCost", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName",
    "ServiceSubcategory",
}  # fmt: skip
DECIMALS = {
    "BilledCost", "CommitmentDiscountQuantity", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice",
    "EffectiveCost", "ListCost", "ListUnitPrice", "PricingQuantity",
}  # fmt: skip
TIMES = {"BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart"}
ALLOWED = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"", "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "CommitmentDiscountCategory": {"", "Spend", "Usage"},
    "CommitmentDiscountStatus": {"", "Used", "Unused"},
    "PricingCategory": {"", "Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": {
        "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools",
        "Identity", "Integration", "Internet of Things", "Management and Governance", "Media", "Migration", "Mobile",
        "Multicloud", "Networking", "Other", "Security", "Storage", "Web",
    },
    "ServiceSubcategory": {
        "Containers", "Virtual Machines", "Serverless Compute", "Other (Compute)", "Application Networking",
        "Content Delivery", "Network Connectivity", "Network Infrastructure", "Network Routing", "Network Security",
        "Other (Networking)", "Block Storage", "File Storage", "Object Storage", "Other (Storage)",
    },
}  # fmt: skip
"""ServiceSubcategory: those of the three categories that reports use."""
PAIRS = (("SubAccountId", "SubAccountType"), ("ConsumedQuantity", "ConsumedUnit"), ("PricingQuantity", "PricingUnit"))
"""Both or neither are null."""
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
TIME = "%Y-%m-%dT%H:%M:%SZ"
CLOSE = 1e-9


def broken_rules(text: str) -> list[str]:
    """What a FOCUS 1.2 file in CSV does not keep; empty for a good one."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = list(reader.fieldnames or ())
    found = [f"column {name} is missing" for name in MANDATORY if name not in columns]
    known = {*MANDATORY, *OTHERS}
    found += [
        f"column {n} is neither of FOCUS 1.2 nor x_" for n in columns if n not in known and not n.startswith("x_")
    ]
    rows = list(reader)
    if not rows:
        found.append("no rows")
    for line, row in enumerate(rows, 2):
        found += [f"line {line}: {words}" for words in _row(row)]
    return found


def _row(row: dict[str, str]) -> Iterator[str]:
    for name in NOT_NULL & row.keys():
        if row[name] == "":
            yield f"{name} must not be null"
    for name in DECIMALS & row.keys():
        if row[name] and not NUMBER.fullmatch(row[name]):
            yield f"{name} {row[name]!r} is no number"
    for name in TIMES:
        datetime.strptime(row[name], TIME)  # noqa: DTZ007  raises for what is no time in UTC
    for name, values in ALLOWED.items():
        if row.get(name, "") not in values and name in row:
            yield f"{name} {row[name]!r} is not allowed"
    if not re.fullmatch(r"[A-Z]{3}", row["BillingCurrency"]):
        yield f"BillingCurrency {row['BillingCurrency']!r} is no ISO 4217 code"
    if row["ChargePeriodEnd"] <= row["ChargePeriodStart"] or row["BillingPeriodEnd"] <= row["BillingPeriodStart"]:
        yield "a period ends before it begins"
    if not row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["BillingPeriodEnd"]:
        yield "the charge lies outside its billing period"
    json.loads(row["Tags"] or "{}")
    yield from _usage(row)


def _usage(row: dict[str, str]) -> Iterator[str]:
    """Rules that hang on other columns."""
    unused = row["CommitmentDiscountStatus"] == "Unused"
    if row["ChargeCategory"] in {"Usage", "Purchase"} and row["ChargeClass"] == "":
        for name in ("PricingQuantity", "PricingUnit", "PricingCategory", "SkuId", "SkuPriceId", "ListUnitPrice",
                     "ContractedUnitPrice"):  # fmt: skip
            if row[name] == "":
                yield f"{name} must not be null for usage"
    if (row["ChargeCategory"] == "Usage" and not unused) == (row["ConsumedQuantity"] == ""):
        yield "ConsumedQuantity must be there for usage, and null for a commitment that is not used"
    for name, price in (("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")):
        cost, product = float(row[name]), float(row[price]) * float(row["PricingQuantity"])
        if not math.isclose(cost, product, rel_tol=CLOSE, abs_tol=CLOSE):
            yield f"{price} times PricingQuantity is {product}, {name} is {cost}"
    for one, other in PAIRS:
        if (row[one] == "") != (row[other] == ""):
            yield f"{one} and {other}: only one of them is null"
    yield from _commitment(row)


def _commitment(row: dict[str, str]) -> Iterator[str]:
    """Rules of commitment discounts."""
    discounted = row["CommitmentDiscountId"] != ""
    for name in ("Category", "Type", "Status", "Quantity", "Unit"):
        if (row[f"CommitmentDiscount{name}"] != "") != discounted:
            yield f"CommitmentDiscount{name} goes with CommitmentDiscountId"
    if (row["PricingCategory"] == "Committed") != discounted:
        yield "PricingCategory is Committed where a commitment discount is, and nowhere else"
    if row["RegionId"] == "" and row["RegionName"] != "":
        yield "RegionName without RegionId"
